"""Writes values.schema.json and README.md of the chart from the comments in values.yaml, which is the only place where a
value is described. A value without a description is an error, as is one whose type cannot be told.
usage: reference.py write | check"""
import json
import re
import sys
from pathlib import Path

import yaml

CHART = Path("helm/chatify")
# A key that says nothing of itself is described as the same key of `node` is, or by what its name always means.
COMMON = {
    "to": "NetworkPolicy peers; none means any address.",
    "ports": "TCP ports.",
    "node": "For nodes.",
    "auth": "For auth.",
    "mailer": "For the mailer.",
}
QUANTITIES = {"type": "object", "required": ["cpu", "memory"], "additionalProperties": {"type": ["string", "number"]}}
SHARED = {
    "duration": {"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$", "description": "A duration: 250ms, 30s, 5m."},
    "settings": {
        "type": "object",
        "propertyNames": {"pattern": "^[a-z][a-z-]*([.][a-z][a-z-]*)?$"},
        "additionalProperties": {"type": ["string", "number", "boolean"]},
    },
    "resources": {
        "type": "object",
        "required": ["requests", "limits"],
        "additionalProperties": False,
        "properties": {"requests": QUANTITIES, "limits": QUANTITIES},
    },
    "peers": {
        "type": "array",
        "items": {
            "type": "object",
            "minProperties": 1,
            "additionalProperties": False,
            "properties": {
                "namespaceSelector": {"type": "object"},
                "podSelector": {"type": "object"},
                "ipBlock": {"type": "object", "required": ["cidr"]},
            },
        },
    },
    "ports": {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 1, "maximum": 65535}},
}
TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}


class Value:
    """One key of values.yaml: its path, its default, and what stands above it."""

    def __init__(self, path, default, comments):
        self.path, self.default = path, default
        self.extra = {}
        words = []
        for line in comments:
            if line.startswith("@schema "):
                self.extra = json.loads(line.removeprefix("@schema "))
            else:
                words.append(line)
        self.description = " ".join(words)
        self.children = []

    @property
    def key(self):
        return self.path.split(".")[-1]

    @property
    def is_section(self):
        """Whether its keys are values of their own; else its content is free, or a kind of its own."""
        return isinstance(self.default, dict) and not self.extra


def comments_above(lines, at):
    """The block of comments that ends right above a line."""
    block = []
    while at > 0 and lines[at - 1].strip().startswith("#"):
        at -= 1
        block.insert(0, lines[at].strip().removeprefix("#").strip())
    return block


def read(text):
    """All values, as a tree."""
    lines = text.splitlines()

    def below(node, plain, prefix):
        found = []
        for name, child in node.value:
            path = f"{prefix}{name.value}"
            value = Value(path, plain[name.value], comments_above(lines, name.start_mark.line))
            if value.is_section:
                value.children = below(child, value.default, f"{path}.")
            found.append(value)
        return found

    return below(yaml.compose(text), yaml.safe_load(text), "")


def describe(values):
    """Gives those without a description the one of their like; complains of those that have none."""
    known, missing = {}, []

    def walk(some):
        for value in some:
            if not value.description:
                role, _, rest = value.path.partition(".")
                like = known.get(f"node.{rest}") if role in ("auth", "mailer") else None
                value.description = like or COMMON.get(value.key, "")
            if not value.description:
                missing.append(f"values.yaml: `{value.path}` has no description")
            known[value.path] = value.description
            walk(value.children)

    walk(values)
    return missing


def schema_of(value):
    """The JSON schema of one value."""
    extra = dict(value.extra)
    schema = {"description": value.description}
    if "$ref" in extra:
        # draft-07 ignores what stands beside a `$ref`.
        schema["allOf"] = [{"$ref": f"#/definitions/{extra.pop('$ref')}"}]
    else:
        schema["type"] = TYPES[type(value.default)]
    if value.is_section:
        schema["additionalProperties"] = False
        schema["properties"] = {child.key: schema_of(child) for child in value.children}
    elif schema.get("type") == "array" and "items" not in extra:
        raise SystemExit(f"values.yaml: `{value.path}` is a list, and no @schema says of what")
    return schema | extra


def schema(values):
    properties = {value.key: schema_of(value) for value in values}
    # Helm gives every chart this one.
    properties["global"] = {"description": "Of the parent chart; nothing here reads it.", "type": "object"}
    return json.dumps(
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "$comment": "Written by `ops/dev/helm.sh write` from values.yaml. Do not edit.",
            "title": "Values of the chatify chart",
            "type": "object",
            "additionalProperties": False,
            "properties": properties,
            "definitions": SHARED,
        },
        indent=1,
        ensure_ascii=False,
    ) + "\n"


def kind(value):
    """What a reader needs to know of the type."""
    if "enum" in value.extra:
        return " \\| ".join(f"`{one}`" for one in value.extra["enum"])
    shared = value.extra.get("$ref")
    word = shared if shared in ("duration", "peers", "ports", "settings") else TYPES[type(value.default)]
    least, most = value.extra.get("minimum"), value.extra.get("maximum")
    return f"{word}, {least} to {most}" if least is not None else word


def default(value):
    text = json.dumps(value.default, ensure_ascii=False)
    return f"`{text}`"


def readme(values):
    """The page: for each top-level section a table of its leaves."""
    page = [
        "# chatify, the chart",
        "",
        "<!-- Generated by `ops/dev/helm.sh write` from values.yaml. Do not edit: change the comments there. -->",
        "",
        "Nodes, auth and mailer on your MongoDB, Redis and RabbitMQ. How to install, scale, upgrade and mend it stands in",
        "docs/kubernetes.md of the sources, which the chart comes from; every setting in docs/configuration.md.",
        "",
        "Unknown values are refused. Contradictions are refused with the way out.",
    ]

    def rows(value):
        told = value.description.replace("|", "\\|")
        if value.children:
            return [f"| **{value.path}** | | | {told} |"] + [row for child in value.children for row in rows(child)]
        return [f"| `{value.path}` | {kind(value)} | {default(value)} | {told} |"]

    head = ["", "| value | type | default | |", "|---|---|---|---|"]
    page += ["", "## Top level", *head]
    for value in (one for one in values if not one.children):
        page += rows(value)
    for value in (one for one in values if one.children):
        page += ["", f"## {value.key}", "", value.description, *head, *rows(value)[1:]]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(page)) + "\n"


def generated():
    values = read((CHART / "values.yaml").read_text())
    missing = describe(values)
    if missing:
        raise SystemExit("\n".join(missing))
    return {CHART / "values.schema.json": schema(values), CHART / "README.md": readme(values)}


def stale():
    """Generated files that are not what values.yaml says."""
    return [
        f"{path} is stale: `ops/dev/helm.sh write`"
        for path, text in generated().items()
        if not path.exists() or path.read_text() != text
    ]


if __name__ == "__main__":
    if sys.argv[1:] == ["write"]:
        for path, text in generated().items():
            path.write_text(text)
    elif sys.argv[1:] == ["check"]:
        raise SystemExit("\n".join(stale()))
    else:
        raise SystemExit(__doc__)
