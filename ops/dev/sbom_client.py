"""Takes what only builds and tests the web client out of its list of parts; npm's own --omit takes out more than that.

usage: npm sbom --sbom-format cyclonedx | sbom_client.py package-lock.json
"""

import json
import pathlib
import sys


def main(lock):
    packages = json.loads(pathlib.Path(lock).read_text())["packages"].items()
    shipped = {(path.rpartition("node_modules/")[2], part["version"]) for path, part in packages if path and not part.get("dev")}
    listed = json.load(sys.stdin)

    def is_shipped(part):
        name = f"{part['group']}/{part['name']}" if part.get("group") else part["name"]
        return (name, part["version"]) in shipped

    listed["components"] = [part for part in listed["components"] if is_shipped(part)]
    kept = {part["bom-ref"] for part in listed["components"]} | {listed["metadata"]["component"]["bom-ref"]}
    listed["dependencies"] = [
        {**of, "dependsOn": [ref for ref in of.get("dependsOn", []) if ref in kept]}
        for of in listed["dependencies"]
        if of["ref"] in kept
    ]
    json.dump(listed, sys.stdout, indent=2)


main(sys.argv[1])
