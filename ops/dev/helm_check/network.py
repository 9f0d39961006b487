"""NetworkPolicies allow exactly the ways of a table, read from both ends. The table is what reliability asks [D1]."""
from rendered import matches, of_kind, pods, role_of

# From → to, for what talks by TCP; `ours` on port 8080, metrics on 9090, backends on the ports of the values.
WAYS = {
    ("ingressController", "node"), ("ingressController", "auth"),
    ("node", "node"), ("node", "auth"), ("node", "store"), ("node", "bus"),
    ("auth", "store"), ("auth", "bus"), ("auth", "mailQueue"),
    ("mailer", "mailQueue"), ("mailer", "smtp"),
    ("verify", "node"), ("verify", "store"),
    ("doctor", "node"), ("doctor", "auth"), ("doctor", "store"), ("doctor", "bus"), ("doctor", "mailQueue"), ("doctor", "smtp"),
    ("prometheus", "node"), ("prometheus", "auth"), ("prometheus", "mailer"),
    ("node", "dns"), ("auth", "dns"), ("mailer", "dns"), ("verify", "dns"), ("doctor", "dns"),
}  # fmt: skip
OURS = {"node", "auth", "mailer", "verify", "doctor"}


def named(peer):
    """A peer outside of the release, as one word."""
    if "ipBlock" in peer:
        return peer["ipBlock"]["cidr"]
    namespace = peer.get("namespaceSelector", {}).get("matchLabels", {}).get("kubernetes.io/metadata.name", "any namespace")
    pod = ",".join(f"{k}={v}" for k, v in sorted(peer.get("podSelector", {}).get("matchLabels", {}).items()))
    return f"{namespace}/{pod}"


def others(peers, labels_of):
    """Whom a rule's peers mean: roles of the release by their labels, others by name. No peers are everybody."""
    if not peers:
        return {"anywhere"}
    found = set()
    for peer in peers:
        if "podSelector" in peer and "namespaceSelector" not in peer:
            found |= {role for role, labels in labels_of.items() if matches(peer["podSelector"], labels)}
        else:
            found.add(named(peer))
    return found


def ports(rule):
    """A rule without ports opens all of them."""
    return {(port.get("protocol", "TCP"), port.get("port")) for port in rule.get("ports", [])} or {("any", "any")}


def roles_that_exist(docs):
    return {role_of(labels): labels for _, labels, _ in pods(docs)}


def allowed(docs):
    """(ways out, ways in) as sets of (from, to, (protocol, port))."""
    labels_of = roles_that_exist(docs)
    out, into = set(), set()
    for policy in of_kind(docs, "NetworkPolicy"):
        spec = policy["spec"]
        for role, labels in labels_of.items():
            if not matches(spec["podSelector"], labels):
                continue
            for rule in spec.get("egress", []):
                out |= {(role, to, port) for to in others(rule.get("to"), labels_of) for port in ports(rule)}
            for rule in spec.get("ingress", []):
                into |= {(one, role, port) for one in others(rule.get("from"), labels_of) for port in ports(rule)}
    return out, into


def wanted(values, there):
    """The table, with the peers and ports of these values."""
    policy = values["networkPolicy"]
    out, into = set(), set()
    for one, to in WAYS:
        if to in OURS:
            if to not in there or (one in OURS and one not in there):
                continue
            froms = {one} if one in OURS else {named(peer) for peer in policy[one]}
            ways = {(name, to, ("TCP", 9090 if one == "prometheus" else 8080)) for name in froms}
            into |= ways
            out |= ways if one in OURS else set()
        elif one in there:
            peers = {named(peer) for peer in policy[to]["to"]} or {"anywhere"}
            protocols = ("TCP", "UDP") if to == "dns" else ("TCP",)
            out |= {(one, peer, (how, port)) for peer in peers for port in policy[to]["ports"] for how in protocols}
    for role in there & {"node", "auth", "mailer"}:
        for rule in policy["extraEgress"][role]:
            out |= {(role, named(peer), port) for peer in rule["to"] for port in ports(rule)}
    return out, into


def only_the_ways_of_the_table(docs, values):
    if not values["networkPolicy"]["enabled"]:
        return
    is_of = wanted(values, set(roles_that_exist(docs)))
    for side, have, want in zip(("out", "in"), allowed(docs), is_of):
        for way in have - want:
            yield f"open and not in the table ({side}): {way}"
        for way in want - have:
            yield f"in the table and closed ({side}): {way}"


def nothing_is_open_by_default(docs, values):
    """Every pod is selected by a policy of both directions that allows nothing, and by one of its own."""
    if not values["networkPolicy"]["enabled"]:
        return
    for name, labels, _ in pods(docs):
        own = [one["spec"] for one in of_kind(docs, "NetworkPolicy") if matches(one["spec"]["podSelector"], labels)]
        both = [one for one in own if set(one["policyTypes"]) == {"Ingress", "Egress"}]
        if not any("ingress" not in one and "egress" not in one for one in both) or len(both) < 2:
            yield f"{name}: is open by default"


RULES = [only_the_ways_of_the_table, nothing_is_open_by_default]
