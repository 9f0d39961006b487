"""Writes the peers' table into a page, between two marker comments, from the runs that `peers.py` left. Medians of the
rounds with the least and the most; a run that was not in order says so in its cell, and its numbers are not hidden."""

import json
import os
import statistics
import sys

import page

NAMES = ["chatify", "socket.io", "socketioxide", "nchan", "uWebSockets"]


def number(value):
    """Three digits that mean something."""
    if value == 0:
        return "0"
    if abs(value) >= 1_000_000:
        return f"{value / 1_000_000:.2f} M"
    if abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def spread(values, unit=""):
    middle = number(statistics.median(values)) + unit
    if len(values) == 1:
        return middle
    return f"{middle} ({number(min(values))}–{number(max(values))})"


def trouble(results):
    """What was not in order, for the cell: `2 of 5 runs lost`."""
    failed = [one["failed"] for one in results if one.get("failed")]
    if failed:
        return f" **{len(failed)} of {len(results)} without a result: {failed[0]}**"
    refused = [sum(one["refused"].values()) for one in results if one["refused"]]
    if refused:
        return f" **{len(refused)} of {len(results)}: {max(refused):,} refused**"
    bad = [one for one in results if not one["clean"]]
    if not bad:
        return ""
    worst = max(bad, key=lambda one: sum(one["faults"].values()))
    what = ", ".join(f"{count:,} {name}" for name, count in worst["faults"].items() if count) or "not in order"
    return f" **{len(bad)} of {len(results)}: {what}**"


def cell(results, value, unit=""):
    values = [got for got in map(value, results) if got is not None]
    return (spread(values, unit) if values else "–") + trouble(results)


def cpu_each(result):
    return result["cpuMicrosEach"] if result["deliveries"] else None


def parts(results):
    """CPU of each process of a cluster for one delivery, microseconds; what is beside it is in brackets."""
    said = []
    for label in results[0]["cpuSeconds"]:
        median = statistics.median(one["cpuSeconds"][label] * 1e6 / max(one["deliveries"], 1) for one in results)
        said.append(f"({label} {number(median)})" if label in results[0]["beside"] else f"{label} {number(median)}")
    return ", ".join(said)


def full(results):
    """Whether the generator and not the server was what was full."""
    best = max(results, key=lambda one: one["rate"])
    return "≥ " if best["generatorCpu"] > 0.95 and best["serverCpu"] < 0.9 else ""


ROWS = [
    ("A. own memory an idle connection, bytes", "idle", lambda one: one["ownEach"] if one.get("held") else None),
    ("A. the same by PSS", "idle", lambda one: one["pssEach"] if one.get("held") else None),
    ("A. the same by RSS", "idle", lambda one: one["rssEach"] if one.get("held") else None),
    ("A. connects/s on one core", "idle", lambda one: one["connectsPerSecond"]),
    ("A. CPU with 9,900 idle, % of a core", "idle", lambda one: one["serverCpu"] * 100 if one.get("held") else None),
    ("B. 1 room of 1,000, 100 messages/s of 128 bytes: CPU a delivery, µs", "fanout", cpu_each),
    ("B. p50, ms", "fanout", lambda one: one["p50Ms"]),
    ("B. p99, ms", "fanout", lambda one: one["p99Ms"]),
    ("B-max. most deliveries/s that are kept, one core", "max", lambda one: one["rate"] * 1_000),
    ("B-max. CPU a delivery there, µs", "max", lambda one: cpu_each(one) if one["rate"] else None),
    ("B-max. p99 there, ms", "max", lambda one: one["p99Ms"] if one["rate"] else None),
    ("C. 2,000 in 200 rooms of 10, 2,000 messages/s: CPU a delivery, µs", "mix", cpu_each),
    ("C. p50, ms", "mix", lambda one: one["p50Ms"]),
    ("C. p99, ms", "mix", lambda one: one["p99Ms"]),
    ("D. as C over two nodes and a Redis, fewer messages: CPU a delivery, all processes, µs", "nodes", cpu_each),
    ("D. p50, ms", "nodes", lambda one: one["p50Ms"]),
    ("D. p99, ms", "nodes", lambda one: one["p99Ms"]),
    ("Storm. 9,900 cut at once: all are back after, s", "storm", lambda one: one["backSeconds"]),
    ("Storm. CPU of the server for each who comes back, µs", "storm", lambda one: one["cpuMicrosBack"]),
]


def read(folder):
    runs, about = {}, None
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".json"):
            continue
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            run = json.load(file)
        runs.setdefault((run["scenario"], run["server"]), []).append(run["result"])
        about = run["about"]
    if not runs:
        raise SystemExit(f"error: there are no runs in {folder}: make bench-peers")
    return runs, about


def write(folder):
    runs, about = read(folder)
    names = [name for name in NAMES if any(server == name for _, server in runs)]
    host = about["machine"]
    lines = [
        f"{about['date']}, {host['cores']} cores of {host['cpu']}, {host['memoryGiB']} GiB, kernel {host['kernel']}, loopback. "
        f"Medians of {about['rounds']} round{'s' * (about['rounds'] > 1)} with the least and the most, each round all servers in turn; the server and "
        "everything of it on one core, the generator on the other. CPU is what the kernel accounts to the server's "
        "processes in the measured window. Every run checked what it received: what was not in order stands in **bold**.",
        "",
        "| | " + " | ".join(names) + " |",
        "|---|" + "---|" * len(names),
    ]
    for title, scenario, value in ROWS:
        cells = []
        for name in names:
            results = runs.get((scenario, name), [])
            text = cell(results, value) if results else "–"
            cells.append(full(results) + text if results and title.startswith("B-max. most") else text)
        if any(runs.get((scenario, name)) for name in names) and any(one != "–" for one in cells):
            lines.append(f"| {title} | " + " | ".join(cells) + " |")
    for name in names:
        if runs.get(("nodes", name)):
            lines += ["", f"D, {name}, µs a delivery: {parts(runs[('nodes', name)])}."]
    if runs.get(("nodes", "chatify")):
        lines += ["", f"D, {about.get('nodesRate', 0):.0f} messages/s from all: what stands in brackets is no mongod but a stand-in, on the generator's core, and counts in no row; it does not wait for its disk, and writes no more than that."]
    lines += ["", "Versions: " + "; ".join((f"{name} " if name != "chatify" else "") + f"{about['versions'][name]}" for name in [*names, "redis"]) + "."]
    return lines


if __name__ == "__main__":
    page.between(sys.argv[2], "peers", write(sys.argv[1]))
