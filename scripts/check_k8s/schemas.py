"""Every document against the schema of its `apiVersion` and `kind`; fields that are not in it are refused."""

import json
import subprocess
from pathlib import Path

import kubernetes_validate
from jsonschema import Draft202012Validator
from kubernetes_validate.utils import schema_contents
from referencing import Registry, Resource

from .rabbitmq import SCHEMAS as RABBITMQ

# The oldest Kubernetes that the manifests are for, and the newest that there are schemas of.
KUBERNETES = ("1.30", "1.37")
# API groups whose types and validators come from npm.
FROM_NPM = ("keda.sh", "monitoring.coreos.com", "external-secrets.io")

BUILTIN = schema_contents(f"kubernetes-json-schema/v{KUBERNETES[1]}.0-local-strict/_definitions.json", KUBERNETES[1])
REGISTRY = Resource.from_contents(BUILTIN) @ Registry()


def group_of(document):
    group, slash, _ = document["apiVersion"].partition("/")
    return group if slash else ""


def source_of(document):
    group = group_of(document)
    if group == "rabbitmq.com":
        return "our own field list"
    if group in FROM_NPM:
        return "npm"
    return "kubernetes-validate"


def findings(documents, npm):
    """For each of `documents`, what its schema has against it; None where no schema could be had."""
    found = [[] for _ in documents]
    foreign = []
    for index, document in enumerate(documents):
        source = source_of(document)
        if source == "npm":
            foreign.append(index)
        elif source == "kubernetes-validate":
            found[index] = builtin_findings(document)
        else:
            found[index] = rabbitmq_findings(document)
    if npm is None:
        for index in foreign:
            found[index] = None
    else:
        for index, texts in zip(foreign, npm_findings([documents[i] for i in foreign], npm), strict=True):
            found[index] = texts
    return found


def builtin_findings(document):
    for version in KUBERNETES:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.SchemaNotFoundError as error:
            return [error.message]
        except kubernetes_validate.ValidationError as error:
            return [f"{'.'.join(map(str, error.path))}: {error.message} (Kubernetes {version})"]
    return []


def rabbitmq_findings(document):
    schema = RABBITMQ.get(document["kind"])
    if schema is None:
        return [f"no field list of {document['kind']}"]
    return [f"{'.'.join(map(str, e.path))}: {e.message}" for e in rabbitmq_validator(schema).iter_errors(document)]


def rabbitmq_validator(schema):
    here = BUILTIN["$id"].rpartition("/")[0] + "/rabbitmq.json"
    return Draft202012Validator({"$id": here, **schema}, registry=REGISTRY)


def npm_findings(documents, npm):
    """All documents in one run of the compiler."""
    if not documents:
        return []
    program = Path(__file__).with_name("types.mjs")
    run = subprocess.run(
        ["node", program, npm], input=json.dumps(documents), capture_output=True, text=True, check=False
    )
    if run.returncode != 0:
        raise SystemExit(f"check-k8s: {program.name} failed\n{run.stderr}")
    return json.loads(run.stdout)
