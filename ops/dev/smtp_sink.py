"""An SMTP server for tests: plain, STARTTLS and implicit TLS ports, and HTTP to look at what came.

usage: smtp_sink.py CERT KEY [--wrong CERT KEY] [--ports PLAIN STARTTLS TLS HTTP]
Prints one line of JSON with its ports when it is ready. Takes free ports and ends when its standard input is closed;
with --ports it takes those and stays.
Recipients choose the answer: temp451@ 451, perm550@ 550, slow@ never answers, drop@ hangs up at RCPT, cut@ takes the mail and
hangs up before the 250, grey@ 451 at first and then takes it; badsender@ as the sender is refused. Any other is accepted.
STARTTLS and TLS want user/secret. GET /messages lists what was taken: from, to, subject, body, tls, auth, headers, and raw in base64;
DELETE /messages empties it.
With --wrong there is one more STARTTLS port, whose certificate is for another host.
"""

import argparse
import asyncio
import base64
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

inbox = []
seen = {}


class Handler:
    async def handle_MAIL(self, server, session, envelope, address, options):
        if address.startswith("badsender@"):
            return "553 5.7.1 sender not allowed"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        user = address.split("@")[0]
        seen[user] = seen.get(user, 0) + 1
        if user == "temp451" or (user == "grey" and seen[user] == 1):
            return f"451 4.3.0 <{address}> try again later"
        if user == "perm550":
            return f"550 5.1.1 <{address}> no such user"
        if user == "slow":
            await asyncio.sleep(3600)
        if user == "drop":
            server.transport.close()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.original_content, policy=email.policy.default)
        body = mail.get_body(preferencelist=("plain", "html"))
        inbox.append({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "subject": mail["subject"],
            "body": body.get_content() if body else None,
            "headers": dict(mail.items()),
            # As it came over the wire, dot-stuffing undone by the server.
            "raw": base64.b64encode(envelope.original_content).decode(),
            "tls": session.ssl is not None or server.transport.get_extra_info("sslcontext") is not None,
            "auth": session.auth_data.decode() if session.auth_data else None,
        })
        if envelope.rcpt_tos[0].startswith("cut@") and len([m for m in inbox if m["to"] == envelope.rcpt_tos]) == 1:
            server.transport.close()
        return "250 OK queued"


def authenticate(server, session, envelope, mechanism, data):
    right = (data.login, data.password) == (b"user", b"secret")
    return AuthResult(success=right, handled=right, auth_data=data.login if right else None)


def context(cert, key):
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.load_cert_chain(cert, key)
    return made


async def web(reader, writer):
    request = await reader.readuntil(b"\r\n\r\n")
    if request.startswith(b"DELETE"):
        inbox.clear()
        seen.clear()
    body = json.dumps(inbox).encode()
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    await writer.drain()
    writer.close()


async def main():
    told = argparse.ArgumentParser()
    told.add_argument("certificate", nargs=2)
    told.add_argument("--wrong", nargs=2)
    told.add_argument("--ports", nargs=4, type=int)
    told = told.parse_args()
    plain, starttls, implicit, http = told.ports or (0, 0, 0, 0)
    loop, handler = asyncio.get_running_loop(), Handler()
    secure = dict(authenticator=authenticate, auth_required=True, hostname="localhost")

    async def listen(port, make, **more):
        server = await loop.create_server(make, "127.0.0.1", port, **more)
        return server.sockets[0].getsockname()[1]

    right = context(*told.certificate)
    with_starttls = lambda tls: lambda: SMTP(handler, tls_context=tls, require_starttls=True, **secure)
    ports = {
        "plain": await listen(plain, lambda: SMTP(handler, hostname="localhost", auth_require_tls=False)),
        "starttls": await listen(starttls, with_starttls(right)),
        "implicit": await listen(implicit, lambda: SMTP(handler, auth_require_tls=False, **secure), ssl=right),
        "http": (await asyncio.start_server(web, "127.0.0.1", http)).sockets[0].getsockname()[1],
    }
    if told.wrong:
        ports["wrong"] = await listen(0, with_starttls(context(*told.wrong)))
    print(json.dumps(ports), flush=True)
    if told.ports:
        await asyncio.Event().wait()
    # Whoever started this holds the other end: when they are gone, so is this.
    await loop.run_in_executor(None, sys.stdin.buffer.read)


asyncio.run(main())
