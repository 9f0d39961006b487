"""What mass returns cost the store, by what the nodes count of themselves.

usage: rolling_reads.py FOLDER REPORT.json CALM BEFORE AFTER
FOLDER holds what each node said: calm-NODE and before-NODE around a calm in which nobody came or went, last-NODE right
before the node was ended, after-NODE at the end; the times are of the first, the second and the last, in seconds. A node
that starts anew counts from 0; what it read between its last word and its end is in no file. What was read in the calm
goes on with time and is told apart.
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


def main(folder, report, calm, before, after):
    total, always = collections.Counter(), collections.Counter()
    for end in folder.glob("after-*"):
        node = end.name.removeprefix("after-")
        first, last = counts(folder / f"before-{node}"), folder / f"last-{node}"
        always.update(first)
        always.subtract(counts(folder / f"calm-{node}"))
        total.update(counts(end))
        if last.exists():
            total.update(counts(last))
        total.subtract(first)
    values = json.loads(report.read_text())["values"]
    returns = int(values["connections that the server ended"]["value"])
    whats = "rooms", "logs", "heads"
    share = (after - before) / (before - calm)
    anyway = {what: always[what, False] * share for what in whats}
    print(f"{returns} connections ended; meanwhile the nodes read, and would have read in a calm")
    for what in whats:
        print(f"  {what:6} {total[what, False]:6} times, for {total[what, True]}; {anyway[what]:.0f} times")
    reads = sum(total[what, False] for what in whats)
    more = reads - sum(anyway.values())
    print(f"  {'in all':6} {reads:6} times: {100 * reads / max(returns, 1):.2f} % of the returns, {100 * more / max(returns, 1):.2f} % beyond the calm's")


main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), *map(float, sys.argv[3:6]))
