"""One run of `chatify-loadtest`: a scenario as a TOML file, the command, and its JSON as the numbers that tables need."""

import json
import os
import subprocess

import servers

LOADTEST = os.environ.get("BENCH_LOADTEST", "target/release/chatify-loadtest")


def toml(told):
    lines = []
    for section, content in told.items():
        for one in content if isinstance(content, list) else [content]:
            lines.append(f"[[{section}]]" if isinstance(content, list) else f"[{section}]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in one.items()]
    return "\n".join(lines) + "\n"


def run(running, told, core=servers.OTHER_CORE, extra=()):
    """Gives the numbers of the run, or why there are none (`failed`)."""
    os.makedirs(servers.STATE, exist_ok=True)
    scenario, out = (os.path.join(servers.STATE, name) for name in ("scenario.toml", "run.json"))
    with open(scenario, "w", encoding="utf-8") as file:
        file.write(toml(told))
    if os.path.exists(out):
        os.remove(out)
    command = [LOADTEST, "run", scenario, "--target", ",".join(running.targets), "--kind", running.kind]
    command += ["--pid", running.watched(), "--json", out, *extra]
    if running.people:
        command += ["--people", running.people]
    if core is not None:
        command = ["taskset", "-c", str(core), *command]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not os.path.exists(out):
        why = (done.stderr or done.stdout).strip().splitlines()
        return numbers({"values": {}, "findings": {}, "refused": {}, "inOrder": False}, running, told) | {"failed": why[-1] if why else "no result"}
    with open(out, encoding="utf-8") as file:
        return numbers(json.load(file), running, told)


def numbers(report, running, told):
    def value(name, otherwise=None):
        return report["values"].get(name, {}).get("value", otherwise)

    seconds = told["time"]["duration"] if "storm" not in told else told["storm"]["after"] + told["storm"]["away"]
    labels = list(dict.fromkeys(one.name for one in running.processes + running.beside))
    beside = [one.name for one in running.beside]
    mine = [label for label in labels if label not in beside]

    def summed(what):
        parts = [value(f"{label}: {what}") for label in mine]
        return sum(parts) if all(part is not None for part in parts) else None

    cpu = {label: (value(f"{label}: CPU", 0.0) / 100 * seconds) for label in labels}
    used = sum(cpu[label] for label in mine)
    deliveries = value("deliveries", 0.0) * seconds
    return {
        "clean": report["inOrder"],
        "faults": report["findings"],
        "refused": report["refused"],
        "connectsPerSecond": value("authenticated connects"),
        "cpuMicrosConnect": summed("CPU a connect"),
        "rssEach": summed("RSS a connection"),
        "pssEach": summed("PSS a connection"),
        "ownEach": summed("own memory a connection"),
        "deliveries": deliveries,
        "deliveriesPerSecond": value("deliveries", 0.0),
        "cpuSeconds": cpu,
        "beside": beside,
        "serverCpu": used / seconds,
        "generatorCpu": value("generator: CPU", 0.0) / 100,
        "cpuMicrosEach": used * 1e6 / max(deliveries, 1),
        "p50Ms": value("delivery, p50"),
        "p99Ms": value("delivery, p99"),
        "latenessP99Ms": value("generator late, p99"),
        "backSeconds": value("all are ready again after"),
        "cpuMicrosBack": summed("CPU a connect in the storm"),
        "seconds": seconds,
        "notes": report.get("notes", []),
    }


def line(result):
    """For people who watch."""
    if result.get("failed"):
        return "FAILED: " + result["failed"]
    said = []
    if result["ownEach"] is not None:
        said.append(f"{result['ownEach']:.0f} bytes each, {result['connectsPerSecond']:.0f} connects/s")
    if result["deliveries"]:
        said.append(f"{result['deliveriesPerSecond']:.0f}/s, {result['cpuMicrosEach']:.2f} µs each, p99 {result['p99Ms'] or 0:.1f} ms")
    if result["backSeconds"] is not None:
        said.append(f"back after {result['backSeconds']:.2f} s")
    said.append(f"server {result['serverCpu'] * 100:.0f} %, generator {result['generatorCpu'] * 100:.0f} %")
    if result["refused"]:
        said.append(f"refused {sum(result['refused'].values())}")
    bad = {name: count for name, count in result["faults"].items() if count}
    return "; ".join(said) + ("" if result["clean"] else f"; NOT IN ORDER {bad}")
