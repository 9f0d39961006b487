"""A rendered pod as a process of this machine: its arguments, its variables, its mounted Secrets as files, and its ports
moved to free ones. What Kubernetes would do, as far as it can be done without it."""
import base64
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import rendered

# The debug build on a busy machine; a condition is waited for, so this is no measure of anything.
PATIENCE_SECONDS = 120


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Pod:
    """One pod of what was rendered. `moved` says where its Services are instead."""

    def __init__(self, docs, name, folder, moved=None, given=None):
        _, self.labels, self.spec = next(one for one in rendered.pods(docs) if one[0] == name)
        self.name, self.container, self.process = name, self.spec["containers"][0], None
        self.folder = Path(folder) / f"{name.replace('/', '-')}-{free_port()}"
        self.folder.mkdir(parents=True)
        self.http, self.admin = free_port(), free_port()
        self.moved = moved or {}
        files = self._mount(docs, given or {})
        plain = {one["name"]: one.get("value", "127.0.0.1") for one in self.container["env"]}
        self.variables = {}
        for key, value in plain.items():
            value = re.sub(r"\$\((\w+)\)", lambda found: plain[found[1]], files.get(value, value))
            self.variables[key] = self._move(value)
        for key, port in (("CHATIFY_LISTEN", self.http), ("CHATIFY_ADMIN_LISTEN", self.admin)):
            if key in self.variables:
                self.variables[key] = f"127.0.0.1:{port}"

    def _mount(self, docs, given):
        """Path in the pod → path here. Secrets that are not rendered hold what `given` says for the file."""
        secrets = {one["metadata"]["name"]: one["data"] for one in rendered.of_kind(docs, "Secret")}
        volumes = {one["name"]: one.get("secret") for one in self.spec.get("volumes", [])}
        files = {}
        for mount in self.container["volumeMounts"]:
            secret = volumes[mount["name"]]
            for item in secret["items"] if secret else []:
                data = secrets.get(secret["secretName"], {}).get(item["key"])
                text = base64.b64decode(data).decode() if data else given[item["path"]]
                here = self.folder / f"{mount['name']}-{item['path']}"
                here.write_text(text)
                files[f"{mount['mountPath']}/{item['path']}"] = str(here)
        return files

    def _move(self, text):
        text = re.sub(r"^http://127\.0\.0\.1:8080$", f"http://127.0.0.1:{self.http}", text)
        for service, port in self.moved.items():
            text = text.replace(f"http://{service}:8080", f"http://127.0.0.1:{port}")
        return text

    def command(self, program):
        return [program, *(self._move(argument) for argument in self.container["args"])]

    def run(self, program, *instead):
        """Runs to its end: (status, what it said). `instead` are other arguments."""
        command = [program, *instead] if instead else self.command(program)
        done = subprocess.run(command, env=self.variables, cwd=self.folder, capture_output=True, text=True, timeout=600)
        return done.returncode, done.stdout + done.stderr

    def start(self, program):
        log = open(self.folder / "log", "w")
        self.process = subprocess.Popen(self.command(program), env=self.variables, cwd=self.folder, stdout=log, stderr=log)
        return self

    def log(self):
        return (self.folder / "log").read_text()[-2000:]

    def probe(self, name):
        """The status that a probe of the pod gets; 0 when nobody answers."""
        asked = self.container[name]["httpGet"]
        if asked["port"] != "admin":
            return 0
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.admin}{asked['path']}", timeout=10).status
        except urllib.error.HTTPError as answer:
            return answer.code
        except OSError:
            return 0

    def gets(self, status, probe):
        """Whether a probe comes to get this status before the process ends. Asks ten times a second."""
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            if self.probe(probe) == status:
                return True
            time.sleep(0.1)
        return False

    def stop(self):
        """As the kubelet does: SIGTERM, the pod's grace, SIGKILL. The status; negative when it was killed."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(self.spec["terminationGracePeriodSeconds"])
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
