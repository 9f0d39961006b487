"""Replaces what stands between two marker comments of a page; the rest of it stays as people wrote it."""

import os


def between(path, name, lines):
    """Puts the lines between `<!-- NAME: … -->` and `<!-- /NAME -->`; fails where those do not stand once each."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    first, last = f"<!-- {name}:", f"<!-- /{name} -->"
    if text.count(first) != 1 or text.count(last) != 1:
        raise SystemExit(f"error: {path} must hold the comments `{first} … -->` and `{last}` once each")
    start = text.index("-->", text.index(first)) + len("-->")
    end = text.index(last)
    new = text[:start] + "\n" + "\n".join(lines) + "\n" + text[end:]
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(new)
    os.rename(path + ".new", path)
    print(f"written into {path}, between the comments `{name}`")
