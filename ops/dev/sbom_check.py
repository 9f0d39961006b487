"""Whether the lists of parts say all that they must, and nothing that is not in the locks.

usage: sbom_check.py Cargo.lock chatify.cdx.json package-lock.json web.cdx.json
"""

import json
import pathlib
import sys
import tomllib

# What must be in them whatever else is: a list of nothing would pass otherwise.
PROGRAM = {"tokio", "hyper", "fastwebsockets", "mongodb", "redis", "lapin", "lettre", "rusqlite", "aws-lc-rs"}
CLIENT = {"react", "react-dom", "radix-ui", "socket.io-client", "engine.io-parser"}


def of_cargo(file):
    return {(part["name"], part["version"]) for part in tomllib.loads(file.read_text())["package"]}


def of_npm(file):
    packages = json.loads(file.read_text())["packages"].items()
    return {(path.rpartition("node_modules/")[2], part["version"]) for path, part in packages if path}


def complaints(listed, locked, wanted):
    if listed["bomFormat"] != "CycloneDX" or listed["specVersion"] < "1.5":
        yield "this is no CycloneDX 1.5"
    names = set()
    for part in listed["components"]:
        name = f"{part['group']}/{part['name']}" if part.get("group") else part["name"]
        names.add(name)
        said = f"{name} {part.get('version')}"
        if (name, part.get("version")) not in locked:
            yield f"{said} is not in the lock"
        if not part.get("purl", "").startswith("pkg:"):
            yield f"{said} has no package URL"
        if not part.get("licenses"):
            yield f"{said} has no licence"
    for name in sorted(wanted - names):
        yield f"{name} is missing"


def main(cargo, program, npm, client):
    failed = False
    for listed, locked, wanted in (program, of_cargo(cargo), PROGRAM), (client, of_npm(npm), CLIENT):
        document = json.loads(listed.read_text())
        for complaint in complaints(document, locked, wanted):
            failed = True
            print(f"{listed.name}: {complaint}")
        print(f"{listed.name}: {len(document['components'])} parts")
    sys.exit(failed)


main(*map(pathlib.Path, sys.argv[1:5]))
