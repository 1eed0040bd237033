"""Names that one object says of another: whether the other is there."""

from .manifests import containers_of, name_of, of_kind, pod_labels, selects, workloads

# Created by hand or by another program; docs/kubernetes.md says how.
FROM_OUTSIDE = {
    ("Secret", "bowline-queue"): {"url", "username", "password"},
    ("Secret", "bowline-scaler-user-credentials"): {"username", "password"},
    ("Secret", "rabbitmq-tls"): {"tls.crt", "tls.key", "ca.crt"},
    ("ClusterSecretStore", "bowline"): None,
}


def findings(documents, others=()):
    """What is missing of what `documents` name; `others` are in the cluster already."""
    there = present([*documents, *others])
    found = []
    for document in documents:
        for kind, name, key in sorted(wanted(document), key=str):
            keys = there.get((kind, name), FROM_OUTSIDE.get((kind, name), ()))
            if keys == ():
                found.append(f"{name_of(document)} names {kind}/{name}, which is not there")
            elif key and keys is not None and key not in keys:
                found.append(f"{name_of(document)} names {key!r} of {kind}/{name}, which has no such key")
    found += selector_findings(documents)
    found += namespace_findings(documents, others)
    return found


def present(documents):
    """The objects that are there; with their keys, where those are known."""
    there = {}
    for document in documents:
        kind, name = document["kind"], document["metadata"]["name"]
        has_keys = kind in ("ConfigMap", "Secret")
        there[kind, name] = set(document.get("data", {})) | set(document.get("stringData", {})) if has_keys else None
        if kind == "ExternalSecret":
            there["Secret", document["spec"]["target"]["name"]] = None
        if kind == "User":
            there["Secret", f"{name}-user-credentials"] = {"username", "password"}
    return there


def wanted(document):
    """What a document names, as kind, name, and key or None. What is optional does not count."""
    spec = document.get("spec", {})
    for _, template in workloads([document]):
        yield from wanted_by_pod(template["spec"])
    kind = document["kind"]
    if kind == "ScaledObject":
        yield "Deployment", spec["scaleTargetRef"]["name"], None
    if kind in ("ScaledObject", "ScaledJob"):
        for trigger in spec["triggers"]:
            yield "TriggerAuthentication", trigger["authenticationRef"]["name"], None
    if kind == "TriggerAuthentication":
        for target in spec["secretTargetRef"]:
            yield "Secret", target["name"], target["key"]
    if kind == "ExternalSecret":
        yield spec["secretStoreRef"]["kind"], spec["secretStoreRef"]["name"], None
    if "rabbitmqClusterReference" in spec:
        yield "RabbitmqCluster", spec["rabbitmqClusterReference"]["name"], None
    if "userReference" in spec:
        yield "User", spec["userReference"]["name"], None
    if "vhost" in spec and kind in ("Permission", "Policy"):
        yield "Vhost", spec["vhost"], None
    if "tls" in spec and kind == "RabbitmqCluster":
        for key in ("tls.crt", "tls.key"):
            yield "Secret", spec["tls"]["secretName"], key
    if "importCredentialsSecret" in spec:
        yield "Secret", spec["importCredentialsSecret"]["name"], "username"
        yield "Secret", spec["importCredentialsSecret"]["name"], "password"


def wanted_by_pod(pod):
    if "serviceAccountName" in pod:
        yield "ServiceAccount", pod["serviceAccountName"], None
    for container in containers_of(pod):
        for source in container.get("envFrom", []):
            for key, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                if key in source and not source[key].get("optional"):
                    yield kind, source[key]["name"], None
        for entry in container.get("env", []):
            for key, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
                source = entry.get("valueFrom", {}).get(key)
                if source and not source.get("optional"):
                    yield kind, source["name"], source["key"]
        mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
        for name in mounted - {volume["name"] for volume in pod.get("volumes", [])}:
            yield "volume", name, None
    for volume in pod.get("volumes", []):
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"], None
        if "secret" in volume:
            for item in volume["secret"].get("items", [{"key": None}]):
                yield "Secret", volume["secret"]["secretName"], item["key"]
        if "persistentVolumeClaim" in volume:
            yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"], None


def selector_findings(documents):
    """Selectors that select nothing, which is what a typing error makes of them."""
    pods = pod_labels(documents)
    has_broker = any(labels.get("app.kubernetes.io/name") == "rabbitmq" for labels in pods)
    for document in of_kind(documents, "NetworkPolicy", "PodMonitor", "PodDisruptionBudget", "Service"):
        selectors = list(selectors_of(document))
        for selector in selectors:
            is_broker = "rabbitmq" in str(selector)
            if not any(selects(selector, labels) for labels in pods) and (has_broker or not is_broker):
                yield f"{name_of(document)} selects no pod by {selector}"


def selectors_of(document):
    spec = document["spec"]
    if document["kind"] == "Service":
        yield {"matchLabels": spec["selector"]}
        return
    yield spec["podSelector"] if document["kind"] == "NetworkPolicy" else spec["selector"]
    for rule in spec.get("ingress", []):
        yield from (peer["podSelector"] for peer in rule.get("from", []) if "podSelector" in peer)
    for rule in spec.get("egress", []):
        yield from (peer["podSelector"] for peer in rule.get("to", []) if "podSelector" in peer)


def namespace_findings(documents, others):
    """Everything lies in one namespace."""
    found = {
        document["metadata"].get("namespace", document["metadata"]["name"] if document["kind"] == "Namespace" else None)
        for document in [*documents, *others]
    }
    if len(found) != 1:
        yield f"objects lie in several namespaces: {', '.join(sorted(map(str, found)))}"
