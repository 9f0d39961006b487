"""Values that must be refused, and what the refusal must say: the schema's and the chart's own."""

# (a path of values, what it is set to, words of the message)
CASES = [
    ("node.replica", 3, "replica"),
    ("nodes", {}, "nodes"),
    ("node.replicas", "three", "/node/replicas"),
    ("node.replicas", -1, "/node/replicas"),
    ("node.drain.grace", "10", "/node/drain/grace"),
    ("node.drain.deadline", "1 minute", "/node/drain/deadline"),
    ("node.drain.grace", "6m", "node.drain.grace is 6m, and chatify takes 5m at most"),
    ("node.drain.deadline", "11m", "takes 10m at most"),
    ("auth.drain.terminationGracePeriodSeconds", 20, "the kubelet would kill what is under way"),
    ("node.drain.deadline", "5s", "closes 8000 connections"),
    ("node.maxConnections", 100000, "the rest would be cut at once"),
    ("node.autoscaling", {"enabled": True, "minReplicas": 30}, "more than maxReplicas"),
    ("node.autoscaling", {"enabled": True, "connections": 60000}, "more than node.maxConnections"),
    ("node.autoscaling", {"enabled": True, "cpuPercent": 0}, "set cpuPercent or connections"),
    ("node.disruption.maxUnavailable", 3, "an eviction could take all of them"),
    ("node.disruption.maxUnavailable", 0, "/node/disruption/maxUnavailable"),
    ("node.resources.limits", None, "limits"),
    ("auth.resources.requests.memory", None, "/auth/resources/requests"),
    ("auth.resources.limits.memory", True, "/auth/resources/limits/memory"),
    ("node.spread.zones", "Sometimes", "/node/spread/zones"),
    ("node.settings", {"drain-grace": "1s"}, "`drain-grace` is set by the chart"),
    ("settings", {"store": "mongodb://x/y"}, "`store` is set by the chart"),
    ("settings", {"auth.key-secret": "0123"}, "secrets come from Secrets"),
    ("settings", {"CHATIFY_LOG": "info"}, "invalid propertyName 'CHATIFY_LOG'"),
    ("settings", {"log": ["info"]}, "/settings/log"),
    ("image.tag", "latest", "/image/tag"),
    ("image.repository", "chatify:latest", "/image/repository"),
    ("image.repository", "", "/image/repository"),
    ("image.digest", "sha256:12", "/image/digest"),
    ("image.pullPolicy", "Sometimes", "/image/pullPolicy"),
    ("backends.storeUrl", "sqlite:chat.db", "/backends/storeUrl"),
    ("backends.storeUrl", "mongodb+srv://a/chatify", "/backends/storeUrl"),
    ("backends.busUrl", "local:", "/backends/busUrl"),
    ("backends.mailQueueUrl", "kafka://a", "/backends/mailQueueUrl"),
    ("backends.storeUrl", "", "backends.storeUrl is not set"),
    ("backends.existingSecret.name", "urls", "which one counts"),
    ("backends.ca.smtp", True, "neither backends.ca.configMap nor backends.ca.secret"),
    ("backends.ca", {"configMap": "a", "secret": "b"}, "both set"),
    ("secrets.generate", False, "secrets.existingSecret is not set"),
    ("secrets.existingSecret", "keys", "both set"),
    ("secrets.authKeySecretKey", "cluster-key", "every node could make tokens"),
    ("mail.from", "", "mail.from is not set"),
    ("mail.from", "nobody", "/mail/from"),
    ("mail.smtpUrl", "", "mail.smtpUrl is not set"),
    ("mail.smtpUrl", "https://mail", "/mail/smtpUrl"),
    ("mail.existingSecret", "smtp", "both set"),
    ("publicUrl", "chat.example", "/publicUrl"),
    ("trustedProxies", ["everybody"], "/trustedProxies/0"),
    ("origins", ["*"], "/origins/0"),
    ("ipFamily", "IPv5", "/ipFamily"),
    ("ingress.hosts", [], "ingress.hosts is empty"),
    ("ingress.controller", "caddy", "/ingress/controller"),
    ("ingress.timeoutSeconds", 10, "/ingress/timeoutSeconds"),
    ("gateway.enabled", True, "gateway.parentRefs is empty"),
    ("networkPolicy.ingressController", [], "/networkPolicy/ingressController"),
    ("networkPolicy.store.ports", [0], "/networkPolicy/store/ports/0"),
    ("networkPolicy.store.to", [{"namespace": "x"}], "/networkPolicy/store/to/0"),
    ("monitoring.kind", "Scrape", "/monitoring/kind"),
    ("monitoring.jobPrefix", "talk-", "/monitoring/jobPrefix"),
    ("monitoring.probe.enabled", True, "needs monitoring.probe.prober and publicUrl"),
    ("tests.verify.writers", 51, "/tests/verify/writers"),
    ("tests.doctor.preflight", True, "before the chart's own Secrets are there"),
    ("fullnameOverride", "Chat!", "/fullnameOverride"),
    ("fullnameOverride", "a" * 43, "/fullnameOverride"),
]


def with_value(values, path, value):
    """These values with one changed."""
    *sections, last = path.split(".")
    changed = dict(values)
    at = changed
    for section in sections:
        at[section] = dict(at.get(section, {}))
        at = at[section]
    at[last] = value
    return changed
