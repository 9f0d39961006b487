"""What mass returns cost the store, by what the nodes count of themselves.

usage: rolling_reads.py FOLDER REPORT.json
FOLDER holds what each node said: before-NODE when it began, last-NODE right before the node was ended, after-NODE at the
end. A node that starts anew counts from 0; what it read between its last word and its end is in no file.
"""

import collections
import json
import pathlib
import re
import sys

LINE = re.compile(r'chatify_reads(_for)?_total\{.*of="(\w+)".*\} (\d+)')


def counts(file):
    """Operations, and for how many they were, by what was read."""
    found = collections.Counter()
    if file.exists():
        for match in map(LINE.match, file.read_text().splitlines()):
            if match:
                found[match[2], bool(match[1])] += int(match[3])
    return found


def main(folder, report):
    total = collections.Counter()
    for after in folder.glob("after-*"):
        node = after.name.removeprefix("after-")
        first, last = counts(folder / f"before-{node}"), folder / f"last-{node}"
        total.update(counts(after))
        if last.exists():
            total.update(counts(last))
        total.subtract(first)
    values = json.loads(report.read_text())["values"]
    returns = int(values["connections that the server ended"]["value"])
    print(f"{returns} connections ended; to bring them back the nodes read")
    for what in "rooms", "logs", "heads":
        print(f"  {what:6} {total[what, False]:6} times, for {total[what, True]}")
    reads = sum(total[what, False] for what in ("rooms", "logs", "heads"))
    print(f"  {'in all':6} {reads:6} times: {100 * reads / max(returns, 1):.2f} % of the returns")


main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
