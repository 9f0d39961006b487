"""`make bench-peers`: all scenarios on all servers, alternately, for some rounds; each run's numbers into a JSON file.
ROUNDS, ONLY (servers) and SCENARIOS choose. Prints a line a run; `table.py` makes the page of it."""

import json
import os
import time

import machine
import servers
import tool
from servers import Shape

ROUNDS = int(os.environ.get("ROUNDS") or 5)
RESULTS = os.path.join(servers.STATE, "results")
WARM_UP = float(os.environ.get("BENCH_WARM_UP") or 2)
SECONDS = float(os.environ.get("BENCH_SECONDS") or 10)
# Heartbeats come each 25 s: only a hold of that length sees each connection's once, and what a server needed for its
# start must have gone back before its memory is looked at. That is the longest part of a round: only the first rounds
# have it, and the others measure connects alone.
HOLD_LONG, SETTLE, HOLD_SHORT, ROUNDS_LONG = SECONDS * 2.6, SECONDS * 1.2, 1.0, 2

IDLE = Shape(people=9_900, rooms=990, members=10)
ROOM = Shape(people=1_000, rooms=1, members=1_000)
MIX = Shape(people=2_000, rooms=200, members=10)
# Over two nodes all talk more slowly than on one: the stand-in for chatify's store writes no more. The same for all.
NODES_RATE = float(os.environ.get("BENCH_NODES_RATE") or 500)
# Where the search for the most begins, messages a second into a room of 1,000; later rounds begin where it ended.
FIRST_RATE = {"chatify": 800, "socket.io": 60, "socketioxide": 300, "nchan": 100, "uWebSockets": 600}
# How close the rate that is kept and the one that is not must be, and when to give up.
CLOSE, STEPS_MAX = 1.12, 8
P99_KEPT_MS = 1_000


def scenario(shape, duration=SECONDS, rate=None, storm=None, warm_up=WARM_UP):
    told = {
        "people": {"connections": shape.people, "connect-rate": 0, "in-flight": 256},
        "rooms": [{"count": shape.rooms, "members": shape.members}],
        "time": {"warm-up": warm_up if rate else 0, "duration": duration},
    }
    if rate:
        told["talk"] = {"rate": rate, "bytes": 128, "process": "constant"}
    if storm:
        told["storm"] = storm
    return told


def measure(name, shape, told, nodes=1, settle=0.0):
    running = servers.ALL[name](shape, nodes)
    try:
        time.sleep(settle)
        result = tool.run(running, told)
        result["dead"] = running.dead()
        return result
    finally:
        running.stop()


def idle(name, number):
    if number > ROUNDS_LONG:
        return measure(name, IDLE, scenario(IDLE, HOLD_SHORT)) | {"held": False}
    return measure(name, IDLE, scenario(IDLE, HOLD_LONG), settle=SETTLE) | {"held": True}


def fanout(name, _number):
    return measure(name, ROOM, scenario(ROOM, rate=100))


def mix(name, _number):
    return measure(name, MIX, scenario(MIX, rate=2_000))


def nodes(name, _number):
    """A longer warm-up: 200 rooms are opened from a store that is reached by network."""
    return measure(name, MIX, scenario(MIX, rate=NODES_RATE, warm_up=2.5 * WARM_UP), nodes=2)


def storm(name, _number):
    """All but one are cut at once and come back as fast as they can."""
    return measure(name, IDLE, scenario(IDLE, storm={"after": 1, "away": 1, "keep": 1}))


def is_kept(result, rate, members=ROOM.members):
    wanted = rate * members
    if result.get("failed") or not result["clean"] or result["refused"]:
        return False
    return result["deliveriesPerSecond"] >= 0.98 * wanted and result["p99Ms"] < P99_KEPT_MS


found = {}


def most(name, number):
    """The highest rate that is kept: nothing lost, nothing refused, p99 below a second. Up until it is not kept, down
    until it is, then by halves between. Later rounds begin where the last one ended, with smaller steps."""
    rate, (up, down) = found.get(name, FIRST_RATE[name]), (1.4, 0.7) if name not in found else (1.1, 0.92)
    best, broken, tried = None, None, []
    for _ in range(STEPS_MAX):
        result = measure(name, ROOM, scenario(ROOM, duration=max(SECONDS * 0.4, 2), rate=rate)) | {"rate": rate}
        kept = is_kept(result, rate)
        tried.append({key: result[key] for key in ("rate", "p99Ms", "deliveriesPerSecond", "faults", "refused")} | {"kept": kept})
        print(f"    {rate:6}/s {'kept' if kept else 'not kept'}: {tool.line(result)}", flush=True)
        if kept:
            best = result
        else:
            broken = rate
        if best and broken:
            if broken <= best["rate"] * CLOSE:
                break
            rate = round((best["rate"] + broken) / 2)
        else:
            rate = max(round(rate * (up if kept else down)), 1)
    if best is None:
        return result | {"rate": 0, "tried": tried}
    found[name] = best["rate"]
    return best | {"tried": tried}


SCENARIOS = {"idle": idle, "fanout": fanout, "max": most, "mix": mix, "nodes": nodes, "storm": storm}


def chosen(variable, known):
    wanted = (os.environ.get(variable) or "").split() or list(known)
    for one in wanted:
        if one not in known:
            raise SystemExit(f"error: {variable}: there is no {one}; known are {' '.join(known)}")
    return wanted


def main():
    names, scenarios = chosen("ONLY", servers.ALL), chosen("SCENARIOS", SCENARIOS)
    os.makedirs(RESULTS, exist_ok=True)
    for old in os.listdir(RESULTS):
        if any(old.startswith(f"{one}-") for one in scenarios):
            os.remove(os.path.join(RESULTS, old))
    about = {"machine": machine.about(), "versions": servers.versions(), "date": time.strftime("%-d %B %Y"), "rounds": ROUNDS, "seconds": SECONDS, "nodesRate": NODES_RATE}
    began = time.monotonic()
    for number in range(1, ROUNDS + 1):
        for told in scenarios:
            # Nobody is always the first.
            turn = names[number % len(names):] + names[: number % len(names)]
            for name in turn:
                if told == "nodes" and name not in servers.CLUSTERED:
                    continue
                result = SCENARIOS[told](name, number)
                print(f"{number}/{ROUNDS} {told:7} {name:13} {tool.line(result)}", flush=True)
                whole = {"about": about, "round": number, "scenario": told, "server": name, "result": result}
                with open(os.path.join(RESULTS, f"{told}-{name}-{number}.json"), "w", encoding="utf-8") as file:
                    json.dump(whole, file, indent=1)
    print(f"all of it took {(time.monotonic() - began) / 60:.0f} min; the runs lie in target/bench-peers/results/")


if __name__ == "__main__":
    main()
