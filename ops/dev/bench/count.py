"""`make count`: what can be counted, held against loadtest/baseline.toml. Each number is the difference between a longer
and a shorter run of the same work, divided by the difference in work, so that what a program does at its start is in
none. Never a time. UPDATE=1 writes what was counted as the new baseline."""

import os
import re
import subprocess
import sys
import time
import tomllib

import peers
import servers
import tool
from servers import Shape

COUNT = os.environ["COUNT_DIR"]
HUB, SOCKETS = os.environ["COUNT_HUB"], os.environ["COUNT_SOCKETS"]
MEMBERS = 200
# What a program takes memory by.
ALLOCATORS = re.compile(r"(?:.*:)?(?:malloc|calloc|realloc|memalign|posix_memalign|aligned_alloc)(?:'\d+)?")


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"error: {' '.join(command)}:\n{(done.stderr or done.stdout)[-2000:]}")
    return done.stderr


def callgrind(*arguments):
    """Instructions of a run, and how often memory was asked for."""
    out = os.path.join(COUNT, "callgrind.out")
    run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--compress-strings=no", "--compress-pos=no", HUB, *arguments])
    instructions, asked, called = 0, 0, ""
    with open(out, encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("summary:") or line.startswith("totals:"):
                instructions = int(line.split()[1])
            elif line.startswith("cfn="):
                called = line[4:].strip()
            elif line.startswith("calls=") and ALLOCATORS.fullmatch(called):
                asked += int(line[6:].split()[0])
    return instructions, asked


def hub(what, of, less=200, more=600):
    """Instructions and allocations of one time."""
    first, last = callgrind(what, str(of), str(less)), callgrind(what, str(of), str(more))
    return tuple((after - before) / (more - less) for before, after in zip(first, last))


def system_calls(frames, times):
    out = os.path.join(COUNT, "strace.out")
    run(["strace", "-f", "-c", "-o", out, SOCKETS, str(frames), str(times)])
    total, writes = 0, 0
    with open(out, encoding="utf-8") as file:
        for line in file:
            words = line.split()
            if len(words) >= 5 and words[0][0].isdigit() and words[-1] != "total":
                total += int(words[3])
                if words[-1] in ("write", "writev", "sendto", "sendmsg"):
                    writes += int(words[3])
    return total, writes


def sockets(frames, less=20, more=120):
    """Writes and all system calls a delivery, the reading side's one read included."""
    first, last = system_calls(frames, less), system_calls(frames, more)
    deliveries = (more - less) * MEMBERS * frames
    return (last[1] - first[1]) / deliveries, (last[0] - first[0]) / deliveries


def count():
    found = {}
    for members in (10, 1_000):
        instructions, allocations = hub("send", members)
        found[f"hub: instructions a message, {members} in the room"] = instructions
        found[f"hub: allocations a message, {members} in the room"] = allocations
    for rooms in (1, 20):
        instructions, allocations = hub("connect", rooms)
        found[f"hub: instructions a connect with {rooms} rooms"] = instructions
        found[f"hub: allocations a connect with {rooms} rooms"] = allocations
    for frames in (1, 64):
        writes, calls = sockets(frames)
        found[f"sockets: writes a delivery, {frames} frames at once"] = writes
        found[f"sockets: system calls a delivery, {frames} frames at once"] = calls
    found["memory: own bytes an idle connection"] = memory()
    return found


def memory(people=9_900, less=1_900):
    """Own bytes of an idle connection of a whole server, in rooms of 10."""
    shape = Shape(people, people // 10, 10)
    seen = []
    for connections in (less, people):
        running = servers.chatify(shape)
        try:
            # As long as before: what a burst of handshakes needed must have gone back.
            told = peers.scenario(shape, peers.SETTLE)
            told["people"]["connections"] = connections
            told["rooms"] = [{"count": connections // 10, "members": 10}]
            time.sleep(peers.SETTLE)
            result = tool.run(running, told)
            if not result["clean"] or result["ownEach"] is None:
                raise SystemExit(f"error: {tool.line(result)}")
            seen.append(result["ownEach"] * connections)
        finally:
            running.stop()
    return (seen[1] - seen[0]) / (people - less)


def show(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3f}"


def write(path, found, old):
    lines = [
        "# What `make count` holds its counts against: no times, so that it means the same on every machine.",
        "# `most` is how many times `is` it may be. `make count UPDATE=1` writes what it counted; say why in the commit.",
    ]
    for name, value in found.items():
        most = old.get(name, {}).get("most", 1.3 if name.startswith("memory") else 1.1 if name.startswith("sockets") else 1.05)
        lines += ["", f'["{name}"]', f"is = {value:.3f}", f"most = {most}"]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def main():
    path = sys.argv[1]
    old = {}
    if os.path.exists(path):
        with open(path, "rb") as file:
            old = tomllib.load(file)
    found, worse = count(), []
    print(f"{'counted':58} {'now':>12} {'baseline':>12}")
    for name, value in found.items():
        base = old.get(name)
        word = ""
        if base is None:
            word = "new: UPDATE=1 writes it"
        elif value > base["is"] * base["most"] + 0.001:
            word = f"WORSE: at most {show(base['is'] * base['most'])}"
            worse.append(name)
        elif value < base["is"] / base["most"]:
            word = "better: UPDATE=1 keeps it so"
        print(f"{name:58} {show(value):>12} {show(base['is']) if base else '–':>12} {word}")
    if os.environ.get("UPDATE"):
        write(path, found, old)
        print(f"written into {path}")
    elif worse:
        raise SystemExit(f"error: {len(worse)} of {len(found)} counts are worse than {path} allows")


if __name__ == "__main__":
    main()
