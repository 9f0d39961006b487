"""What reliability asks of every pod (D1, D2): each rule is a function from documents to complaints, named by what holds."""
import base64
import re
from pathlib import Path

from rendered import name_of, of_kind, pods, role_of

# What rules of images are about: a tag or a digest, and never one that moves.
PINNED = re.compile(r"^[^@\s]+(:(?!latest$)[A-Za-z0-9_][\w.-]*|@sha256:[0-9a-f]{64})$")
CANARY = "canary-"


def each(docs, wrong):
    """Complaints of `wrong(labels, pod, container)` for every container."""
    for name, labels, pod in pods(docs):
        for container in pod.get("initContainers", []) + pod["containers"]:
            if why := wrong(labels, pod, container):
                yield f"{name}: {why}"


def runs_as_nobody(docs):
    def wrong(_, pod, container):
        both = pod["securityContext"] | container["securityContext"]
        return not (both.get("runAsNonRoot") and both.get("runAsUser") == 65532) and "may be root"

    return each(docs, wrong)


def writes_nothing_to_its_root(docs):
    return each(docs, lambda _, __, one: not one["securityContext"].get("readOnlyRootFilesystem") and "its root can be written")


def has_no_capability(docs):
    return each(docs, lambda _, __, one: one["securityContext"].get("capabilities") != {"drop": ["ALL"]} and "has capabilities")


def gains_no_privilege(docs):
    return each(
        docs,
        lambda _, pod, one: (
            one["securityContext"].get("allowPrivilegeEscalation") is not False or one["securityContext"].get("privileged")
        )
        and "may gain privileges",
    )


def shares_nothing_with_its_host(docs):
    def wrong(_, pod, container):
        shared = any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC"))
        mounted = any("hostPath" in volume for volume in pod.get("volumes", []))
        ports = any("hostPort" in port for port in container.get("ports", []))
        return (shared or mounted or ports) and "reaches into its host"

    return each(docs, wrong)


def calls_only_usual_system_calls(docs):
    return each(
        docs, lambda _, pod, __: pod["securityContext"].get("seccompProfile") != {"type": "RuntimeDefault"} and "no seccomp profile"
    )


def has_no_token(docs):
    yield from each(docs, lambda _, pod, __: pod.get("automountServiceAccountToken") is not False and "has a token of its account")
    for account in of_kind(docs, "ServiceAccount"):
        if account.get("automountServiceAccountToken") is not False:
            yield f"{name_of(account)}: gives tokens"


def is_bounded(docs):
    def wrong(_, __, container):
        given = container.get("resources", {})
        return any(not given.get(what, {}).get(of) for what in ("requests", "limits") for of in ("cpu", "memory")) and "no bounds"

    return each(docs, wrong)


def image_is_pinned(docs):
    return each(docs, lambda _, __, one: not PINNED.match(one["image"]) and f"image {one['image']} is not pinned")


def secrets_come_as_files(docs):
    """No variable from a Secret, and each `…_FILE` and the file of settings lie in a mounted Secret."""

    def wrong(_, pod, container):
        volumes = {volume["name"]: volume for volume in pod.get("volumes", [])}
        files = {
            f"{mount['mountPath']}/{item['path']}"
            for mount in container.get("volumeMounts", [])
            for item in volumes[mount["name"]].get("secret", {}).get("items", [])
        }
        if container.get("envFrom"):
            return "takes variables from elsewhere"
        for variable in container.get("env", []):
            if "secretKeyRef" in variable.get("valueFrom", {}) or "configMapKeyRef" in variable.get("valueFrom", {}):
                return f"{variable['name']} comes from a Secret or ConfigMap"
            is_secret = variable["name"] == "CHATIFY_CONFIG" or variable["name"].endswith("_FILE")
            if is_secret and not variable["name"].endswith("_CA_FILE") and variable["value"] not in files:
                return f"{variable['name']} names {variable['value']}, which no mounted Secret holds"
            if re.search(r"KEY_SECRET$|CLUSTER_KEY$|PEPPER$|SMTP$|_STORE$|_BUS$|_QUEUE$", variable["name"]):
                return f"{variable['name']} is a secret in a variable"
        return None

    return each(docs, wrong)


def no_secret_is_seen(docs):
    """Whatever may hold a planted password is a Secret."""
    for doc in docs:
        if doc["kind"] != "Secret" and CANARY in repr(doc):
            yield f"{name_of(doc)}: holds a password"


def planted_secrets_arrive(docs, wanted=()):
    """The check above proves nothing if no password was there."""
    held = "".join(base64.b64decode(text).decode() for one in of_kind(docs, "Secret") for text in one["data"].values())
    return [f"the Secrets do not hold {one}" for one in wanted if one not in held]


def secrets_are_for_its_group_alone(docs):
    def wrong(_, pod, __):
        modes = [volume["secret"].get("defaultMode") for volume in pod.get("volumes", []) if "secret" in volume]
        return (any(mode != 0o440 for mode in modes) or pod["securityContext"].get("fsGroup") != 65532) and "secrets are open"

    return each(docs, wrong)


def knows_only_what_its_role_needs(docs):
    """Nodes cannot make tokens, the mailer knows no store: (role → files of secrets)."""
    need = {
        "node": {"cluster-key", "chatify.toml"},
        "auth": {"cluster-key", "chatify.toml", "auth-key-secret", "otp-pepper"},
        "mailer": {"cluster-key", "chatify.toml", "smtp"},
        "verify": {"cluster-key", "chatify.toml", "auth-key-secret", "otp-pepper"},
        "doctor": {"cluster-key", "chatify.toml", "auth-key-secret", "otp-pepper", "smtp"},
    }
    for name, labels, pod in pods(docs):
        for volume in pod.get("volumes", []):
            items = volume.get("secret", {}).get("items")
            has = {item["path"] for item in items} if items else ({"everything"} if "secret" in volume else set())
            if more := has - need[role_of(labels)] - {"ca.crt"}:
                yield f"{name}: has {sorted(more)}, which it does not need"


def every_setting_exists(docs):
    """Each variable is one of docs/configuration.md."""
    known = {"CHATIFY_CONFIG"}
    for key, kind in re.findall(r"^\| `([a-z.-]+)` \| ((?:\\\||[^|])+) \|", Path("docs/configuration.md").read_text(), re.M):
        name = "CHATIFY_" + key.upper().replace(".", "_").replace("-", "_")
        known |= {name, f"{name}_FILE"} if kind.strip() == "secret" else {name}

    def wrong(_, __, container):
        names = [variable["name"] for variable in container.get("env", [])]
        if len(names) != len(set(names)):
            return "a variable is set twice"
        unknown = [name for name in names if name.startswith("CHATIFY_") and name not in known]
        return unknown and f"there is no setting {unknown}"

    return each(docs, wrong)


RULES = [
    runs_as_nobody,
    writes_nothing_to_its_root,
    has_no_capability,
    gains_no_privilege,
    shares_nothing_with_its_host,
    calls_only_usual_system_calls,
    has_no_token,
    is_bounded,
    image_is_pinned,
    secrets_come_as_files,
    no_secret_is_seen,
    secrets_are_for_its_group_alone,
    knows_only_what_its_role_needs,
    every_setting_exists,
]
