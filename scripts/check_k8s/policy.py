"""What every pod has to keep to, and what belongs together in worker, coordinator and broker."""

import re

from .manifests import containers_of, name_of, of_kind, option, selects, template_of, workloads

# What a worker wants beyond its grace, for giving its job back and closing.
CLOSING_S = 45
# A node that is taken back gives no more than this.
SPOT_NOTICE_S = 120
FAIL, RETRY = {2, 3, 65}, {69, 75}


def findings(documents):
    found = []
    for document, template in workloads(documents):
        pod = template["spec"]
        found += [f"{name_of(document)}: {text}" for text in pod_findings(pod)]
        for container in containers_of(pod):
            # Init containers, and jobs that a person starts, are not probed.
            is_asked = container in pod["containers"] and document["kind"] != "CronJob"
            found += [f"{name_of(document)}, {container['name']}: {t}" for t in container_findings(container, is_asked)]
    for document in documents:
        check = BY_KIND.get(document["kind"])
        if check:
            found += [f"{name_of(document)}: {text}" for text in check(document, documents)]
    return found


def pod_findings(pod):
    if pod.get("automountServiceAccountToken") is not False:
        yield "mounts a token for the Kubernetes API"
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(key):
            yield f"has {key}"
    context = pod.get("securityContext", {})
    if context.get("runAsNonRoot") is not True or context.get("runAsUser", 0) == 0:
        yield "may run as root"
    if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "has no seccomp profile"
    for volume in pod.get("volumes", []):
        if "hostPath" in volume:
            yield f"has a folder of the node, {volume['name']}"
        if "emptyDir" in volume and "sizeLimit" not in volume["emptyDir"]:
            yield f"has a volume without a limit, {volume['name']}"


def container_findings(container, is_asked):
    context = container.get("securityContext", {})
    if context.get("readOnlyRootFilesystem") is not True:
        yield "has a writable root"
    if context.get("allowPrivilegeEscalation") is not False:
        yield "may gain privileges"
    if context.get("privileged"):
        yield "is privileged"
    capabilities = context.get("capabilities", {})
    if capabilities.get("drop") != ["ALL"] or capabilities.get("add"):
        yield "keeps capabilities"
    if context.get("runAsUser") == 0 or context.get("runAsNonRoot") is False:
        yield "runs as root"
    resources = container.get("resources", {})
    for kind in ("requests", "limits"):
        for resource in ("cpu", "memory"):
            if resource not in resources.get(kind, {}):
                yield f"has no {kind} of {resource}"
    image = container.get("image", "")
    tag = image.rpartition("/")[2].partition(":")[2]
    if "@sha256:" not in image and tag in ("", "latest"):
        yield f"has an image without a version, {image}"
    ports = {port.get("name") for port in container.get("ports", [])}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe") if is_asked else ():
        if probe not in container:
            yield f"has no {probe}"
            continue
        handler = container[probe].get("httpGet") or container[probe].get("tcpSocket") or {}
        if isinstance(handler.get("port"), str) and handler["port"] not in ports:
            yield f"has no port {handler['port']!r} for its {probe}"


def deployment_findings(deployment, documents):
    template = deployment["spec"]["template"]
    if not selects(deployment["spec"]["selector"], template["metadata"]["labels"]):
        yield "does not select its own pods"
    if is_worker(template):
        if deployment["spec"]["strategy"].get("rollingUpdate", {}).get("maxSurge") != 0:
            yield "wants a GPU more than there may be when it is rolled out (maxSurge is not 0)"
        yield from worker_findings(template["spec"], documents)


def is_worker(template):
    return template["metadata"].get("labels", {}).get("app.kubernetes.io/component") == "worker"


def worker_findings(pod, documents):
    container = pod["containers"][0]
    limit, grace = (int(option(container, name, documents)) for name in ("job-limit", "grace"))
    end = pod["terminationGracePeriodSeconds"]
    if end < grace + CLOSING_S:
        yield f"is killed after {end} s, less than {CLOSING_S} s after its grace of {grace} s"
    if grace <= limit and end > SPOT_NOTICE_S:
        yield f"has a grace of {grace} s, within which a job of up to {limit} s may not end"
    for policy in of_kind(documents, "Policy"):
        timeout = policy["spec"]["definition"].get("consumer-timeout")
        if timeout is None or timeout <= 1000 * limit:
            yield f"may work for {limit} s at a job that the broker takes away after {timeout} ms"
    groups = [group for document in of_kind(documents, "PrometheusRule") for group in document["spec"]["groups"]]
    for rule in (rule for group in groups for rule in group["rules"]):
        threshold = re.search(r"bowline_job_seconds_bucket.* > (\d+)", rule["expr"])
        if threshold and int(threshold[1]) >= limit:
            yield f"has a limit of {limit} s, which the alert {rule['alert']} does not come before"


def scaled_job_findings(scaled, documents):
    template = template_of(scaled)
    if template["spec"].get("restartPolicy") != "Never":
        yield "starts workers anew that have ended"
    if option(template["spec"]["containers"][0], "idle-exit", documents) is None:
        yield "has workers that do not end"
    if scaled["spec"].get("rollout", {}).get("strategy") != "gradual":
        yield "kills its workers when it is edited"
    yield from worker_findings(template["spec"], documents)


def asked_for(metadata, pool):
    """Whether a trigger asks for the queues of this pool, and of no other."""
    queue = metadata["queueName"]
    if metadata.get("useRegex") != "true":
        return queue == f"bowline.retry.{pool}"
    own = [f"bowline.jobs.{pool}", f"bowline.jobs.{pool}.sweep-1.b"]
    others = [f"bowline.jobs.{pool}-big", f"bowline.jobs.x-{pool}", f"bowline.retry.{pool}", f"bowline.parked.{pool}"]
    is_sum = metadata.get("operation") == "sum"
    return is_sum and all(re.search(queue, name) for name in own) and not any(re.search(queue, name) for name in others)


def scaling_findings(scaled, documents):
    pools = {d["data"]["BOWLINE_POOL"] for d in of_kind(documents, "ConfigMap") if "BOWLINE_POOL" in d.get("data", {})}
    for trigger in scaled["spec"]["triggers"]:
        metadata = trigger["metadata"]
        if metadata.get("protocol") != "http" or metadata.get("excludeUnacknowledged") != "false":
            yield f"does not count the jobs that are worked on ({trigger['name']})"
        if not any(asked_for(metadata, pool) for pool in pools):
            yield f"looks at {metadata['queueName']}, and the pool is {', '.join(pools)}"
        host = metadata["host"].split(".")
        if host[1] != scaled["metadata"]["namespace"]:
            yield f"looks for the broker at {metadata['host']}, outside its namespace"
    if {trigger["name"] for trigger in scaled["spec"]["triggers"]} != {"jobs", "retry"}:
        yield "does not count jobs in their back-off"
    if scaled["spec"].get("minReplicaCount") != 0:
        yield "keeps workers that have nothing to do"


def scaled_object_findings(scaled, documents):
    yield from scaling_findings(scaled, documents)
    target = scaled["spec"]["scaleTargetRef"]["name"]
    for deployment in of_kind(documents, "Deployment"):
        if deployment["metadata"]["name"] == target and "replicas" in deployment["spec"]:
            yield "shares the number of replicas with its Deployment"


def cron_job_findings(cron_job, documents):
    workers = [t["spec"] for _, t in workloads(documents) if is_worker(t)]
    limits = {option(pod["containers"][0], "job-limit", documents) for pod in workers}
    asked = option(template_of(cron_job)["spec"]["containers"][0], "job-limit", documents)
    if limits and asked not in limits:
        yield f"asks for a job limit of {asked} s, and workers have one of {', '.join(limits)} s"
    if cron_job["spec"].get("suspend") is not True:
        yield "starts by itself"


def job_findings(job, _documents):
    spec = job["spec"]
    if spec["template"]["spec"].get("restartPolicy") != "Never":
        yield "has no use for its podFailurePolicy"
    rules = spec.get("podFailurePolicy", {}).get("rules", [])
    codes = {action: set() for action in ("FailJob", "Ignore", "Count")}
    for rule in rules:
        codes[rule["action"]] |= set(rule.get("onExitCodes", {}).get("values", []))
    if codes["FailJob"] != FAIL:
        yield f"gives up at {sorted(codes['FailJob'])}, not at {sorted(FAIL)}"
    if not codes["Count"] >= RETRY:
        yield f"does not try again after {sorted(RETRY - codes['Count'])}"
    if not any(rule["action"] == "Ignore" and "onPodConditions" in rule for rule in rules):
        yield "counts pods that their nodes took along"
    if "ttlSecondsAfterFinished" not in spec:
        yield "is never cleaned up"


def namespace_findings(namespace, documents):
    if namespace["metadata"].get("labels", {}).get("pod-security.kubernetes.io/enforce") != "restricted":
        yield "does not enforce restricted pods"
    specs = [policy["spec"] for policy in of_kind(documents, "NetworkPolicy")]
    if {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]} not in specs:
        yield "has no policy that denies all traffic"


def account_findings(account, _documents):
    if account.get("automountServiceAccountToken") is not False:
        yield "gives its pods a token for the Kubernetes API"


def broker_findings(cluster, _documents):
    pod = cluster["spec"]["override"]["statefulSet"]["spec"]["template"]["spec"]
    if pod["securityContext"].get("runAsNonRoot") is not True:
        yield "may run as root"
    for container in containers_of(pod):
        context = container["securityContext"]
        if context.get("readOnlyRootFilesystem") is not True or context["capabilities"].get("drop") != ["ALL"]:
            yield f"{container['name']} has a writable root or capabilities"
    for kind in ("requests", "limits"):
        if set(cluster["spec"]["resources"].get(kind, {})) < {"cpu", "memory"}:
            yield f"has no {kind} of CPU and memory"


def rights_findings(document, _documents):
    yield f"is a {document['kind']}: nothing here needs rights in the Kubernetes API"


BY_KIND = {
    "ClusterRole": rights_findings,
    "ClusterRoleBinding": rights_findings,
    "CronJob": cron_job_findings,
    "Deployment": deployment_findings,
    "Job": job_findings,
    "Namespace": namespace_findings,
    "RabbitmqCluster": broker_findings,
    "Role": rights_findings,
    "RoleBinding": rights_findings,
    "ScaledJob": lambda scaled, documents: [
        *scaling_findings(scaled, documents),
        *scaled_job_findings(scaled, documents),
    ],
    "ScaledObject": scaled_object_findings,
    "ServiceAccount": account_findings,
}
