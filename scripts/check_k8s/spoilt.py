"""Proof that the checks can fail: manifests are spoilt, one thing at a time, and each has to be refused."""

import copy

from . import policy, queries, references
from .manifests import name_of, template_of


def pod(document):
    return template_of(document)["spec"]


def container(document):
    return pod(document)["containers"][0]


def context(document):
    return container(document)["securityContext"]


def variable(document, name, value):
    next(entry for entry in container(document)["env"] if entry["name"] == name)["value"] = value


def rule(document, name):
    return next(r for g in document["spec"]["groups"] for r in g["rules"] if r["alert"] == name)


WORKER, SCALED, SWEEP = "Deployment/bowline-worker", "ScaledObject/bowline-worker", "Job/sweep"

# By schema: the object, what is done to it, and what has to be found.
SCHEMAS = [
    (WORKER, lambda d: d["spec"].update(replica=4), "replica"),
    (WORKER, lambda d: pod(d).update(terminationGracePeriod=9), "terminationGracePeriod"),
    (WORKER, lambda d: context(d).update(readonlyRootFilesystem=True), "readonlyRootFilesystem"),
    (WORKER, lambda d: d["spec"].update(replicas="four"), "replicas"),
    (WORKER, lambda d: d.update(apiVersion="apps/v1beta1"), "schema"),
    (SWEEP, lambda d: d["spec"]["podFailurePolicy"]["rules"][0].update(action=3), "action"),
    (SCALED, lambda d: d["spec"].update(maxReplicas=4), "maxReplicas"),
    (SCALED, lambda d: d["spec"].update(maxReplicaCount="4"), "maxReplicaCount"),
    (SCALED, lambda d: d["spec"]["triggers"][0].update(meta={}), "meta"),
    ("ScaledJob/bowline-worker", lambda d: container(d).update(arg=[]), "arg"),
    ("ScaledJob/bowline-worker", lambda d: d["spec"]["rollout"].update(policy="x"), "policy"),
    ("PodMonitor/bowline", lambda d: d["spec"]["podMetricsEndpoints"][0].update(ports="x"), "ports"),
    ("PrometheusRule/bowline", lambda d: d["spec"]["groups"][0]["rules"][0].update({"is": "5m"}), "is"),
    ("ExternalSecret/bowline-queue", lambda d: d["spec"]["target"].update(secret="x"), "secret"),
    ("RabbitmqCluster/rabbitmq", lambda d: d["spec"].update(replicaCount=3), "replicaCount"),
    ("RabbitmqCluster/rabbitmq", lambda d: d["spec"]["affinity"].update(podAffinityy={}), "podAffinityy"),
    ("Policy/bowline", lambda d: d["spec"]["definition"].update({"consumer_timeout": 1}), "consumer_timeout"),
    ("User/bowline", lambda d: d["spec"].update(tags=["admin"]), "admin"),
]

# By policy, references and queries.
OTHERS = [
    (WORKER, lambda d: context(d).pop("readOnlyRootFilesystem"), "writable root"),
    (WORKER, lambda d: context(d).update(allowPrivilegeEscalation=True), "gain privileges"),
    (WORKER, lambda d: context(d).update(privileged=True), "privileged"),
    (WORKER, lambda d: context(d)["capabilities"].update(add=["SYS_ADMIN"]), "capabilities"),
    (WORKER, lambda d: pod(d)["securityContext"].update(runAsUser=0), "root"),
    (WORKER, lambda d: pod(d)["securityContext"].pop("seccompProfile"), "seccomp"),
    (WORKER, lambda d: pod(d).pop("automountServiceAccountToken"), "token"),
    (WORKER, lambda d: pod(d).update(hostNetwork=True), "hostNetwork"),
    (WORKER, lambda d: pod(d)["volumes"].append({"name": "x", "hostPath": {"path": "/"}}), "folder of the node"),
    (WORKER, lambda d: container(d)["resources"]["limits"].pop("memory"), "limits of memory"),
    (WORKER, lambda d: container(d)["resources"]["requests"].pop("cpu"), "requests of cpu"),
    (WORKER, lambda d: container(d).update(image="registry.example.org/bowline:latest"), "without a version"),
    (WORKER, lambda d: container(d).update(image="registry.example.org:5000/bowline"), "without a version"),
    (WORKER, lambda d: container(d).pop("livenessProbe"), "livenessProbe"),
    (WORKER, lambda d: container(d)["readinessProbe"]["httpGet"].update(port="metric"), "no port"),
    (WORKER, lambda d: pod(d).update(terminationGracePeriodSeconds=1530), "is killed"),
    (WORKER, lambda d: variable(d, "WORKER_GRACE", "1500"), "may not end"),
    (WORKER, lambda d: variable(d, "WORKER_JOB_LIMIT", "3600"), "takes away"),
    (WORKER, lambda d: variable(d, "WORKER_JOB_LIMIT", "1200"), "BowlineJobsNearLimit"),
    (WORKER, lambda d: d["spec"]["strategy"]["rollingUpdate"].update(maxSurge=1), "maxSurge"),
    (WORKER, lambda d: d["spec"].update(replicas=4), "shares the number of replicas"),
    (WORKER, lambda d: d["spec"]["selector"]["matchLabels"].update(x="y"), "select its own"),
    (WORKER, lambda d: pod(d).update(serviceAccountName="worker"), "ServiceAccount/worker"),
    (WORKER, lambda d: container(d)["envFrom"][0]["configMapRef"].update(name="settings"), "ConfigMap/settings"),
    (WORKER, lambda d: container(d)["env"][4]["valueFrom"]["secretKeyRef"].update(key="uri"), "'uri'"),
    (WORKER, lambda d: container(d)["volumeMounts"][0].update(name="cash"), "volume/cash"),
    (WORKER, lambda d: d["metadata"].update(namespace="elsewhere"), "several namespaces"),
    (SWEEP, lambda d: d["spec"]["podFailurePolicy"]["rules"].pop(0), "gives up at"),
    (SWEEP, lambda d: d["spec"]["podFailurePolicy"]["rules"].pop(1), "nodes took along"),
    (SWEEP, lambda d: pod(d)["volumes"][0]["configMap"].update(name="sweep"), "ConfigMap/sweep"),
    ("CronJob/bowline-doctor", lambda d: d["spec"].pop("suspend"), "by itself"),
    ("CronJob/bowline-doctor", lambda d: container(d)["args"].pop(), "job limit of None"),
    ("CronJob/bowline-doctor", lambda d: context(d).pop("readOnlyRootFilesystem"), "writable root"),
    (SCALED, lambda d: d["spec"]["triggers"][0]["metadata"].update(protocol="amqp"), "worked on"),
    (SCALED, lambda d: d["spec"]["triggers"].pop(1), "back-off"),
    (SCALED, lambda d: d["spec"]["triggers"][0]["metadata"].update(queueName="bowline.jobs.x"), "the pool is"),
    (SCALED, lambda d: d["spec"]["triggers"][0]["metadata"].update(queueName="bowline.jobs.default"), "the pool is"),
    (SCALED, lambda d: d["spec"]["triggers"][0]["metadata"].pop("useRegex"), "the pool is"),
    (SCALED, lambda d: d["spec"]["triggers"][0]["authenticationRef"].update(name="x"), "TriggerAuthentication/x"),
    ("ScaledJob/bowline-worker", lambda d: d["spec"]["triggers"].pop(1), "back-off"),
    ("ScaledJob/bowline-worker", lambda d: container(d)["args"].pop(), "do not end"),
    ("ScaledJob/bowline-worker", lambda d: d["spec"].pop("rollout"), "when it is edited"),
    ("Namespace/bowline", lambda d: d["metadata"].pop("labels"), "restricted"),
    ("NetworkPolicy/default-deny", lambda d: d["spec"].update(policyTypes=["Ingress"]), "denies all traffic"),
    ("NetworkPolicy/https", lambda d: d["spec"]["podSelector"]["matchLabels"].update(x="y"), "selects no pod"),
    ("ServiceAccount/bowline-worker", lambda d: d.pop("automountServiceAccountToken"), "token"),
    ("ServiceAccount/bowline-worker", lambda d: d.update(kind="ClusterRole"), "needs rights"),
    ("Policy/bowline", lambda d: d["spec"]["definition"].update({"consumer-timeout": 1500000}), "takes away"),
    ("Permission/bowline", lambda d: d["spec"]["userReference"].update(name="x"), "User/x"),
    ("PrometheusRule/bowline", lambda d: rule(d, "BowlineGpuIdle").update(expr="sum by (pod"), "no PromQL"),
    ("PrometheusRule/bowline", lambda d: rule(d, "BowlineGpuIdle").update(expr="bowline_gpu_use"), "no process exports"),
    (
        "PrometheusRule/bowline",
        lambda d: rule(d, "BowlineJobsParked").update(expr='bowline_jobs_settled_total{outcome="park"}'),
        "never so",
    ),
    (
        "PrometheusRule/bowline",
        lambda d: rule(d, "BowlineJobsParked").update(expr="sum by (pods) (bowline_tokens_total)"),
        "no label pods",
    ),
]


def spoil(renders, name, change):
    """The first render that has `name`, with that object changed: all documents, the changed one, and the others."""
    for cluster, sweep in renders:
        for documents, others in ((cluster, []), (sweep, cluster)):
            for index, document in enumerate(documents):
                # Objects of a sweep have its name and digest behind theirs.
                if name_of(document) == name or (others and name_of(document).startswith(f"{name}-")):
                    spoilt = copy.deepcopy(documents)
                    change(spoilt[index])
                    return spoilt, spoilt[index], others
    raise SystemExit(f"check-k8s: no render has {name}, which is to be spoilt")


def documents_for_schemas(renders):
    return [spoil(renders, name, change)[1] for name, change, _ in SCHEMAS]


def unseen_by_schemas(found):
    """What the schemas let pass of the spoilt documents; `found` as they are listed. Unchecked ones do not count."""
    return [
        f"{name} with {expected!r}"
        for (name, _, expected), texts in zip(SCHEMAS, found, strict=True)
        if texts is not None and not any(expected in text for text in texts)
    ]


def unseen_by_others(renders):
    unseen = []
    for name, change, expected in OTHERS:
        documents, _, others = spoil(renders, name, change)
        texts = policy.findings(documents) + references.findings(documents, others) + queries.findings(documents)
        if not any(expected in text for text in texts):
            unseen.append(f"{name}, spoilt so that {expected!r} is found; found was {texts}")
    return unseen
