#!/usr/bin/env python3
"""Compares search methods on the weights of a sweep file: a table of the best values after so many evaluations.

One seed after the other, and of each the longest search first: it contains the shorter ones, which then read its results from the
store and evaluate no more than their own choice on the report split. After every seed the table so far goes to standard error, so
that a run that is interrupted has measured something.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
from pathlib import Path

DRAWING = ("random", "tpe", "cma_es")
LEARNED = ("task", "layer")

# Where the rules of a convention cut the splits of a task: a rule beside a convention replaces all of its rules.
CUT = {
    "mnli": ([0.8, 1.0], [0.0, 0.8], ""),
    "qnli": ([0.0, 0.2], [0.2, 1.0], ", shuffle_seed: 42, shuffle_like: datasets"),
    "rte": ([0.0, 0.5], [0.5, 1.0], ", shuffle_seed: 42, shuffle_like: datasets"),
}


def run(arguments, name, overrides):
    """The rows of a sweep under another name and with other keys."""
    command = [arguments.bowline, "run", str(arguments.sweep), "--store", str(arguments.store), "--yes", "--json"]
    for override in [f"name={name}", *overrides]:
        command += ["-o", override]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    return json.loads(output)["rows"]


def chosen(rows):
    return next(row for row in rows if row["is_chosen"])


def value(row, split):
    return 100 * row["splits"][split]["mean_normalised"]


def shown(values):
    mean = f"{statistics.mean(values):.1f}"
    return f"{mean} ± {statistics.stdev(values):.1f}" if len(values) > 1 else mean


def cell(rows):
    """Validation and test of the chosen rows, and by how much the first is higher."""
    validation = [value(row, "validation") for row in rows]
    test = [value(row, "test") for row in rows]
    optimism = statistics.mean(validation) - statistics.mean(test)
    return f"{shown(validation)} / {shown(test)} ({optimism:+.1f})"


def row_of(label, cells, columns):
    print("| " + " | ".join([label, *cells, *[""] * (columns - len(cells))]) + " |", flush=True)


def print_drawing(arguments, found, seeds, file):
    """The table of the methods that draw, over the seeds that are there."""
    print(f"{seeds} seeds: validation / test (validation − test), mean ± sd of the seeds", file=file)
    print("| method | " + " | ".join(f"{trials} evaluations" for trials in arguments.trials) + " |", file=file)
    print("|---" * (len(arguments.trials) + 1) + "|", file=file)
    for method in DRAWING:
        cells = [cell(found[method, trials]) for trials in arguments.trials]
        print(f"| {method} | " + " | ".join(cells) + " |", file=file, flush=True)


def tuning_split(task, data):
    """An override by which a task has the examples of `validation` under the name `tuning` as well: on which coefficients may be
    learned, and which nothing is chosen on."""
    rule = "{{from: validation, share: {share}{shuffle}}}"
    if task not in CUT:
        splits = f"tuning: {rule.format(share=[0.0, 1.0], shuffle='')}"
    else:
        validation, test, shuffle = CUT[task]
        parts = {"tuning": validation, "validation": validation, "test": test}
        splits = ", ".join(f"{name}: {rule.format(share=share, shuffle=shuffle)}" for name, share in parts.items())
    if data.startswith("{"):
        return f"tasks.{task}.data.splits={{{splits}}}"
    return f"tasks.{task}.data={{source: {data}, splits: {{{splits}}}}}"


def without_seeds(arguments, name, data):
    """The recipe itself, methods without a seed, which end by themselves, and learned coefficients."""
    columns = len(arguments.trials)
    no_draws = ["trials=null", "seed=null"]
    start = run(arguments, f"{name}-start", ["method=linear", "parameters=null", *no_draws])
    row_of("the recipe itself", [cell([chosen(start)])], columns)
    steps = ", ".join(f"weights.{task}: {{min: 0, max: 1, step: 0.1}}" for task in data)
    for method, keys in (("linear", [f"parameters={{{steps}}}"]), ("bracket", [])):
        row = chosen(run(arguments, f"{name}-{method}", [f"method={method}", *no_draws, *keys]))
        row_of(method, [f"{cell([row])} after {row['search']['points']} points"], columns)
    # Learned from the labels of the very examples that the searches choose on.
    rows = [f"{{name: per {per}, split: tuning, objective: labels, per: {per}}}" for per in LEARNED]
    splits = [tuning_split(task, source) for task, source in data.items()]
    keys = ["method=linear", "parameters=null", *no_draws, *splits, f"learned=[{', '.join(rows)}]"]
    for row in run(arguments, f"{name}-learned", keys):
        if row["name"] in [f"per {per}" for per in LEARNED]:
            row_of(f"learned {row['name']}", [cell([row])], columns)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bowline", required=True)
    parser.add_argument("--sweep", type=Path, required=True)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, nargs="+", default=[50, 100, 200])
    arguments = parser.parse_args()

    sweep = arguments.sweep.read_text()
    name = re.search(r"^name: (\S+)$", sweep, re.MULTILINE)[1]
    data = dict(re.findall(r"^  - \{name: (\w+),.*? data: (\{.*?\}|[^,}]+)", sweep, re.MULTILINE))
    print(f"{name}: mean normalised accuracy in percent")
    without_seeds(arguments, name, data)
    found = {(method, trials): [] for method in DRAWING for trials in arguments.trials}
    for seed in range(arguments.seeds):
        for method in DRAWING:
            for trials in sorted(arguments.trials, reverse=True):
                keys = [f"method={method}", f"trials={trials}", f"seed={seed}"]
                row = chosen(run(arguments, f"{name}-{method}-{trials}-{seed}", keys))
                found[method, trials].append(row)
        print_drawing(arguments, found, seed + 1, sys.stderr)
    print_drawing(arguments, found, arguments.seeds, sys.stdout)


if __name__ == "__main__":
    main()
