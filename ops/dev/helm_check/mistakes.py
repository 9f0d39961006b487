"""Planted mistakes: a change of what was rendered, and the rule that must find it. A rule that cannot fail is none."""
import pods
import shape
from rendered import of_kind


def deployment(docs, role):
    return next(one for one in of_kind(docs, "Deployment") if one["metadata"]["name"].endswith(f"-{role}"))


def pod(docs, role="node"):
    return deployment(docs, role)["spec"]["template"]["spec"]


def container(docs, role="node"):
    return pod(docs, role)["containers"][0]


def variable(docs, name, role="node"):
    return next(one for one in container(docs, role)["env"] if one["name"] == name)


def policy(docs, role):
    return next(one for one in of_kind(docs, "NetworkPolicy") if one["metadata"]["name"].endswith(f"-{role}"))["spec"]


def first(docs, kind):
    return of_kind(docs, kind)[0]


# The rule's name → a change that it must find.
MISTAKES = {
    pods.runs_as_nobody: lambda docs: pod(docs)["securityContext"].update(runAsUser=0),
    pods.writes_nothing_to_its_root: lambda docs: container(docs, "auth")["securityContext"].pop("readOnlyRootFilesystem"),
    pods.has_no_capability: lambda docs: container(docs)["securityContext"]["capabilities"].update(add=["NET_ADMIN"]),
    pods.gains_no_privilege: lambda docs: container(docs, "mailer")["securityContext"].update(privileged=True),
    pods.shares_nothing_with_its_host: lambda docs: pod(docs).update(hostNetwork=True),
    pods.calls_only_usual_system_calls: lambda docs: pod(docs)["securityContext"].pop("seccompProfile"),
    pods.has_no_token: lambda docs: first(docs, "Pod")["spec"].pop("automountServiceAccountToken"),
    pods.is_bounded: lambda docs: container(docs)["resources"]["limits"].pop("memory"),
    pods.image_is_pinned: lambda docs: container(docs).update(image="chatify:latest"),
    pods.secrets_come_as_files: lambda docs: container(docs, "auth")["env"].append(
        {"name": "CHATIFY_STORE", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}
    ),
    pods.no_secret_is_seen: lambda docs: container(docs)["args"].append("--store=mongodb://u:canary-mongo@h/d"),
    pods.secrets_are_for_its_group_alone: lambda docs: pod(docs)["volumes"][0]["secret"].pop("defaultMode"),
    pods.knows_only_what_its_role_needs: lambda docs: pod(docs)["volumes"][1]["secret"]["items"].append(
        {"key": "auth-key-secret", "path": "auth-key-secret"}
    ),
    pods.every_setting_exists: lambda docs: container(docs)["env"].append({"name": "CHATIFY_NODE_OUTBOX", "value": "1"}),
    shape.may_stop_as_long_as_it_drains: lambda docs: variable(docs, "CHATIFY_DRAIN_DEADLINE").update(value="10m"),
    shape.closes_all_in_its_deadline: lambda docs: variable(docs, "CHATIFY_NODE_CONNECTIONS").update(value="1000000"),
    shape.unready_pods_are_noticed_before_they_close: lambda docs: container(docs)["readinessProbe"].update(periodSeconds=30),
    shape.probes_ask_the_admin_port: lambda docs: container(docs)["livenessProbe"]["httpGet"].update(path="/readyz"),
    shape.serves_where_it_says: lambda docs: variable(docs, "CHATIFY_LISTEN", "auth").update(value="0.0.0.0:8081"),
    shape.nodes_are_found_by_their_own_address: lambda docs: container(docs)["env"].reverse(),
    shape.selectors_never_change: lambda docs: deployment(docs, "node")["spec"]["selector"]["matchLabels"].update(
        {"app.kubernetes.io/version": "1"}
    ),
    shape.each_selector_finds_one_role: lambda docs: first(docs, "Service")["spec"]["selector"].pop("app.kubernetes.io/component"),
    shape.spread_is_by_the_own_role: lambda docs: pod(docs)["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"].update(
        {"app.kubernetes.io/component": "auth"}
    ),
    shape.scaling_and_evictions_leave_somebody: lambda docs: first(docs, "PodDisruptionBudget")["spec"].update(maxUnavailable=200),
    shape.rollouts_keep_everybody_served: lambda docs: deployment(docs, "node")["spec"].update(strategy={"type": "Recreate"}),
    shape.auth_gets_its_paths: lambda docs: first(docs, "Ingress")["spec"]["rules"][0]["http"]["paths"].pop(0),
    shape.monitors_find_every_role_once: lambda docs: first(docs, "PodMonitor")["spec"]["selector"].pop("matchExpressions"),
    shape.names_are_unique_and_in_the_namespace: lambda docs: docs.append(docs[0]),
}

# Mistakes in policies, found by the table of ways.
OPEN_DOORS = {
    "the admin port for everybody": lambda docs: policy(docs, "node")["ingress"].append({"ports": [{"port": 9090}]}),
    "any port of the store": lambda docs: policy(docs, "node")["egress"][-1].pop("ports"),
    "nodes to the mail queue": lambda docs: policy(docs, "node")["egress"].append({"ports": [{"protocol": "TCP", "port": 5672}]}),
    "no way from node to node": lambda docs: policy(docs, "node")["ingress"].pop(1),
    "no names": lambda docs: policy(docs, "auth")["egress"].pop(0),
    "everything out of the mailer": lambda docs: policy(docs, "mailer")["egress"].append({}),
}
