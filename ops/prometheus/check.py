"""Holds alerts, runbooks, tests and dashboards together: every alert has a severity, words, a runbook that names it and a test
that sees it fire; no runbook and no test names an alert that is gone; whatever reads a recorded series or a metric reads one
that exists; the tests that docs/security.md names do, too. Prints what is wrong; exit code 1 if anything is. Needs PyYAML."""

import json
import re
import sys
from pathlib import Path

import yaml

TOP = Path(__file__).parents[2]
RULES, TESTS, RUNBOOKS = TOP / "ops/prometheus/rules", TOP / "ops/prometheus/tests", TOP / "docs/runbooks"
SECTIONS = ["For users", "First look", "Likely causes", "Mend", "Over when", "Escalate"]
# Of Prometheus itself and of those whose own metrics we read.
FOREIGN = ("up", "ALERTS", "probe_success", "haproxy_", "rabbitmq_")

wrong = []


def complain(text):
    wrong.append(text)


def groups():
    for path in sorted(RULES.glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield path.name, group


ALL = [(name, rule) for name, group in groups() for rule in group["rules"]]
ALERTS = {rule["alert"]: rule for _, rule in ALL if "alert" in rule}
RECORDED = {rule["record"] for _, rule in ALL if "record" in rule}
GROUPS = [group["name"] for _, group in groups()]


def alerts():
    if len(ALERTS) != sum("alert" in rule for _, rule in ALL):
        complain("two alerts have the same name")
    for name, rule in ALERTS.items():
        if rule.get("labels", {}).get("severity") not in ("page", "ticket"):
            complain(f"{name}: severity must be page or ticket")
        words = rule.get("annotations", {})
        for word in ("summary", "description"):
            if not words.get(word):
                complain(f"{name}: it has no {word}")
        page = TOP / words.get("runbook_url", "nowhere")
        if page.parent != RUNBOOKS or not page.exists():
            complain(f"{name}: its runbook_url must be a page of docs/runbooks, not {words.get('runbook_url')}")
        elif f"`{name}`" not in page.read_text():
            complain(f"{page.relative_to(TOP)}: does not name {name}, which leads to it")


def runbooks():
    urls = {rule["annotations"].get("runbook_url") for rule in ALERTS.values()}
    for page in sorted(RUNBOOKS.glob("*.md")):
        path, text = str(page.relative_to(TOP)), page.read_text()
        if page.name == "README.md":
            for name in ALERTS:
                if f"`{name}`" not in text:
                    complain(f"{path}: the list lacks {name}")
        else:
            if path not in urls:
                complain(f"{path}: no alert leads there")
            found = re.findall(r"^## (.*)$", text, re.M)
            if found != SECTIONS:
                complain(f"{path}: its sections must be {SECTIONS}, not {found}")
        for name in set(re.findall(r"`(Chatify\w+)`", text)) - set(ALERTS):
            complain(f"{path}: there is no alert {name}")


def tests():
    fired = set()
    for path in sorted(TESTS.glob("*.test.yml")):
        whole = yaml.safe_load(path.read_text())
        loaded = sorted(Path(file).name for file in whole["rule_files"])
        if loaded != sorted({name for name, _ in ALL}):
            complain(f"{path.name}: must load all rules, or it cannot say that nothing else fires")
        if sorted(whole["group_eval_order"]) != sorted(GROUPS):
            complain(f"{path.name}: group_eval_order must name {GROUPS}")
        for case in whole["tests"]:
            for question in case["promql_expr_test"]:
                for sample in question["exp_samples"]:
                    fired |= set(re.findall(r'alertname="(\w+)",severity="(\w+)"', sample["labels"]))
    known = {(name, rule["labels"]["severity"]) for name, rule in ALERTS.items()}
    for name, severity in sorted(known - fired):
        complain(f"{name}: no test sees it fire with severity {severity}")
    for name, severity in sorted(fired - known):
        complain(f"a test expects {name} with severity {severity}, and there is none")


def series():
    metrics = set(re.findall(r"^\| `(\w+)`", (TOP / "docs/metrics.md").read_text(), re.M))
    read = [(name, rule["expr"]) for name, rule in ALL]
    for path in sorted((TOP / "ops/grafana/dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            read += [(f"{path.name}, {panel['title']}", target["expr"]) for target in panel.get("targets", [])]
    for where, expr in read:
        for name in re.findall(r"chatify:\w+(?::\w+)*", expr):
            if name not in RECORDED:
                complain(f"{where}: nothing records {name}")
        # What stands before a brace or a range, or is one of ours by its name.
        bare = re.sub(r'"[^"]*"|\{[^}]*\}', "", expr)
        for name in re.findall(r"(?<![\w:$])((?:chatify|process)_\w+)", bare):
            plain = re.sub(r"_(bucket|sum|count)$", "", name)
            if name not in metrics and plain not in metrics:
                complain(f"{where}: there is no metric {name}")
        for name in re.findall(r"(?<![\w:$])(\w+)(?=[{\[])", re.sub(r'"[^"]*"', "", expr)):
            if not name.startswith(("chatify", "process_", *FOREIGN)):
                complain(f"{where}: whose metric is {name}?")
    used = " ".join(expr for _, expr in read) + " ".join(path.read_text() for path in TESTS.glob("*.yml"))
    for name in sorted(RECORDED):
        if not re.search(rf"{name}(?![\w:])", used):
            complain(f"{name}: is recorded and read by nobody")


def security():
    """Rows of docs/security.md name tests: `file: test`, and further tests of that file by their name alone."""
    for row in (TOP / "docs/security.md").read_text().split("\n"):
        text = ""
        for span in re.findall(r"`([^`]+)`", row):
            named = re.fullmatch(r"([\w./-]+\.(?:rs|mjs|tsx?)): (.+)", span)
            if named:
                file = TOP / named[1]
                text, span = file.read_text() if file.exists() else "", named[2]
            elif not (text and re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+){2,}", span)):
                continue
            if span not in text:
                complain(f"docs/security.md: there is no test {span}")


for part in (alerts, runbooks, tests, series, security):
    part()
if wrong:
    sys.exit("\n".join(f"error: {one}" for one in wrong))
print(f"{len(ALERTS)} alerts, {len(RECORDED)} recorded series, {len(list(RUNBOOKS.glob('*.md')))} runbooks: all hold together")
