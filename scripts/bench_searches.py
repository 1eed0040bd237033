#!/usr/bin/env python3
"""Compares search methods on the weights of a sweep file: a table of the best values after so many evaluations."""

import argparse
import json
import re
import statistics
import subprocess
from pathlib import Path

DRAWING = ("random", "tpe", "cma_es")


def run(arguments, name, overrides):
    """The chosen row of a sweep under another name and with other keys."""
    command = [arguments.bowline, "run", str(arguments.sweep), "--store", str(arguments.store), "--yes", "--json"]
    for override in [f"name={name}", *overrides]:
        command += ["-o", override]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    return next(row for row in json.loads(output)["rows"] if row["is_chosen"])


def value(row, split):
    return row["splits"][split]["mean_normalised"]


def shown(values):
    mean = f"{100 * statistics.mean(values):.1f}"
    return f"{mean} ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else mean


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
    tasks = re.findall(r"^  weights\.(\S+):", sweep, re.MULTILINE)
    print(f"{name}: mean normalised accuracy in percent, validation / test, over {arguments.seeds} seeds (mean ± sd)")
    print("| method | " + " | ".join(f"{trials} evaluations" for trials in arguments.trials) + " |")
    print("|---" * (len(arguments.trials) + 1) + "|")
    for method in DRAWING:
        cells = []
        for trials in arguments.trials:
            keys = [f"method={method}", f"trials={trials}"]
            rows = [
                run(arguments, f"{name}-{method}-{trials}-{seed}", [*keys, f"seed={seed}"])
                for seed in range(arguments.seeds)
            ]
            cells.append(" / ".join(shown([value(row, split) for row in rows]) for split in ("validation", "test")))
        print(f"| {method} | " + " | ".join(cells) + " |", flush=True)
    # Methods without a seed, which end by themselves.
    steps = ", ".join(f"weights.{task}: {{min: 0, max: 1, step: 0.1}}" for task in tasks)
    for method, keys in (("linear", [f"parameters={{{steps}}}"]), ("bracket", [])):
        row = run(arguments, f"{name}-{method}", [f"method={method}", "trials=null", "seed=null", *keys])
        points = row["search"]["points"]
        cell = f"{shown([value(row, 'validation')])} / {shown([value(row, 'test')])} after {points} points"
        print(f"| {method} | " + " | ".join([cell] + [""] * (len(arguments.trials) - 1)) + " |", flush=True)


if __name__ == "__main__":
    main()
