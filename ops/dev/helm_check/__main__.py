"""Checks the chart with the real Helm engine and the schemas of Kubernetes: `helm_check`, run by ops/dev/helm.sh. Prints a
line for each test that fails, and `N passed, M failed` at the end."""
import copy
import filecmp
import shutil
import sys
import tempfile
from pathlib import Path

import kubernetes_validate
import yaml

import mistakes
import network
import pods
import reference
import refusals
import rendered
import shape

# The oldest that the chart is for, and what people have: pods may sleep before they stop since 1.30.
VERSIONS = ["1.30", "1.37"]
# What the operators of others define; no schema is at hand.
FOREIGN = ("monitoring.coreos.com/", "gateway.networking.k8s.io/")
# chart/files ← ops: a chart cannot read outside of itself.
COPIES = {"files/dashboards": ("ops/grafana/dashboards", "*.json"), "files/rules": ("ops/prometheus/rules", "*.yml")}
passed = failed = 0


def test(name, complaints):
    """One test: it passes without complaints. A rule that does not find what it reads complains by its error."""
    global passed, failed
    try:
        complaints = list(complaints)
    except (AttributeError, IndexError, KeyError, TypeError) as lost:
        complaints = [repr(lost)]
    passed, failed = passed + (not complaints), failed + bool(complaints)
    for complaint in complaints:
        print(f"FAILED {name}: {complaint}")


def merged(values):
    with rendered.engine_is_quiet(), rendered.helm.Chart.load(str(rendered.CHART)) as chart:
        return chart.merge_values(values)


def invalid(docs, version):
    for doc in docs:
        if not doc["apiVersion"].startswith(FOREIGN):
            try:
                kubernetes_validate.validate(doc, version, strict=True)
            except kubernetes_validate.ValidationError as wrong:
                yield f"{rendered.name_of(doc)}: {wrong.message[:200]}"


def passwords(values):
    """Those that the values hold; each must arrive in a Secret."""
    return {word.split("@")[0] for word in repr(values).split(":") if word.startswith(pods.CANARY)}


def what_is_rendered_is_right():
    for case, values in rendered.cases().items():
        docs, all_values = rendered.documents(values), merged(values)
        for version in VERSIONS:
            test(f"{case} is valid for Kubernetes {version}", invalid(docs, version))
        for rule in pods.RULES + shape.RULES:
            test(f"{case}: {rule.__name__}", rule(docs) or [])
        for rule in network.RULES:
            test(f"{case}: {rule.__name__}", rule(docs, all_values) or [])
        test(f"{case}: planted_secrets_arrive", pods.planted_secrets_arrive(docs, passwords(values)))
        notes = next(text for path, text in rendered.texts(values).items() if path.endswith("NOTES.txt"))
        test(f"{case}: notes hold no password", [notes] if pods.CANARY in notes else [])


def what_is_wrong_is_refused():
    small = rendered.cases()["small"]
    for path, value, words in refusals.CASES:
        try:
            rendered.texts(refusals.with_value(small, path, value))
            told = ["was taken"]
        except rendered.Refused as refused:
            told = [] if words in str(refused) else [f"refused without `{words}`: {refused}"]
        test(f"{path}={value!r} is refused", told)


def every_rule_can_fail():
    large = rendered.cases()["large"]
    docs, values = rendered.documents(large), merged(large)
    for rule in pods.RULES + shape.RULES:
        plant = mistakes.MISTAKES.get(rule)
        test(f"{rule.__name__} has a planted mistake", [] if plant else ["none"])
        if plant:
            changed = copy.deepcopy(docs)
            plant(changed)
            test(f"{rule.__name__} finds its mistake", [] if list(rule(changed) or []) else ["it does not"])
    for name, plant in mistakes.OPEN_DOORS.items():
        changed = copy.deepcopy(docs)
        plant(changed)
        test(f"policies: {name} is found", [] if list(network.only_the_ways_of_the_table(changed, values)) else ["it is not"])
    changed = [one for one in copy.deepcopy(docs) if not one["metadata"]["name"].endswith("-deny")]
    test("policies: no default deny is found", [] if list(network.nothing_is_open_by_default(changed, values)) else ["it is not"])
    for field, change in (("replica", {"replica": 1}), ("replicas", {"replicas": "x"})):
        changed = copy.deepcopy(docs)
        mistakes.deployment(changed, "node")["spec"].update(change)
        test(f"a wrong {field} is invalid", [] if list(invalid(changed, VERSIONS[-1])) else ["it is not"])


def files_are_the_same_as_in_ops():
    for inside, (outside, names) in COPIES.items():
        have = {path.name for path in (rendered.CHART / inside).glob(names)}
        want = {path.name for path in Path(outside).glob(names)}
        _, differ, odd = filecmp.cmpfiles(rendered.CHART / inside, outside, have & want, shallow=False)
        stale = sorted((have ^ want) | set(differ) | set(odd))
        test(f"{inside} is {outside}", [f"{name}: run `ops/dev/helm.sh write`" for name in stale])


def rules_and_dashboards_arrive_as_they_are():
    """With files that hold what templates would read: they must not."""
    rule = 'groups:\n  - name: planted\n    rules:\n      - alert: A\n        expr: up == 0\n        annotations: {summary: "{{ $labels.job }} is down"}\n'
    board = '{"title": "{{ node }}", "panels": []}'
    values = rendered.cases()["large"]
    with tempfile.TemporaryDirectory() as folder:
        chart = shutil.copytree(rendered.CHART, Path(folder) / "chatify")
        (chart / "files/rules").mkdir(exist_ok=True)
        (chart / "files/rules/planted_rules.yml").write_text(rule)
        (chart / "files/dashboards/planted.json").write_text(board)
        docs = rendered.documents(values, chart)
    specs = [one["spec"] for one in rendered.of_kind(docs, "PrometheusRule")]
    test("a rule arrives with its braces", [] if yaml.safe_load(rule) in specs else ["it does not"])
    pages = lambda docs: {
        rule["annotations"]["runbook_url"].rsplit("/", 1)[0]
        for one in rendered.of_kind(docs, "PrometheusRule") for group in one["spec"]["groups"] for rule in group["rules"]
        if "runbook_url" in rule.get("annotations", {})
    }
    test("runbooks are where they are said to be", pages(docs) ^ {"https://git.example/chatify/runbooks"})
    usual = {"monitoring": {"enabled": True, "rules": {"enabled": True}}}
    where = pages(rendered.documents(rendered.cases()["small"] | usual))
    test("or else in the repository", where ^ {"docs/runbooks"})
    data = [text for one in rendered.of_kind(docs, "ConfigMap") for text in one["data"].values()]
    test("a dashboard arrives with its braces", [] if board in data else ["it does not"])
    count = len(list(rendered.CHART.glob("files/dashboards/*.json"))) + 1
    labelled = [one for one in rendered.of_kind(docs, "ConfigMap") if one["metadata"]["labels"].get("grafana_dashboard") == "1"]
    test("every dashboard is a ConfigMap that the sidecar finds", [] if len(labelled) == count else [f"{len(labelled)} of {count}"])


def names_stay():
    """Two releases in one namespace do not meet, and an upgrade changes no selector."""
    small = rendered.cases()["small"]
    first, second = (rendered.documents(small, name=name) for name in ("a", "b"))
    shared = {rendered.name_of(one) for one in first} & {rendered.name_of(one) for one in second}
    test("two releases share no name", sorted(shared))
    with tempfile.TemporaryDirectory() as folder:
        chart = shutil.copytree(rendered.CHART, Path(folder) / "chatify")
        page = (chart / "Chart.yaml").read_text().replace("version: 0.1.0", "version: 9.9.9").replace('"0.1.0"', '"9.9.9"')
        (chart / "Chart.yaml").write_text(page)
        newer = rendered.documents(small, chart, "a")
    for old, new in zip(rendered.of_kind(first, "Deployment"), rendered.of_kind(newer, "Deployment")):
        same = old["spec"]["selector"] == new["spec"]["selector"] and old["metadata"]["name"] == new["metadata"]["name"]
        test(f"{old['metadata']['name']} can be upgraded", [] if same else ["its selector changed"])
    image = {one["spec"]["template"]["spec"]["containers"][0]["image"] for one in rendered.of_kind(newer, "Deployment")}
    test("the tag is the appVersion", [] if image == {"chatify:9.9.9"} else image)


def versions_agree():
    program = next(line for line in Path("Cargo.toml").read_text().splitlines() if line.startswith("version = "))
    chart = yaml.safe_load((rendered.CHART / "Chart.yaml").read_text())
    test("appVersion is the program's", [] if f'"{chart["appVersion"]}"' in program else [f"{program}, not {chart['appVersion']}"])


test("the linter is content", rendered.lint())
test("generated files are fresh", reference.stale())
what_is_rendered_is_right()
what_is_wrong_is_refused()
every_rule_can_fail()
files_are_the_same_as_in_ops()
rules_and_dashboards_arrive_as_they_are()
names_stay()
versions_agree()
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
