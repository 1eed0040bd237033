"""Fields of RabbitMQ's custom resources, as JSON schemas.

No package on PyPI or npm has them, so this is a list of our own: names and types of what we use and of what stands
beside it, after the published API references of the cluster operator (2.x) and the messaging topology operator (1.x).
Whatever is not in it is refused. Parts that are Kubernetes' own refer to the schemas of the built-in kinds.
"""

STRING = {"type": "string"}
NUMBER = {"type": "integer"}
FLAG = {"type": "boolean"}
TEXTS = {"type": "object", "additionalProperties": STRING}


def one_of(*values):
    return {"enum": list(values)}


def many(item):
    return {"type": "array", "items": item}


def fields(required=(), **properties):
    return {"type": "object", "additionalProperties": False, "required": list(required), "properties": properties}


def builtin(name):
    return {"$ref": f"/api/_definitions.json#/$defs/io.k8s.{name}"}


def core(name):
    return builtin(f"api.core.v1.{name}")


def kind(name, spec):
    return fields(
        ("apiVersion", "kind", "metadata", "spec"),
        apiVersion=one_of("rabbitmq.com/v1beta1"),
        kind=one_of(name),
        metadata=builtin("apimachinery.pkg.apis.meta.v1.ObjectMeta"),
        spec=spec,
    )


NAMED = fields(("name",), name=STRING)
CLUSTER = fields(name=STRING, namespace=STRING, connectionSecret=NAMED)
LABELLED = fields(labels=TEXTS, annotations=TEXTS)
EMBEDDED = fields(name=STRING, namespace=STRING, labels=TEXTS, annotations=TEXTS)

RABBITMQ_CLUSTER = fields(
    replicas={"type": "integer", "minimum": 0},
    image=STRING,
    imagePullSecrets=many(core("LocalObjectReference")),
    service=fields(
        type=one_of("ClusterIP", "LoadBalancer", "NodePort"),
        annotations=TEXTS,
        labels=TEXTS,
        ipFamilyPolicy=one_of("SingleStack", "PreferDualStack", "RequireDualStack"),
    ),
    persistence=fields(storageClassName=STRING, storage=STRING),
    resources=core("ResourceRequirements"),
    affinity=core("Affinity"),
    tolerations=many(core("Toleration")),
    rabbitmq=fields(
        additionalPlugins=many(STRING),
        additionalConfig=STRING,
        advancedConfig=STRING,
        envConfig=STRING,
        erlangInetConfig=STRING,
    ),
    tls=fields(secretName=STRING, caSecretName=STRING, disableNonTLSListeners=FLAG),
    override=fields(
        service=fields(metadata=LABELLED, spec=core("ServiceSpec")),
        statefulSet=fields(
            metadata=LABELLED,
            spec=fields(
                replicas=NUMBER,
                serviceName=STRING,
                minReadySeconds=NUMBER,
                podManagementPolicy=one_of("OrderedReady", "Parallel"),
                selector=builtin("apimachinery.pkg.apis.meta.v1.LabelSelector"),
                updateStrategy=builtin("api.apps.v1.StatefulSetUpdateStrategy"),
                persistentVolumeClaimRetentionPolicy=builtin(
                    "api.apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy"
                ),
                volumeClaimTemplates=many(
                    fields(apiVersion=STRING, kind=STRING, metadata=EMBEDDED, spec=core("PersistentVolumeClaimSpec"))
                ),
                template=fields(metadata=EMBEDDED, spec=core("PodSpec")),
            ),
        ),
    ),
    skipPostDeploySteps=FLAG,
    autoEnableAllFeatureFlags=FLAG,
    delayStartSeconds=NUMBER,
    terminationGracePeriodSeconds=NUMBER,
    secretBackend=fields(
        externalSecret=NAMED,
        vault=fields(role=STRING, annotations=TEXTS, defaultUserPath=STRING, defaultUserUpdaterImage=STRING),
    ),
)

SCHEMAS = {
    "RabbitmqCluster": kind("RabbitmqCluster", RABBITMQ_CLUSTER),
    "Vhost": kind(
        "Vhost",
        fields(
            ("name", "rabbitmqClusterReference"),
            name=STRING,
            tracing=FLAG,
            tags=many(STRING),
            defaultQueueType=one_of("quorum", "classic", "stream"),
            rabbitmqClusterReference=CLUSTER,
        ),
    ),
    "User": kind(
        "User",
        fields(
            ("rabbitmqClusterReference",),
            tags=many(one_of("management", "policymaker", "monitoring", "administrator")),
            importCredentialsSecret=NAMED,
            rabbitmqClusterReference=CLUSTER,
        ),
    ),
    "Permission": kind(
        "Permission",
        fields(
            ("vhost", "permissions", "rabbitmqClusterReference"),
            vhost=STRING,
            user=STRING,
            userReference=NAMED,
            permissions=fields(configure=STRING, write=STRING, read=STRING),
            rabbitmqClusterReference=CLUSTER,
        ),
    ),
    "Policy": kind(
        "Policy",
        fields(
            ("name", "pattern", "definition", "rabbitmqClusterReference"),
            name=STRING,
            vhost=STRING,
            pattern=STRING,
            applyTo=one_of("queues", "classic_queues", "quorum_queues", "streams", "exchanges", "all"),
            priority=NUMBER,
            # Whatever the broker takes; here what a policy for queues may say.
            definition=fields(
                **{
                    "consumer-timeout": NUMBER,
                    "delivery-limit": NUMBER,
                    "dead-letter-exchange": STRING,
                    "dead-letter-routing-key": STRING,
                    "dead-letter-strategy": one_of("at-most-once", "at-least-once"),
                    "max-length": NUMBER,
                    "max-length-bytes": NUMBER,
                    "overflow": one_of("drop-head", "reject-publish"),
                    "message-ttl": NUMBER,
                    "expires": NUMBER,
                    "queue-leader-locator": one_of("client-local", "balanced"),
                }
            ),
            rabbitmqClusterReference=CLUSTER,
        ),
    ),
}
