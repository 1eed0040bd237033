"""Queries of alerts and dashboard: their syntax, and whether the metrics, labels and values that they ask for exist."""

import json
import re

import promql_parser as promql

from .manifests import of_kind

# Labels that scraping adds.
TARGET = {"namespace": None, "pod": None, "container": None, "job": None, "instance": None}


def metric(**labels):
    return TARGET | {name: set(values.split()) if values else None for name, values in labels.items()}


def histogram(name, **labels):
    return {
        f"{name}_bucket": metric(**labels) | {"le": None},
        f"{name}_sum": metric(**labels),
        f"{name}_count": metric(**labels),
    }


# What `bowline worker --listen` and `bowline run --listen` show. A label has the values named, or any if none are.
BOWLINE = {
    "bowline_build_info": metric(version="", wire="", evaluation="", recipe=""),
    "process_resident_memory_bytes": metric(),
    "process_start_time_seconds": metric(),
    "process_cpu_seconds_total": metric(),
    "bowline_jobs_settled_total": metric(outcome="done known retried parked given_back dropped deferred"),
    **histogram("bowline_job_seconds"),
    **histogram("bowline_job_phase_seconds", phase="load align merge evaluate store"),
    **histogram("bowline_queue_wait_seconds"),
    "bowline_examples_total": metric(kind="image text"),
    "bowline_tokens_total": metric(),
    "bowline_cache_lookups_total": metric(cache="model adapters alignment merge head data", outcome="hit miss"),
    "bowline_broker_reconnects_total": metric(),
    "bowline_broker_in_reach": metric(),
    "bowline_worker_state": metric(state="starting idle busy draining"),
    "bowline_jobs_left_to_others": metric(),
    "bowline_gpu_memory_used_bytes": metric(gpu=""),
    "bowline_gpu_memory_total_bytes": metric(gpu=""),
    "bowline_gpu_utilization_ratio": metric(gpu=""),
    "bowline_sweep_jobs": metric(sweep="", state="bound reused done failed outstanding"),
    "bowline_sweep_published_total": metric(sweep=""),
    "bowline_sweep_best": metric(sweep="", search=""),
    "bowline_queue_jobs_waiting": metric(pool="", sweep=""),
}
# What RabbitMQ and kube-state-metrics show, as far as we ask for it.
OTHERS = {
    "kube_job_failed": metric(job_name="", condition="true false unknown"),
    "kube_pod_container_status_restarts_total": metric(),
    "kube_pod_container_status_last_terminated_reason": metric(reason=""),
    "kube_statefulset_replicas": metric(statefulset=""),
    "kube_statefulset_status_replicas_ready": metric(statefulset=""),
    "rabbitmq_alarms_memory_used_watermark": metric(),
    "rabbitmq_alarms_free_disk_space_watermark": metric(),
}
KNOWN = BOWLINE | OTHERS
LABELS = {name for labels in KNOWN.values() for name in labels}


def read(query):
    """What a query asks for: its selectors, and the labels that it groups and matches by."""
    selectors, labels = [], set()

    def visit(node):
        if isinstance(node, promql.VectorSelector):
            selectors.append(node)
        modifier = getattr(node, "modifier", None)
        for part in (modifier, getattr(modifier, "matching", None)):
            labels.update(getattr(part, "labels", None) or ())
        labels.update(getattr(modifier, "group_labels", None) or ())
        return True

    promql.walk(promql.parse(query), visit)
    return selectors, labels


def of(documents):
    """All queries in alerts and dashboards, with where they stand."""
    for document in of_kind(documents, "PrometheusRule"):
        for group in document["spec"]["groups"]:
            for rule in group["rules"]:
                yield f"alert {rule['alert']}", rule["expr"]
    for document in of_kind(documents, "ConfigMap"):
        if document["metadata"].get("labels", {}).get("grafana_dashboard"):
            for text in document["data"].values():
                yield from of_dashboard(json.loads(text))


def of_dashboard(dashboard):
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            # A variable stands for a value, or in a pattern for several.
            yield f"panel {panel['title']!r}", re.sub(r"\$\{?\w+\}?", ".+", target["expr"])
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            asked = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"])
            yield f"variable {variable['name']!r}", f"max by ({asked[2]}) ({re.sub(r'[$]', '', asked[1])})"


def findings(documents):
    found = []
    for place, query in of(documents):
        found += [f"{place}: {text}" for text in query_findings(query)]
    return found


def query_findings(query):
    try:
        selectors, labels = read(query)
    except ValueError as error:
        yield f"is no PromQL: {error}"
        return
    for selector in selectors:
        yield from selector_findings(selector)
    for label in sorted(labels - LABELS):
        yield f"has no label {label}"


def selector_findings(selector):
    labels = KNOWN.get(selector.name)
    if labels is None:
        yield f"asks for {selector.name}, which no process exports"
        return
    for matcher in selector.matchers.matchers:
        if matcher.name not in labels:
            yield f"asks for the label {matcher.name} of {selector.name}, which has none"
            continue
        values = labels[matcher.name]
        for value in matcher.value.split("|") if values else ():
            if value != ".+" and value not in values:
                yield f"asks for {matcher.name}={value!r} of {selector.name}, which is never so"
