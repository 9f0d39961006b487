"""`make many CONNECTIONS=…`: that many idle people at once on this machine, and what each costs in programs and kernel.

A process may hold 20,000 files, so several chatify hold them, each with a generator of its own. They are independent
servers on SQLite, not nodes of one cluster: what a connection costs is its node's, and what a cluster adds (Redis, a
store) is there for each room; the stand-in for MongoDB would only have measured itself. All have the same people: one is
seeded and copied, so their tokens are good everywhere."""

import json
import os
import resource
import shutil
import subprocess
import sys
import time

import machine
import page
import servers
import tool
from machine import Process
from servers import CHATIFY, PORT, Shape, folder, log, ready

# Files of a process that are no connections: the database, the listeners.
FILES_ELSE = 500
MEMBERS = 10
# Over all generators: below what one core authenticates, since both cores do both here.
CONNECTS_PER_SECOND = 3_000
# One whole period of the heartbeats.
HOLD = 26
# jemalloc gives pages back after ten.
SETTLE = 12
# After which those who are not there will not come.
PATIENCE = 120


def spread(total):
    """So many people for each server, as few servers as the files allow."""
    most = min(19_500, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - FILES_ELSE)
    count = -(-total // most)
    each = -(-total // count) // MEMBERS * MEMBERS
    return count, each


def start(number, data):
    home = folder(f"many-{number}")
    shutil.copytree(data, os.path.join(home, "data"))
    argv = [CHATIFY, "--data", os.path.join(home, "data"), "--listen", f"127.0.0.1:{PORT + number}"]
    argv += ["--admin-listen", f"127.0.0.1:{PORT + 20 + number}", "--limits", "off", "--log", "warn"]
    return Process(f"chatify {number + 1}", argv, None, log("many"))


def generator(number, server, people, each, count):
    path = os.path.join(servers.STATE, f"many-{number}")
    told = {
        "people": {"connections": each, "connect-rate": max(CONNECTS_PER_SECOND // count, 50), "in-flight": 64},
        "rooms": [{"count": each // MEMBERS, "members": MEMBERS}],
        # Nobody leaves before all were looked at: the last to connect is late by as much as the machine is busy.
        "time": {"warm-up": 0, "duration": HOLD + PATIENCE},
    }
    with open(path + ".toml", "w", encoding="utf-8") as file:
        file.write(tool.toml(told))
    command = [tool.LOADTEST, "run", path + ".toml", "--target", f"127.0.0.1:{PORT + number}", "--kind", "chatify"]
    # All generators share the ports of these addresses; the kernel's search for a free one is long when few are left.
    command += ["--people", people, "--sources", "128", "--pid", str(server.pid), "--json", path + ".json"]
    return Process(f"generator {number + 1}", command, None, log("many-generators"))


def sums(processes):
    total = {"rss": 0, "pss": 0, "own": 0}
    for one in processes:
        for name, value in machine.memory(one.pid).items():
            total[name] += value
    return total


def held():
    """Connections on loopback, each with its two ends; listing a process's files takes the kernel too long to do it often."""
    words = next(line for line in machine.read("/proc/net/sockstat").splitlines() if line.startswith("TCP:")).split()
    return int(words[words.index("inuse") + 1]) // 2


def hold(total):
    """Holds them for one period of the heartbeats. Gives what was seen."""
    count, each = spread(total)
    if count > 20:
        raise SystemExit(f"error: {total} connections would take {count} servers; there are ports for 20")
    data, people = servers.seeded(Shape(each, each // MEMBERS, MEMBERS))
    hosts = [start(number, data) for number in range(count)]
    for number, one in enumerate(hosts):
        one.wait_until(lambda number=number: ready(PORT + 20 + number))
    # What a server has whether anybody comes or not; what it needed for its start goes back after ten seconds.
    time.sleep(SETTLE)
    empty, kernel_empty, before = sums(hosts), machine.kernel_memory(), held()
    began = time.monotonic()
    crowds = [generator(number, one, people, each, count) for number, one in enumerate(hosts)]
    end = time.monotonic() + each * count / CONNECTS_PER_SECOND + PATIENCE
    while held() - before < each * count:
        gone = [one.name for one in crowds + hosts if not one.alive()]
        if gone or time.monotonic() > end:
            raise SystemExit(f"error: {held() - before} of {each * count} connected; ended: {gone or 'nobody'}; see {log('many-generators')}")
        time.sleep(0.5)
    connected = time.monotonic() - began
    # A socket is there a little before its owner is signed in.
    time.sleep(2)
    cpu, since = sum(machine.cpu_seconds(one.pid) for one in hosts), time.monotonic()
    cpu_crowds = sum(machine.cpu_seconds(one.pid) for one in crowds)
    time.sleep(HOLD)
    used = (sum(machine.cpu_seconds(one.pid) for one in hosts) - cpu) / (time.monotonic() - since)
    used_crowds = (sum(machine.cpu_seconds(one.pid) for one in crowds) - cpu_crowds) / (time.monotonic() - since)
    full, kernel, mine = sums(hosts), machine.kernel_memory(), sums(crowds)
    people_now = each * count
    still = min(held() - before, people_now)
    gone = [one.name for one in crowds + hosts if not one.alive()]
    for one in crowds + hosts:
        one.stop()
    return {
        "connections": people_now,
        "still": still,
        "ended": gone,
        "servers": count,
        "connectSeconds": connected,
        "ownEach": (full["own"] - empty["own"]) / people_now,
        "pssEach": (full["pss"] - empty["pss"]) / people_now,
        "rssEach": (full["rss"] - empty["rss"]) / people_now,
        "generatorEach": mine["own"] / people_now,
        "slabEach": (kernel["slab"] - kernel_empty["slab"]) / people_now,
        "buffersEach": (kernel["tcp_buffers"] - kernel_empty["tcp_buffers"]) / people_now,
        "idleCpu": used,
        "idleCpuGenerators": used_crowds,
    }


def main():
    total = int(os.environ.get("CONNECTIONS") or 200_000)
    seen = hold(total)
    print(json.dumps(seen, indent=1))
    with open(os.path.join(servers.STATE, "many.json"), "w", encoding="utf-8") as file:
        json.dump(seen, file)
    host = machine.about()
    lines = [
        f"{time.strftime('%-d %B %Y')}, {servers.versions_of_chatify()}: {seen['connections']:,} authenticated people in rooms of {MEMBERS}, on "
        f"{seen['servers']} chatify with a generator each, all of it on {host['cores']} cores of {host['cpu']} with {host['memoryGiB']} GiB.",
        "",
        "| each connection | bytes |",
        "|---|---|",
        f"| chatify, own memory | {seen['ownEach']:,.0f} |",
        f"| chatify, PSS; RSS | {seen['pssEach']:,.0f}; {seen['rssEach']:,.0f} |",
        f"| generator, own memory | {seen['generatorEach']:,.0f} |",
        f"| kernel, both ends: slab; buffers of TCP | {seen['slabEach']:,.0f}; {seen['buffersEach']:,.0f} |",
        "",
        f"All were there after {seen['connectSeconds']:.0f} s, and {seen['still']:,} after {HOLD} s more with a heartbeat each. "
        f"Meanwhile all chatify took {seen['idleCpu'] * 100:.1f} % of a core, {seen['idleCpu'] * 1e7 / seen['connections']:.1f} % for 100,000; "
        f"the generators {seen['idleCpuGenerators'] * 100:.1f} %.",
    ]
    if seen["still"] < seen["connections"] or seen["ended"]:
        lines.append(f"**{seen['connections'] - seen['still']} connections were lost; ended: {seen['ended']}.**")
    if len(sys.argv) > 1:
        page.between(sys.argv[1], "many", lines)
    if seen["still"] < seen["connections"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
