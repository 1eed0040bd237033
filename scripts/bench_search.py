#!/usr/bin/env python3
"""Times `bowline run` against the plain PyTorch loop of the same search, in turns, and compares every number.

Both are whole processes, from start to result, with the same number of threads; Bowline starts with an empty store.
Every evaluation of the one must be among those of the other, with at most one example of difference per task. With
--racing or --method, those that both evaluated on all examples are compared: Bowline may then look at other points, and
whether both chose the same recipe is printed.
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
from typing import NamedTuple

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


def stored_results(store):
    return [json.loads(file.read_text()) for file in Path(store).glob("results/*/*.json")]


def evaluated(results):
    """The examples that Bowline's models were evaluated on. One that was evaluated on all examples was so once, whatever slices it
    has; the slices of another one may overlap where it met several, so that this is an upper bound."""
    models = {}
    for result in results:
        key = json.dumps([result["meaning"]["subject"], result["meaning"]["split"]], sort_keys=True)
        n = sum(score["n"] for score in result["scores"])
        parts = models.setdefault(key, {"whole": 0, "slices": 0})
        parts["slices" if result["meaning"].get("slice") else "whole"] += n
    # The adapters alone have a model each; without one on all examples, the slices are all there is.
    return sum(parts["whole"] or parts["slices"] for parts in models.values())


def stored_counts(store):
    """(model, split) to task to right answers, from the results in a store folder."""
    results = [result for result in stored_results(store) if result["meaning"].get("slice") is None]
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


def compare(bowline, loop, is_other):
    """The largest difference in examples; leaves if the two did not evaluate the same."""
    both = bowline.keys() & loop.keys()
    if bowline.keys() != loop.keys() and not is_other:
        for name, difference in (("Bowline", bowline.keys() - loop.keys()), ("the loop", loop.keys() - bowline.keys())):
            for model, split in sorted(difference):
                print(f"only {name} evaluated: {model} on {split}", file=sys.stderr)
        sys.exit("the two searches made different evaluations")
    worst = 0
    for key in both:
        if bowline[key].keys() != loop[key].keys():
            sys.exit(f"{key}: not the same tasks")
        for task, (correct, n) in bowline[key].items():
            if n != loop[key][task][1]:
                sys.exit(f"{key}, {task}: not the same number of examples")
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
            "bowline": [arguments.bowline, "run", *same, "--json", "--store", store, *overrides(arguments)],
            "loop": [sys.executable, loop, *same, "--out", out],
        }
        order = [first] + [name for name in commands if name != first]
        seconds = {name: timed(commands[name], threads) for name in order}
        document = json.loads(out.read_text())
        store_results = stored_results(store)
        bowline, loop = stored_counts(store), loop_counts(document)
        is_other = arguments.racing is not None or arguments.method is not None
        worst = compare(bowline, loop, is_other)
        report = yaml.safe_load(arguments.sweep.read_text())["evaluation"]["report"]
        reported = {model for model, split in bowline if split == report}
        if document["chosen"] not in reported and not is_other:
            sys.exit(f"the loop chose {document['chosen']}, which Bowline did not report")
    chosen = document["chosen"]
    # What Bowline reported beside what the loop reported is its own choice.
    others = sorted(reported - {model for model, split in loop if split == report})
    examples = [evaluated(store_results), sum(n for counts in loop.values() for _, n in counts.values())]
    return Round(seconds, chosen, others[0] if others else chosen, len(loop), worst, examples)


class Round(NamedTuple):
    """What a round came to."""

    seconds: dict
    loop_chose: str
    bowline_chose: str
    evaluations: int
    worst: int
    examples: list


def overrides(arguments):
    keys = [f"method={arguments.method}"] if arguments.method else []
    keys += [f"racing={{{arguments.racing}}}"] if arguments.racing is not None else []
    return [word for key in keys for word in ("-o", key)]


def sentence(seconds):
    ratio = seconds["loop"] / seconds["bowline"]
    return f"bowline {seconds['bowline']:.2f} s, PyTorch loop {seconds['loop']:.2f} s: {ratio:.2f}x"


def main():
    parser = argparse.ArgumentParser(description="Times bowline run against a plain PyTorch loop.")
    parser.add_argument("--bowline", type=Path, required=True)
    parser.add_argument("--sweep", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--method", help="Bowline searches by this method; the loop keeps to its linear search")
    parser.add_argument("--racing", metavar="KEYS", help="Bowline's points race, with these keys of `racing`, or with ''")
    arguments = parser.parse_args()
    rounds = []
    for index in range(arguments.rounds):
        rounds.append(one_round(arguments, first=("bowline", "loop")[index % 2]))
        last = rounds[-1]
        if last.worst > 1:
            sys.exit(f"{last.worst} examples apart in one task: one is allowed")
        print(f"round {index + 1}: {sentence(last.seconds)}")
    chosen = f"both chose {last.loop_chose}"
    if last.bowline_chose != last.loop_chose:
        chosen = f"the loop chose {last.loop_chose}, and Bowline {last.bowline_chose}"
    print(f"Bowline evaluated {last.examples[0]} examples, the loop {last.examples[1]}")
    print(f"{chosen}; {last.evaluations} evaluations of the loop, at most {last.worst} examples apart in a task")
    medians = {name: statistics.median(entry.seconds[name] for entry in rounds) for name in ("bowline", "loop")}
    print(f"median: {sentence(medians)}, {arguments.threads} threads")


if __name__ == "__main__":
    main()
