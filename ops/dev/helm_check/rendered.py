"""The chart as the real Helm engine renders it: values in, documents out. Nothing here knows what is right."""
import contextlib
import os
import sys
from pathlib import Path

import yaml
from helm_python import chart as helm

CHART = Path("helm/chatify")
RELEASE, NAMESPACE = "live", "chat"
ROLES = ("node", "auth", "mailer")


@contextlib.contextmanager
def engine_is_quiet():
    """The engine, a library in Go, writes to the process's own standard error."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


class Refused(Exception):
    """The schema or the chart itself said no."""


def cases():
    """Name → values of each file in ci/."""
    return {path.stem: yaml.safe_load(path.read_text()) for path in sorted((CHART / "ci").glob("*.yaml"))}


def lint():
    """What the linter says, but that an icon would be nice."""
    with engine_is_quiet():
        messages = helm.lint(str(CHART), strict=True, values=cases()["small"])["messages"]
    return [f"{one['path']}: {one['error']}" for one in messages if "icon is recommended" not in one["error"]]


def texts(values, folder=CHART, name=RELEASE):
    """Path → text of each template that made something."""
    with engine_is_quiet(), helm.Chart.load(str(folder)) as chart:
        try:
            return {path: text for path, text in chart.render(values, name=name, namespace=NAMESPACE).items() if text.strip()}
        except Exception as refused:
            raise Refused(str(refused)) from refused


def documents(values, folder=CHART, name=RELEASE):
    """Every document, in one list."""
    found = []
    for path, text in texts(values, folder, name).items():
        if not path.endswith("NOTES.txt"):
            found += [one for one in yaml.safe_load_all(text) if one]
    return found


def of_kind(docs, kind):
    return [doc for doc in docs if doc["kind"] == kind]


def name_of(doc):
    return f"{doc['kind']}/{doc['metadata']['name']}"


def role_of(labels):
    return labels.get("app.kubernetes.io/component", "")


def pods(docs):
    """(name, labels, pod spec) of everything that becomes a pod."""
    for doc in docs:
        if doc["kind"] == "Pod":
            yield name_of(doc), doc["metadata"]["labels"], doc["spec"]
        elif doc["kind"] in ("Deployment", "Job"):
            template = doc["spec"]["template"]
            yield name_of(doc), template["metadata"]["labels"], template["spec"]


def matches(selector, labels):
    """Whether a selector of Kubernetes takes these labels."""
    selector = selector or {}
    plain = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    listed = all(
        one["operator"] == "In" and labels.get(one["key"]) in one["values"] for one in selector.get("matchExpressions", [])
    )
    return plain and listed
