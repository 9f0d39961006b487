"""What must agree within one release: stopping, probes, scaling, evictions, selectors, the way in."""
from rendered import matches, name_of, of_kind, pods, role_of

SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
# What closing store, bus and queue may take: two backends at most, 5 s each, and threads 1 s.
CLOSING_SECONDS = 11


def seconds(text):
    unit = text.lstrip("0123456789")
    return int(text[: -len(unit)]) * SECONDS[unit]


def deployments(docs):
    """(name, role, spec, pod, container, variables)"""
    for doc in of_kind(docs, "Deployment"):
        pod = doc["spec"]["template"]["spec"]
        container = pod["containers"][0]
        variables = {one["name"]: one.get("value") for one in container["env"]}
        yield name_of(doc), container["args"][0], doc["spec"], pod, container, variables


def may_stop_as_long_as_it_drains(docs):
    for name, _, __, pod, container, told in deployments(docs):
        before = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        least = before + seconds(told["CHATIFY_DRAIN_GRACE"]) + seconds(told["CHATIFY_DRAIN_DEADLINE"]) + CLOSING_SECONDS
        if pod["terminationGracePeriodSeconds"] < least:
            yield f"{name}: killed after {pod['terminationGracePeriodSeconds']} s, and stopping takes {least} s"


def closes_all_in_its_deadline(docs):
    for name, role, *_, told in deployments(docs):
        if role == "node":
            closed = seconds(told["CHATIFY_DRAIN_DEADLINE"]) * 0.8 * 10 * int(told["CHATIFY_NODE_DRAIN_CLOSES"])
            if closed < int(told["CHATIFY_NODE_CONNECTIONS"]):
                yield f"{name}: closes {closed} of {told['CHATIFY_NODE_CONNECTIONS']} connections"


def unready_pods_are_noticed_before_they_close(docs):
    for name, role, _, __, container, told in deployments(docs):
        probe = container["readinessProbe"]
        if role != "mailer" and probe["periodSeconds"] * probe["failureThreshold"] > seconds(told["CHATIFY_DRAIN_GRACE"]):
            yield f"{name}: closes before its probe has failed"


def probes_ask_the_admin_port(docs):
    want = {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    for name, _, __, ___, container, told in deployments(docs):
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        for probe, path in want.items():
            asked = container.get(probe, {}).get("httpGet", {})
            if asked.get("path") != path or str(ports.get(asked.get("port"))) != told["CHATIFY_ADMIN_LISTEN"].rsplit(":", 1)[1]:
                yield f"{name}: {probe} does not ask {path} of the admin port"


def serves_where_it_says(docs):
    """The container's http port is the program's."""
    for name, role, _, __, container, told in deployments(docs):
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        if role != "mailer" and str(ports.get("http")) != told["CHATIFY_LISTEN"].rsplit(":", 1)[1]:
            yield f"{name}: listens elsewhere"


def nodes_are_found_by_their_own_address(docs):
    for name, role, _, __, container, told in deployments(docs):
        if role != "node":
            continue
        names = [one["name"] for one in container["env"]]
        by_field = [one for one in container["env"] if one.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath") == "status.podIP"]
        advertised = told.get("CHATIFY_ADVERTISE") or ""
        if not by_field or f"$({by_field[0]['name']})" not in advertised:
            yield f"{name}: other nodes cannot reach it"
        elif names.index(by_field[0]["name"]) > names.index("CHATIFY_ADVERTISE"):
            yield f"{name}: the pod's address stands behind what uses it"


def selectors_never_change(docs):
    """Three labels of the release; a version in a selector would break the next upgrade."""
    fixed = {"app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"}
    for doc in of_kind(docs, "Deployment"):
        selector, labels = doc["spec"]["selector"], doc["spec"]["template"]["metadata"]["labels"]
        if set(selector["matchLabels"]) != fixed or not matches(selector, labels):
            yield f"{name_of(doc)}: selects by {sorted(selector['matchLabels'])}"


def each_selector_finds_one_role(docs):
    """Services and budgets select the pods of the role that they are labelled with, and no others."""
    every = [(name, labels) for name, labels, _ in pods(docs)]
    for doc in of_kind(docs, "Service") + of_kind(docs, "PodDisruptionBudget"):
        selector = doc["spec"]["selector"]
        if doc["kind"] == "Service":
            selector = {"matchLabels": selector}
        found = {role_of(labels) for _, labels in every if matches(selector, labels)}
        if found != {role_of(doc["metadata"]["labels"])}:
            yield f"{name_of(doc)}: finds {sorted(found)}"


def spread_is_by_the_own_role(docs):
    for name, labels, pod in pods(docs):
        for constraint in pod.get("topologySpreadConstraints", []):
            if not matches(constraint["labelSelector"], labels):
                yield f"{name}: is spread by the pods of another"


def scaling_and_evictions_leave_somebody(docs):
    """Who scales by itself has no fixed number, and no budget lets all pods go."""
    scaled = {one["spec"]["scaleTargetRef"]["name"]: one["spec"] for one in of_kind(docs, "HorizontalPodAutoscaler")}
    names = {one["metadata"]["name"] for one in of_kind(docs, "Deployment")}
    for lost in set(scaled) - names:
        yield f"an autoscaler scales {lost}, which is not there"
    for doc in of_kind(docs, "Deployment"):
        name, spec = doc["metadata"]["name"], doc["spec"]
        scale = scaled.get(name)
        if bool(scale) == ("replicas" in spec):
            yield f"{name}: both a fixed number and an autoscaler, or neither"
        least = scale["minReplicas"] if scale else spec.get("replicas", 1)
        if scale and scale["minReplicas"] > scale["maxReplicas"]:
            yield f"{name}: at least more than at most"
        for budget in of_kind(docs, "PodDisruptionBudget"):
            if matches(budget["spec"]["selector"], spec["template"]["metadata"]["labels"]):
                if least > 1 and budget["spec"]["maxUnavailable"] >= least:
                    yield f"{name}: evictions may take all {least}"


def rollouts_keep_everybody_served(docs):
    for name, _, spec, *__ in deployments(docs):
        if spec["strategy"].get("rollingUpdate", {}).get("maxUnavailable") != 0:
            yield f"{name}: a rollout takes pods away before new ones are ready"


def auth_gets_its_paths(docs):
    """By Ingress and by route: `/v1/auth/` and the keys to auth, the rest to nodes, and WebSockets live."""
    for doc in of_kind(docs, "Ingress"):
        for rule in doc["spec"]["rules"]:
            to = {path["path"]: path["backend"]["service"]["name"].rsplit("-", 1)[-1] for path in rule["http"]["paths"]}
            if to != {"/v1/auth/": "auth", "/.well-known/jwks.json": "auth", "/": "node"}:
                yield f"{name_of(doc)}: {to}"
    for doc in of_kind(docs, "HTTPRoute"):
        to = {
            match["path"]["value"]: rule["backendRefs"][0]["name"].rsplit("-", 1)[-1]
            for rule in doc["spec"]["rules"]
            for match in rule["matches"]
        }
        if to != {"/v1/auth/": "auth", "/.well-known/jwks.json": "auth", "/": "node"}:
            yield f"{name_of(doc)}: {to}"
        nodes = [rule for rule in doc["spec"]["rules"] if rule["backendRefs"][0]["name"].endswith("-node")]
        if any(rule.get("timeouts", {}).get("request") != "0s" for rule in nodes):
            yield f"{name_of(doc)}: a WebSocket is cut"


def monitors_find_every_role_once(docs):
    """Where there is a monitor it finds a metrics port of each role; of tests and of public Services it finds none."""
    roles = {role for _, role, *__ in deployments(docs)}
    for doc in of_kind(docs, "PodMonitor"):
        every = [(labels, pod["containers"][0]) for _, labels, pod in pods(docs)]
        found = [(role_of(labels), one.get("ports", [])) for labels, one in every if matches(doc["spec"]["selector"], labels)]
        yield from unmonitored(doc, doc["spec"]["podMetricsEndpoints"], found, roles)
    for doc in of_kind(docs, "ServiceMonitor"):
        services = [one for one in of_kind(docs, "Service") if matches(doc["spec"]["selector"], one["metadata"]["labels"])]
        found = [(role_of(one["metadata"]["labels"]), one["spec"]["ports"]) for one in services]
        yield from unmonitored(doc, doc["spec"]["endpoints"], found, roles)


def unmonitored(doc, endpoints, found, roles):
    ports = {endpoint["port"] for endpoint in endpoints}
    if sorted(role for role, _ in found) != sorted(roles):
        yield f"{name_of(doc)}: finds {sorted(role for role, _ in found)}, not {sorted(roles)}"
    if any(not ports <= {port["name"] for port in there} for _, there in found):
        yield f"{name_of(doc)}: asks a port that is not there"


def names_are_unique_and_in_the_namespace(docs):
    seen = set()
    for doc in docs:
        if name_of(doc) in seen or doc["metadata"].get("namespace") != "chat" or len(doc["metadata"]["name"]) > 63:
            yield f"{name_of(doc)}: twice, too long, or in no namespace"
        seen.add(name_of(doc))


RULES = [
    may_stop_as_long_as_it_drains,
    closes_all_in_its_deadline,
    unready_pods_are_noticed_before_they_close,
    probes_ask_the_admin_port,
    serves_where_it_says,
    nodes_are_found_by_their_own_address,
    selectors_never_change,
    each_selector_finds_one_role,
    spread_is_by_the_own_role,
    scaling_and_evictions_leave_somebody,
    rollouts_keep_everybody_served,
    auth_gets_its_paths,
    monitors_find_every_role_once,
    names_are_unique_and_in_the_namespace,
]
