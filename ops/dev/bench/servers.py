"""The servers that are compared: how each is started for one run, which processes count as it, and what it speaks.
Each function gives a Running; whoever calls it stops it. Ports are those of this tree."""

import json
import os
import shutil
import subprocess
import urllib.request
from dataclasses import dataclass, field

import machine
from machine import Process, listening

ROOT = os.getcwd()
STATE = os.environ.get("BENCH_STATE", os.path.join(ROOT, "target", "bench-peers"))
PEERS = os.path.join(ROOT, "loadtest", "peers")
PORT = int(os.environ.get("BENCH_PORT", "21990"))
CHATIFY = os.environ.get("BENCH_CHATIFY", "target/release/chatify")
SOCKETIOXIDE = os.environ.get("BENCH_SOCKETIOXIDE", "")
VENV = os.environ.get("BENCH_VENV", "")
MODULES = os.environ.get("BENCH_SOCKETIO", os.path.join(PEERS, "socket.io"))
# Whoever is measured has one core for itself; the generator and what is not measured have the other.
SERVER_CORE, OTHER_CORE = 0, 1


@dataclass
class Running:
    """Servers that are up. `processes` count as the server, `beside` are shown apart."""

    kind: str
    targets: list
    processes: list
    beside: list = field(default_factory=list)
    people: str = ""

    def watched(self):
        """`label=pid,…`, as the load generator takes it: workers count with who started them."""
        return ",".join(f"{one.name}={pid}" for one in self.processes + self.beside for pid in machine.family(one.pid))

    def dead(self):
        return [one.name for one in self.processes + self.beside if not one.alive()]

    def stop(self):
        for one in self.processes + self.beside:
            one.stop()


@dataclass(frozen=True)
class Shape:
    """Rooms and people of a run; what `chatify seed` makes."""

    people: int
    rooms: int
    members: int


def log(name):
    return os.path.join(STATE, "logs", name + ".log")


def folder(name):
    path = os.path.join(STATE, "run", name)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


def socketio(shape, nodes=1):
    """`nodes` processes; more than one have a Redis between them."""
    return with_redis(shape, nodes, "socket.io", lambda port: (["node", os.path.join(MODULES, "server.mjs")], {"NODE_ENV": "production", "PORT": port}))


def socketioxide(shape, nodes=1):
    return with_redis(shape, nodes, "socketioxide", lambda port: ([SOCKETIOXIDE], {"PORT": port}))


def with_redis(_shape, nodes, name, command):
    started, env = [], {}
    if nodes > 1:
        started.append(redis(PORT + 9))
        env["REDIS"] = f"redis://127.0.0.1:{PORT + 9}"
    for number in range(nodes):
        port = PORT + number
        argv, own = command(str(port))
        label = name if nodes == 1 else f"{name} {number + 1}"
        one = Process(label, argv, SERVER_CORE, log(name), {**own, **env})
        started.append(one.wait_until(lambda port=port: listening(port)))
    return Running("socketio", [f"127.0.0.1:{PORT + number}" for number in range(nodes)], started)


def redis(port, core=SERVER_CORE):
    argv = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder("redis")]
    return Process("redis", argv, core, log("redis")).wait_until(lambda: listening(port))


def uwebsockets(_shape, nodes=1):
    assert nodes == 1, "it has no bus"
    argv = [os.path.join(VENV, "bin", "python"), os.path.join(PEERS, "uwebsockets", "server.py")]
    one = Process("uwebsockets", argv, SERVER_CORE, log("uwebsockets"), {"PORT": str(PORT)})
    return Running("raw", [f"127.0.0.1:{PORT}"], [one.wait_until(lambda: listening(PORT))])


def nchan(_shape, nodes=1):
    assert nodes == 1, "it is measured alone"
    home = folder("nchan")
    # Its worker gives root's rights away and writes below.
    os.chmod(home, 0o777)
    settings = machine.read(os.path.join(PEERS, "nchan", "nginx.conf")).replace("FOLDER", home).replace("PORT", str(PORT))
    path = os.path.join(home, "nginx.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(settings)
    one = Process("nchan", ["nginx", "-e", "stderr", "-c", path], SERVER_CORE, log("nchan"))
    return Running("raw", [f"127.0.0.1:{PORT}"], [one.wait_until(lambda: listening(PORT))])


def ready(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=1) as answer:
            return answer.status == 200
    except OSError:
        return False


def seeded(shape):
    """A data folder with these people and rooms, made once, and their file."""
    home = os.path.join(STATE, "seed", f"{shape.people}-{shape.rooms}-{shape.members}")
    people = os.path.join(home, "people.jsonl")
    if not os.path.exists(people):
        shutil.rmtree(home, ignore_errors=True)
        os.makedirs(home)
        seed(["--data", os.path.join(home, "data")], shape, people)
    return os.path.join(home, "data"), people


def seed(settings, shape, people, env=None):
    argv = [CHATIFY, *settings, "seed", "--users", str(shape.people), "--rooms", str(shape.rooms), "--members", str(shape.members)]
    done = subprocess.run([*argv, "--out", people + ".new"], capture_output=True, text=True, env={**os.environ, **(env or {})}, check=False)
    if done.returncode:
        raise SystemExit(f"error: chatify seed: {done.stderr or done.stdout}")
    os.rename(people + ".new", people)


def chatify(shape, nodes=1):
    if nodes > 1:
        return chatify_cluster(shape, nodes)
    data, people = seeded(shape)
    mine = folder("chatify")
    shutil.copytree(data, os.path.join(mine, "data"))
    argv = [CHATIFY, "--data", os.path.join(mine, "data"), "--listen", f"127.0.0.1:{PORT}", "--admin-listen", f"127.0.0.1:{PORT + 10}", "--limits", "off", "--log", "warn"]
    one = Process("chatify", argv, SERVER_CORE, log("chatify"))
    return Running("chatify", [f"127.0.0.1:{PORT}"], [one.wait_until(lambda: ready(PORT + 10))], people=people)


def chatify_cluster(shape, nodes, core=SERVER_CORE):
    """Nodes and auth on Redis, with a MongoDB-wire stand-in on the other core: no real mongod is in a registry. Its CPU
    says nothing about one, nor does its disk: it does not wait for that here."""
    home = folder("chatify-cluster")
    mongo_port, redis_port, auth_port = PORT + 24, PORT + 9, PORT + 8
    mongo = Process("mongodb stand-in", ["secantusd-rs", "--port", str(mongo_port), "--storage-path", os.path.join(home, "mongo"), "--cache-size", "256M"], OTHER_CORE, log("mongodb"))
    mongo.wait_until(lambda: listening(mongo_port))
    started = [redis(redis_port, core)]
    shared = {
        "CHATIFY_STORE": f"mongodb://127.0.0.1:{mongo_port}/chatify?replicaSet=secantus",
        "CHATIFY_BUS": f"redis://127.0.0.1:{redis_port}",
        "CHATIFY_LIMITS": "off",
        "CHATIFY_LOG": "warn",
        "CHATIFY_CLUSTER_KEY": os.urandom(32).hex(),
    }
    secret = {"CHATIFY_AUTH_KEY_SECRET": os.urandom(32).hex(), "CHATIFY_DATA": home}
    people = os.path.join(home, "people.jsonl")
    seed([], shape, people, {**shared, **secret})

    def role(name, argv, port, own):
        env = {**shared, **own, "CHATIFY_LISTEN": f"127.0.0.1:{port}", "CHATIFY_ADMIN_LISTEN": f"127.0.0.1:{port + 10}"}
        started.append(Process(name, [CHATIFY, *argv], core, log("chatify-cluster"), env))
        return port + 10

    auth = role("auth", ["auth"], auth_port, {**secret, "CHATIFY_MAIL_QUEUE": os.environ["BENCH_AMQP"]})
    started[-1].wait_until(lambda: ready(auth))
    for number in range(nodes):
        port = PORT + number
        admin = role(f"node {number + 1}", ["node"], port, {"CHATIFY_AUTH_URL": f"http://127.0.0.1:{auth_port}", "CHATIFY_NODE_NAME": f"node-{number + 1}"})
        started[-1].wait_until(lambda admin=admin: ready(admin))
    return Running("chatify", [f"127.0.0.1:{PORT + number}" for number in range(nodes)], started, [mongo], people)


ALL = {"chatify": chatify, "socket.io": socketio, "socketioxide": socketioxide, "nchan": nchan, "uWebSockets": uwebsockets}
# With a bus between two nodes.
CLUSTERED = ("chatify", "socket.io", "socketioxide")


def first_line(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip().splitlines()[0] if (done.stdout or done.stderr).strip() else "?"


def versions_of_chatify():
    return f"{first_line(CHATIFY, '--version')}, commit {first_line('git', 'rev-parse', '--short', 'HEAD')}"


def versions():
    """What was measured, by its version."""
    lock = json.loads(machine.read(os.path.join(PEERS, "socket.io", "package-lock.json")))["packages"]
    npm = {name: lock[f"node_modules/{name}"]["version"] for name in ("socket.io", "@socket.io/redis-adapter", "ws")}
    packages = machine.read(os.path.join(PEERS, "socketioxide", "Cargo.lock")).split("[[package]]")
    crate = next((one.split('version = "')[1].split('"')[0] for one in packages if 'name = "socketioxide"' in one), "?")
    return {
        "chatify": versions_of_chatify(),
        "socket.io": f"{npm['socket.io']} (ws {npm['ws']}, redis-adapter {npm['@socket.io/redis-adapter']}) on Node {first_line('node', '--version')}",
        "socketioxide": f"{crate}, {first_line('rustc', '--version')}",
        "nchan": "Debian " + first_line("dpkg-query", "-W", "-f", "${Version}", "libnginx-mod-nchan") + " on " + first_line("nginx", "-v").replace("nginx version: ", ""),
        "uWebSockets": "socketify " + machine.read(os.path.join(PEERS, "uwebsockets", "requirements.txt")).strip().split("==")[-1] + " on " + first_line(os.path.join(VENV, "bin", "python"), "--version"),
        "redis": first_line("redis-server", "--version").split("=", 1)[-1].split()[0],
    }
