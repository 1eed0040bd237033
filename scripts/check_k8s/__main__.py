"""Checks rendered manifests: `python -m check_k8s FOLDER [NPM]`.

FOLDER has `<overlay>.yaml` and `<overlay>.sweep.yaml` for each overlay; NPM is a folder with the packages of
scripts/k8s-packages.json, without which custom resources of the npm packages are left out, and named.
"""

import sys
from collections import Counter
from pathlib import Path

import yaml

from . import policy, queries, references, schemas, spoilt
from .manifests import containers_of, name_of, workloads


def main(folder, npm=None):
    names = {path.name.partition(".")[0] for path in folder.glob("*.yaml")}
    # What is spoilt is taken from the example first.
    order = sorted(names, key=lambda name: (name != "example", name))
    renders = {name: load(folder / f"{name}.yaml") for name in order}
    sweeps = {name: load(folder / f"{name}.sweep.yaml") for name in renders}
    pairs = [(renders[name], sweeps[name]) for name in renders]
    placed = [(name, d) for name in renders for d in [*renders[name], *sweeps[name]]]

    # The spoilt documents ride along, so that the compiler runs once.
    found = schemas.findings([d for _, d in placed] + spoilt.documents_for_schemas(pairs), npm)
    wrong = [
        f"{name}: {name_of(d)}: {text}"
        for (name, d), texts in zip(placed, found)  # zip ends with the rendered ones
        for text in texts or ()
    ]
    for name in renders:
        for documents, others in ((renders[name], []), (sweeps[name], renders[name])):
            texts = policy.findings(documents) + references.findings(documents, others) + queries.findings(documents)
            wrong += [f"{name}: {text}" for text in texts]
    let_pass = [] if wrong else spoilt.unseen_by_schemas(found[len(placed) :]) + spoilt.unseen_by_others(pairs)

    for text in wrong:
        print(f"wrong: {text}")
    for text in let_pass:
        print(f"the checks let pass: {text}")
    if wrong or let_pass:
        return 1
    report(renders, placed, found)
    return 0


def load(path):
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def report(renders, placed, found):
    documents = [document for _, document in placed]
    print(f"{len(renders)} overlays with a sweep each, {len(documents)} documents: {', '.join(renders)}")
    sources, left_out = Counter(), Counter()
    for document, texts in zip(documents, found):
        (left_out if texts is None else sources)[schemas.source_of(document)] += 1
    for source, number in sources.items():
        versions = f", of Kubernetes {' and '.join(schemas.KUBERNETES)}" if source == "kubernetes-validate" else ""
        print(f"  {number} keep to their schema and have no unknown field ({source}{versions})")
    containers = sum(len(containers_of(template["spec"])) for _, template in workloads(documents))
    print(f"  {containers} containers: none as root, with a writable root, more rights, or without limits or probes")
    asked = len({query for name in renders for query in queries.of(renders[name])})
    print(f"  {asked} queries of alerts and dashboard parse, and ask for metrics and labels that there are")
    unchecked = sum(texts is None for texts in found[len(documents) :])
    tried = len(spoilt.SCHEMAS) - unchecked + len(spoilt.OTHERS)
    print(f"  {tried} spoilt manifests were refused")
    for source, number in left_out.items():
        print(f"skipped: the schemas of {number} custom resources: {source} is not installed")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:3]))
