"""Asks a cluster that runs for everything on the dashboards: `ask.py ENDPOINTS.json CHATIFY CONFIG`. People sign in, renew,
guess wrong and sign out, `chatify verify` talks, and then each expression, with its variables filled in, is sent to
Prometheus. It must be understood and have data, unless its panel says in boards.py why it may be quiet. The recording rules
and the alerts must be evaluated without an error, and no alert of severity page may fire. Prints a table; exit code 1 is red.
"""

import json
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from boards import BOARDS

TOP = Path(__file__).parents[2]
PEOPLE, TALK_SECONDS, PATIENCE_SECONDS = 4, 25, 60
# As Grafana fills them in.
FILLED = {"$__rate_interval": "30s", "$__range": "5m", "$job": ".*", "$instance": ".*"}


def call(method, url, body=None, token=None):
    """Status and JSON of an answer."""
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(url, json.dumps(body).encode() if body is not None else None, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read()
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.loads(refusal.read() or b"{}")
    return 200, json.loads(text or b"{}")


def ask(prometheus, path, **words):
    return json.load(urllib.request.urlopen(f"{prometheus}/api/v1/{path}?{urllib.parse.urlencode(words)}", timeout=10))["data"]


def until(what, check):
    """What `check` gives, once it gives something."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not (found := check()):
        if time.monotonic() > end:
            sys.exit(f"error: {what} did not come within {PATIENCE_SECONDS} s")
        time.sleep(0.2)
    return found


def mailed_code(smtp, address):
    _, mails = call("GET", f"{smtp}/messages")
    for mail in reversed(mails):
        code = re.search(r"\b(\d{4})[- ]?(\d{4})\b", mail["body"])
        if address in mail["to"] and code:
            return code[1] + code[2]
    return None


def sign_in_and_out(chat, smtp, address):
    _, asked = call("POST", f"{chat}/v1/auth/otp", {"email": address, "intent": "signup"})
    verify = f"{chat}/v1/auth/otp/{asked['challengeId']}/verify"
    person = {"displayName": "Panel", "device": "panel"}
    code = until(f"a mail to {address}", lambda: mailed_code(smtp, address))
    call("POST", verify, person | {"code": "00000000" if code != "00000000" else "11111111"})
    status, tokens = call("POST", verify, person | {"code": code})
    if status != 200:
        sys.exit(f"error: nobody could sign in: {tokens}")
    status, tokens = call("POST", f"{chat}/v1/auth/token", {"grantType": "refresh_token", "refreshToken": tokens["refreshToken"]})
    if status != 200:
        sys.exit(f"error: a device could not renew its tokens: {tokens}")
    call("POST", f"{chat}/v1/auth/logout", token=tokens["accessToken"])


def main():
    places, binary, config = json.loads(Path(sys.argv[1]).read_text()), sys.argv[2], sys.argv[3]
    prometheus, chat, smtp = places["prometheus"]["url"], places["lb"], places["smtp"]["http"]
    tag = f"{time.time_ns():x}"
    verify = subprocess.Popen([binary, "--config", config, "verify", "--seconds", str(TALK_SECONDS), "--url", *[node["url"] for node in places["nodes"]]])
    began = time.monotonic()
    for n in range(PEOPLE):
        sign_in_and_out(chat, smtp, f"panel-{tag}-{n}@example.com")
        # One after the other: a counter that is new shows no pace before it has grown once more.
        time.sleep(3)
    # While they still talk: later the paces would be those of silence.
    time.sleep(max(0, began + TALK_SECONDS - 6 - time.monotonic()))
    rows, red = [], 0
    for board in BOARDS:
        for row in board.rows:
            for panel in row.panels:
                for expr, _ in panel.queries:
                    verdict = judged(prometheus, panel, expr)
                    rows.append((board.name, panel.title, verdict, panel, expr))
                    red += verdict.startswith("RED")
    # What is recorded comes some evaluations later.
    end = time.monotonic() + PATIENCE_SECONDS
    while red and time.monotonic() < end:
        time.sleep(2)
        for n, (board, title, verdict, panel, expr) in enumerate(rows):
            if verdict.startswith("RED"):
                rows[n] = (board, title, judged(prometheus, panel, expr), panel, expr)
        red = sum(verdict.startswith("RED") for _, _, verdict, _, _ in rows)
    rows = [(board, title, verdict, expr) for board, title, verdict, _, expr in rows]
    for kind, name, verdict in rules(prometheus):
        rows.append((kind, name, verdict, ""))
        red += verdict.startswith("RED")
    if verify.wait() != 0:
        red += 1
        rows.append(("load", "chatify verify", "RED", "its words stand above"))
    for board, title, verdict, expr in rows:
        print(f"{board:10} {title:32} {verdict:38} {expr[:150]}")
    print(f"{len(rows) - red} passed, {red} failed")
    sys.exit(1 if red else 0)


def judged(prometheus, panel, expr):
    for name, value in FILLED.items():
        expr = expr.replace(name, value)
    try:
        found = ask(prometheus, "query", query=expr)["result"]
    except urllib.error.HTTPError as refusal:
        return f"RED: {json.loads(refusal.read())['error'][:60]}"
    # A quantile of nothing.
    found = [one for one in found if one["value"][1] != "NaN"]
    if found:
        return f"{len(found)} × {float(found[0]['value'][1]):.4g}"
    return f"quiet: {panel.quiet}" if panel.quiet else "RED: empty"


def rules(prometheus):
    for group in ask(prometheus, "rules")["groups"]:
        for rule in group["rules"]:
            verdict = "evaluated"
            if rule.get("lastError"):
                verdict = f"RED: {rule['lastError']}"
            elif rule["type"] == "alerting" and rule["state"] == "firing":
                paged = rule["labels"]["severity"] == "page"
                verdict = "RED: fires" if paged else "fires (ticket)"
            yield rule["type"], rule["name"], verdict


main()
