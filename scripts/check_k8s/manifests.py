"""Finding one's way in rendered manifests."""


def name_of(document):
    return f"{document['kind']}/{document['metadata']['name']}"


def of_kind(documents, *kinds):
    return [document for document in documents if document["kind"] in kinds]


def template_of(document):
    """The pod template of a workload, or None."""
    spec = document.get("spec", {})
    if document["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "Job"):
        return spec["template"]
    if document["kind"] == "ScaledJob":
        return spec["jobTargetRef"]["template"]
    if document["kind"] == "CronJob":
        return spec["jobTemplate"]["spec"]["template"]
    return document if document["kind"] == "Pod" else None


def workloads(documents):
    return [(document, template) for document in documents if (template := template_of(document))]


def containers_of(pod):
    return pod.get("initContainers", []) + pod["containers"]


def selects(selector, labels):
    """Whether a label selector matches; an empty one matches everything."""
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for term in selector.get("matchExpressions", []):
        value, among = labels.get(term["key"]), term.get("values", [])
        holds = {
            "In": value in among,
            "NotIn": value not in among,
            "Exists": term["key"] in labels,
            "DoesNotExist": term["key"] not in labels,
        }[term["operator"]]
        if not holds:
            return False
    return True


def pod_labels(documents):
    """The labels of all pods that come of `documents`, those of operators included."""
    labels = [template["metadata"].get("labels", {}) for _, template in workloads(documents)]
    for cluster in of_kind(documents, "RabbitmqCluster"):
        name = cluster["metadata"]["name"]
        labels.append({"app.kubernetes.io/name": name, "app.kubernetes.io/component": "rabbitmq"})
    return labels


def environment(container, documents):
    """The variables of a container whose values the manifests tell."""
    maps = {d["metadata"]["name"]: d.get("data", {}) for d in of_kind(documents, "ConfigMap")}
    known = {}
    for source in container.get("envFrom", []):
        if "configMapRef" in source:
            known |= maps.get(source["configMapRef"]["name"], {})
    return known | {entry["name"]: entry["value"] for entry in container.get("env", []) if "value" in entry}


def option(container, name, documents):
    """The value of `--name=…` among a container's arguments, with its variables put in."""
    for argument in container.get("args", []):
        if argument.startswith(f"--{name}="):
            value = argument.partition("=")[2]
            for variable, text in environment(container, documents).items():
                value = value.replace(f"$({variable})", text)
            return value
    return None
