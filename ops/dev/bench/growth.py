"""`make growth`: what a delivery, a connection and the slowest hundredth cost as something grows, and the exponent of it
by a straight line through the logarithms: 1 is in step, 0 is not at all. ONLY chooses curves; CONNECTIONS adds many."""

import json
import math
import os
import sys
import time
import urllib.request

import machine
import many
import page
import peers
import servers
from servers import Shape

SECONDS = float(os.environ.get("BENCH_SECONDS") or 8)


def talking(shape, rate, nodes=1):
    return peers.measure("chatify", shape, peers.scenario(shape, SECONDS, rate=rate), nodes)


def connections():
    """Rooms of 10, the same talk over all of them: deliveries stay 10,000/s."""
    for count in (1_000, 3_000, 9_000, 18_000):
        shape = Shape(count, count // 10, 10)
        idle = peers.measure("chatify", shape, peers.scenario(shape, 3), settle=peers.SETTLE)
        yield count, talking(shape, 1_000) | {"ownEach": idle["ownEach"]}


def room_size():
    """One room; the rate falls as the room grows, so that deliveries stay 20,000/s."""
    for members in (10, 100, 1_000, 5_000):
        yield members, talking(Shape(members, 1, members), 20_000 / members)


def rooms():
    """2,000 people in ever more rooms of 10; deliveries stay 10,000/s."""
    for count in (200, 1_000, 4_000, 16_000):
        shape = Shape(2_000, count, 10)
        idle = peers.measure("chatify", shape, peers.scenario(shape, 3), settle=peers.SETTLE)
        yield count, talking(shape, 1_000) | {"ownEach": idle["ownEach"]}


def nodes():
    """2,000 people in 200 rooms over ever more nodes on one core, each room on all of them; the store is not counted."""
    for count in (1, 2, 3):
        shape = Shape(2_000, 200, 10)
        running = servers.chatify_cluster(shape, count)
        try:
            yield count, peers.tool.run(running, peers.scenario(shape, SECONDS, rate=peers.NODES_RATE, warm_up=5))
        finally:
            running.stop()


def counted(nodes, wanted):
    """The sum of one counter over some nodes."""
    total = 0
    for number in range(nodes):
        with urllib.request.urlopen(f"http://127.0.0.1:{servers.PORT + number + 10}/metrics", timeout=5) as answer:
            for said in answer.read().decode().splitlines():
                if said.startswith(wanted + " ") or said.startswith(wanted + "{"):
                    total += float(said.rpartition(" ")[2])
    return total


TRIES, COMMITTED = "chatify_append_tries_total", "chatify_append_entries_total"


def hot_room():
    """All speak in one room of 16, spread over ever more nodes: the most that is kept, and how often a batch was tried."""
    shape = Shape(16, 1, 16)
    for count in (1, 2, 4, 8):
        rate, best, clean = 100, None, True
        while True:
            running = servers.chatify_cluster(shape, count)
            try:
                before = [counted(count, name) for name in (TRIES, COMMITTED)]
                seen = peers.tool.run(running, peers.scenario(shape, SECONDS, rate=rate, warm_up=2))
                tries, entries = (counted(count, name) - was for name, was in zip((TRIES, COMMITTED), before))
            finally:
                running.stop()
            print(f"    hot room, {count} nodes, {rate}/s: {peers.tool.line(seen)}; {tries:.0f} tries for {entries:.0f}", flush=True)
            clean = clean and seen["clean"]
            if not peers.is_kept(seen, rate, shape.members):
                break
            best, rate = seen | {"sends": rate, "triesEach": tries / max(entries, 1)}, rate * 2
        # Too much may be late or refused, but never out of order.
        yield count, (best or seen | {"sends": 0, "triesEach": None}) | {"clean": clean}


CURVES = {"connections": connections, "room-size": room_size, "rooms": rooms, "nodes": nodes, "hot-room": hot_room}
VALUES = [
    ("CPU a delivery, µs", lambda one: one["cpuMicrosEach"]),
    ("p50, ms", lambda one: one["p50Ms"]),
    ("p99, ms", lambda one: one["p99Ms"]),
    ("sends a second", lambda one: one.get("sends")),
    ("tries a message", lambda one: one.get("triesEach")),
    ("own memory a connection, bytes", lambda one: one["ownEach"]),
    ("idle CPU for 100,000, % of a core", lambda one: one.get("idleCpu") and one["idleCpu"] * 1e7 / one["connections"]),
    ("slab of the kernel a connection, bytes", lambda one: one.get("slabEach")),
]


def exponent(points):
    """The slope of the line through the logarithms, by least squares."""
    logs = [(math.log(x), math.log(y)) for x, y in points if x > 0 and y > 0]
    if len(logs) < 2:
        return None
    mean_x, mean_y = (sum(values) / len(logs) for values in zip(*logs))
    below = sum((x - mean_x) ** 2 for x, _ in logs)
    return sum((x - mean_x) * (y - mean_y) for x, y in logs) / below if below else None


def curve_of_many(most):
    """Idle people over several processes."""
    for count in [count for count in (20_000, 50_000, 100_000, 200_000, 400_000) if count < most] + [most]:
        seen = many.hold(count)
        yield seen["connections"], seen | {"cpuMicrosEach": None, "p50Ms": None, "p99Ms": None, "clean": seen["still"] >= seen["connections"]}


def table(name, curve):
    lines = [f"**{name.replace('-', ' ')}.**", "", f"| {name.replace('-', ' ')} | " + " | ".join(f"{x:,}" for x, _ in curve) + " | exponent |"]
    lines.append("|---|" + "---|" * (len(curve) + 1))
    for title, value in VALUES:
        cells = [value(one) for _, one in curve]
        if all(cell is None for cell in cells):
            continue
        slope = exponent([(x, cell) for (x, _), cell in zip(curve, cells) if cell])
        shown = ["–" if cell is None else f"{cell:,.0f}" if cell >= 100 else f"{cell:.3g}" for cell in cells]
        lines.append(f"| {title} | " + " | ".join(shown) + f" | {'–' if slope is None else f'{slope:+.2f}'} |")
    bad = [f"{x:,}" for x, one in curve if not one["clean"] or one.get("failed") or one.get("refused")]
    if bad:
        lines += ["", f"**Not in order, or refused, at {', '.join(bad)}.**"]
    return [*lines, ""]


def main():
    names = peers.chosen("ONLY", {**CURVES, "many": None})
    most = int(os.environ.get("CONNECTIONS") or 0)
    host, curves = machine.about(), {}
    for name in names:
        if name == "many" and not most:
            continue
        curves[name] = []
        for x, seen in curve_of_many(most) if name == "many" else CURVES[name]():
            curves[name].append((x, seen))
            print(f"{name} {x}: {seen if name == 'many' else peers.tool.line(seen)}", flush=True)
    with open(os.path.join(servers.STATE, "growth.json"), "w", encoding="utf-8") as file:
        json.dump(curves, file, indent=1)
    lines = [
        f"{time.strftime('%-d %B %Y')}, {servers.versions_of_chatify()}, {host['cores']} cores of {host['cpu']}, {host['memoryGiB']} GiB; "
        f"one run a point of {SECONDS:.0f} s, the server on one core. Every run checked what it received.",
        "",
    ]
    for name, curve in curves.items():
        lines += table(name, curve)
    print("\n".join(lines))
    page.between(sys.argv[1], "growth", lines[:-1])


if __name__ == "__main__":
    main()
