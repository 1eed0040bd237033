#!/usr/bin/env python3
"""Times `bowline run` against the plain PyTorch loop of the same search, in turns, and compares every number.

Both are whole processes, from start to result, with the same number of threads; Bowline starts with an empty store.
Every evaluation of the one must be among those of the other, with at most one image of difference per task.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from pytorch_search import model_name


def timed(command, threads):
    names = ("RAYON_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ | dict.fromkeys(names, str(threads)))
    return time.perf_counter() - started


def stored_model(subject):
    """The name of a stored result's model, as pytorch_search.py writes it."""
    if subject == "base":
        return "base"
    if "adapter" in subject:
        return f"adapter {subject['adapter']['task']}"
    recipe = subject["merge"]["recipe"]
    parts = recipe["space"]["kind"], recipe["combine"]["kind"], recipe.get("elect")
    preset = {
        ("full", "sum", None): "task_arithmetic",
        ("full", "mean", "sum_of_values"): "ties",
        ("knots", "mean", "sum_of_values"): "knots_ties",
    }[parts]
    density = recipe.get("trim", {}).get("density", 1.0)
    return model_name({"preset": preset, "density": density, "scaling": recipe["scaling"]})


def stored_counts(store):
    """(model, split) to task to right answers, from the results in a store folder."""
    results = [json.loads(file.read_text()) for file in Path(store).glob("results/*/*.json")]
    return {
        (stored_model(result["meaning"]["subject"]), result["meaning"]["split"]): {
            score["task"]: (score["correct"], score["n"]) for score in result["scores"]
        }
        for result in results
    }


def loop_counts(document):
    return {
        (entry["model"], entry["split"]): {task: (c["correct"], c["n"]) for task, c in entry["counts"].items()}
        for entry in document["evaluations"]
    }


def compare(bowline, loop):
    """The largest difference in images; leaves if the two did not evaluate the same."""
    if bowline.keys() != loop.keys():
        for name, difference in (("Bowline", bowline.keys() - loop.keys()), ("the loop", loop.keys() - bowline.keys())):
            for model, split in sorted(difference):
                print(f"only {name} evaluated: {model} on {split}", file=sys.stderr)
        sys.exit("the two searches made different evaluations")
    worst = 0
    for key in bowline:
        if bowline[key].keys() != loop[key].keys():
            sys.exit(f"{key}: not the same tasks")
        for task, (correct, n) in bowline[key].items():
            if n != loop[key][task][1]:
                sys.exit(f"{key}, {task}: not the same number of images")
            worst = max(worst, abs(correct - loop[key][task][0]))
    return worst


def one_round(arguments, first):
    """Both contestants once; `first` goes first."""
    with tempfile.TemporaryDirectory() as folder:
        store, out = Path(folder) / "store", Path(folder) / "loop.json"
        threads = arguments.threads
        loop = Path(__file__).with_name("pytorch_search.py")
        same = [arguments.sweep, "--threads", str(threads)]
        commands = {
            "bowline": [arguments.bowline, "run", *same, "--json", "--store", store],
            "loop": [sys.executable, loop, *same, "--out", out],
        }
        order = [first] + [name for name in commands if name != first]
        seconds = {name: timed(commands[name], threads) for name in order}
        document = json.loads(out.read_text())
        bowline, loop = stored_counts(store), loop_counts(document)
        worst = compare(bowline, loop)
        report = yaml.safe_load(arguments.sweep.read_text())["evaluation"]["report"]
        if (document["chosen"], report) not in bowline:
            sys.exit(f"the loop chose {document['chosen']}, which Bowline did not report")
    return seconds, document["chosen"], len(loop), worst


def sentence(seconds):
    ratio = seconds["loop"] / seconds["bowline"]
    return f"bowline {seconds['bowline']:.2f} s, PyTorch loop {seconds['loop']:.2f} s: {ratio:.2f}x"


def main():
    parser = argparse.ArgumentParser(description="Times bowline run against a plain PyTorch loop.")
    parser.add_argument("--bowline", type=Path, required=True)
    parser.add_argument("--sweep", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    rounds = []
    for index in range(arguments.rounds):
        seconds, chosen, evaluations, worst = one_round(arguments, first=("bowline", "loop")[index % 2])
        if worst > 1:
            sys.exit(f"{worst} images apart in one task: one is allowed")
        rounds.append(seconds)
        print(f"round {index + 1}: {sentence(seconds)}")
    print(f"both chose {chosen}; {evaluations} evaluations each, at most {worst} images apart in a task")
    medians = {name: statistics.median(seconds[name] for seconds in rounds) for name in ("bowline", "loop")}
    print(f"median: {sentence(medians)}, {arguments.threads} threads")


if __name__ == "__main__":
    main()
