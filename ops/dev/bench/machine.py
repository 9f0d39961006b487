"""Processes of a benchmark: started on one core, sampled as the kernel accounts them, and ended. Only what was started
here is ever signalled. Needs nothing but Python's own library and /proc."""

import atexit
import os
import signal
import socket
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")
PAGE_KB = 1024


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def family(pid):
    """The process and all that it started (nginx has workers, a launcher its program)."""
    found, at = [pid], 0
    while at < len(found):
        one = found[at]
        at += 1
        for task in os.listdir(f"/proc/{one}/task") if os.path.isdir(f"/proc/{one}/task") else []:
            found += [int(child) for child in read(f"/proc/{one}/task/{task}/children").split()]
    return found


def cpu_seconds(pid):
    """User and system time of a family, by the kernel's accounting."""
    total = 0
    for one in family(pid):
        behind = read(f"/proc/{one}/stat").rpartition(")")[2].split()
        if len(behind) > 12:
            total += int(behind[11]) + int(behind[12])
    return total / TICK


def memory(pid):
    """Bytes of a family: resident, its proportional share of that, and its own (no file's)."""
    sums = {"Rss": 0, "Pss": 0, "Anonymous": 0}
    for one in family(pid):
        for line in read(f"/proc/{one}/smaps_rollup").splitlines():
            name, _, value = line.partition(":")
            if name in sums:
                sums[name] += int(value.split()[0]) * PAGE_KB
    return {"rss": sums["Rss"], "pss": sums["Pss"], "own": sums["Anonymous"]}


def kernel_memory():
    """Bytes that the kernel holds for sockets: what it cannot give back while they are open."""
    fields = dict(line.split(":", 1) for line in read("/proc/meminfo").splitlines() if ":" in line)
    kb = {name: int(value.split()[0]) for name, value in fields.items()}
    tcp = next((line for line in read("/proc/net/sockstat").splitlines() if line.startswith("TCP:")), "")
    words = tcp.split()
    buffers = int(words[words.index("mem") + 1]) * os.sysconf("SC_PAGE_SIZE") if "mem" in words else 0
    return {
        "slab": kb.get("Slab", 0) * PAGE_KB,
        "slab_unreclaimable": kb.get("SUnreclaim", 0) * PAGE_KB,
        "tcp_buffers": buffers,
    }


def listening(port):
    with socket.socket() as one:
        one.settimeout(0.5)
        return one.connect_ex(("127.0.0.1", port)) == 0


class Process:
    """A server that runs until it is stopped, or until this program ends; its words go to a log."""

    started = []

    def __init__(self, name, command, core, log, env=None):
        self.name, self.log = name, log
        pinned = ["taskset", "-c", str(core), *command] if core is not None else command
        os.makedirs(os.path.dirname(log), exist_ok=True)
        with open(log, "a", encoding="utf-8") as out:
            self.child = subprocess.Popen(
                pinned, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env={**os.environ, **(env or {})},
                start_new_session=True,
            )
        self.pid = self.child.pid
        Process.started.append(self)

    def wait_until(self, is_ready, seconds=60):
        end = time.monotonic() + seconds
        while not is_ready():
            if self.child.poll() is not None:
                raise SystemExit(f"error: {self.name} ended at its start; {self.log} says:\n{read(self.log)[-2000:]}")
            if time.monotonic() > end:
                self.stop()
                raise SystemExit(f"error: {self.name} was not ready in {seconds} s; {self.log} says:\n{read(self.log)[-2000:]}")
            time.sleep(0.05)
        # A stranger may have answered in its place.
        time.sleep(0.1)
        if self.child.poll() is not None:
            raise SystemExit(f"error: {self.name} could not start; {self.log} says:\n{read(self.log)[-2000:]}")
        return self

    def alive(self):
        return self.child.poll() is None

    def stop(self):
        """At once: what a benchmark leaves behind is worth nothing."""
        if self.child.poll() is None:
            for one in reversed(family(self.pid)):
                try:
                    os.kill(one, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.child.wait()


def stop_all(*_):
    for one in Process.started:
        one.stop()


def stopped(signal_number, _frame):
    """Ends as if by itself, so that `atexit` runs."""
    raise SystemExit(128 + signal_number)


atexit.register(stop_all)
signal.signal(signal.SIGTERM, stopped)


def about():
    """What must stand beside a number: the machine."""
    model = next((line.split(":", 1)[1].strip() for line in read("/proc/cpuinfo").splitlines() if line.startswith("model name")), "?")
    memory_kb = int(next(line for line in read("/proc/meminfo").splitlines() if line.startswith("MemTotal")).split()[1])
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memoryGiB": round(memory_kb / 1024 / 1024),
        "kernel": os.uname().release,
        "load": os.getloadavg()[0],
    }
