"""The rendered pods as processes, on real servers: does the program take its settings, become ready as its probe asks, stay
alive without its backends, end within its grace, and do the pods of `helm test` find all well?
usage: live.py PROGRAM      with CHATIFY_TEST_REDIS, _MONGODB, _AMQP and _SMTP of ops/dev/servers.sh"""
import os
import sys
import tempfile
import uuid

import rendered
from process import Pod, free_port

PROGRAM = sys.argv[1]
FULL = f"{rendered.RELEASE}-chatify"
# What a Secret of somebody's own would hold: enough for settings to be read.
GIVEN = {
    "cluster-key": "c" * 40,
    "auth-key-secret": "a" * 40,
    "otp-pepper": "p" * 40,
    "smtp": "smtp://mail.example?tls=none",
    "chatify.toml": 'store = "mongodb://a/b"\nbus = "redis://a"\nmail-queue = "amqp://a"\n',
    "ca.crt": "",
}
passed = failed = 0


def test(name, holds, why=""):
    global passed, failed
    passed, failed = passed + bool(holds), failed + (not holds)
    if not holds:
        print(f"FAILED {name}: {why}")


def the_program_takes_every_rendered_setting(folder):
    for case, values in rendered.cases().items():
        docs = rendered.documents(values)
        for name, *_ in rendered.pods(docs):
            status, said = Pod(docs, name, folder, given=GIVEN).run(PROGRAM, "config", "--print")
            test(f"{case}: {name} is told what the program knows", status == 0, said)


def values_for(servers):
    """Those of ci/small.yaml on real servers; a database and queues of their own. Drains are short, as nobody waits."""
    values = rendered.cases()["small"]
    own = uuid.uuid4().hex[:8]
    hosts, options = servers["MONGODB"].split("/?")
    values["backends"] = {
        "storeUrl": f"{hosts}/helm_{own}?{options}",
        "busUrl": servers["REDIS"],
        "mailQueueUrl": f"{servers['AMQP']}?prefix=helm-{own}",
    }
    values["mail"]["smtpUrl"] = servers["SMTP"]
    values["node"] = {"drain": {"grace": "4s", "deadline": "40s"}}
    values["auth"] = {"drain": {"grace": "4s", "deadline": "5s"}}
    values["tests"] = {"verify": {"seconds": 5}}
    return values


def a_release_lives_and_proves_itself(folder, servers):
    docs = rendered.documents(values_for(servers))
    auth = Pod(docs, f"Deployment/{FULL}-auth", folder)
    moved = {f"{FULL}-auth": auth.http}
    nodes = [Pod(docs, f"Deployment/{FULL}-node", folder, moved) for _ in range(2)]
    mailer = Pod(docs, f"Deployment/{FULL}-mailer", folder)
    release = [auth, mailer, *nodes]
    moved[f"{FULL}-node"] = nodes[0].http
    try:
        for pod in release:
            pod.start(PROGRAM)
        for pod in release:
            test(f"{pod.name} becomes ready", pod.gets(200, "readinessProbe"), pod.log())
            alive = pod.probe("startupProbe") == 200 and pod.probe("livenessProbe") == 200
            test(f"{pod.name} is alive", alive, pod.log())
        status, said = Pod(docs, f"Pod/{FULL}-doctor", folder, moved).run(PROGRAM, "doctor")
        test("the doctor of `helm test` finds nothing wrong", status == 0, said)
        verify = Pod(docs, f"Pod/{FULL}-verify", folder, moved)
        status, said = verify.run(PROGRAM, *verify.command(PROGRAM)[1:])
        test("`helm test` proves the guarantee", status == 0, said)
    finally:
        for pod in release:
            if pod.process:
                test(f"{pod.name} ends by itself within its grace", pod.stop() == 0, pod.log())


def a_pod_without_backends_is_alive_and_not_ready(folder, servers):
    away = dict(servers, REDIS=f"redis://127.0.0.1:{free_port()}", MONGODB=f"mongodb://127.0.0.1:{free_port()}/?replicaSet=r")
    away["AMQP"] = f"amqp://guest:guest@127.0.0.1:{free_port()}/%2f"
    docs = rendered.documents(values_for(away))
    for role in rendered.ROLES:
        pod = Pod(docs, f"Deployment/{FULL}-{role}", folder, {f"{FULL}-auth": free_port()}).start(PROGRAM)
        alive = pod.gets(200, "startupProbe")
        ready, living = pod.probe("readinessProbe"), pod.probe("livenessProbe")
        test(f"{role} without backends is alive and not ready", alive and (living, ready) == (200, 503), (living, ready, pod.log()))
        pod.process.kill()
        pod.process.wait()


with tempfile.TemporaryDirectory() as scratch:
    the_program_takes_every_rendered_setting(scratch)
    try:
        test_servers = {name: os.environ[f"CHATIFY_TEST_{name}"] for name in ("REDIS", "MONGODB", "AMQP", "SMTP")}
    except KeyError as missing:
        test("the servers run", False, f"{missing} is not set: eval \"$(ops/dev/servers.sh start)\"")
    else:
        a_release_lives_and_proves_itself(scratch, test_servers)
        a_pod_without_backends_is_alive_and_not_ready(scratch, test_servers)
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
