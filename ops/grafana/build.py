"""Writes ops/grafana/dashboards/*.json from boards.py: `build.py`. `build.py --check` only says whether they are what it
would write, and exits with 1 if not. Run it after a change of boards.py, and commit what it writes."""

import json
import sys
from pathlib import Path

from boards import BOARDS

FOLDER = Path(__file__).parent / "dashboards"


def main():
    wanted = {FOLDER / f"{board.name}.json": json.dumps(board.json(), indent=1, ensure_ascii=False) + "\n" for board in BOARDS}
    if sys.argv[1:] == ["--check"]:
        stale = [path.name for path, text in wanted.items() if not path.exists() or path.read_text() != text]
        stale += [path.name for path in FOLDER.glob("*.json") if path not in wanted]
        if stale:
            sys.exit(f"error: not what boards.py says: {', '.join(sorted(stale))}. Run: python3 ops/grafana/build.py")
        return
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.json"):
        if path not in wanted:
            path.unlink()
    for path, text in wanted.items():
        path.write_text(text)


main()
