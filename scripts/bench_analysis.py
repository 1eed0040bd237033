#!/usr/bin/env python3
"""The pandas side of scripts/bench-analysis, and its clock.

time NAME COMMAND...   runs a command and prints its seconds and largest resident memory
tables FOLDER          makes tables of the compacted parts in FOLDER: accuracies by subject, the best, the top, by parameter
"""
import json
import resource
import subprocess
import sys
import time
from pathlib import Path


def timed(name, command):
    start = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    took = time.monotonic() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{name}: {took:.2f} s, {peak:.0f} MiB", flush=True)


def tables(folder):
    import pandas as pd

    columns = ["job", "split", "subject", "scores", "load_s", "align_s", "merge_s", "evaluate_s"]
    parts = sorted(Path(folder).glob("*.parquet"))
    frame = pd.concat([pd.read_parquet(part, columns=columns) for part in parts], ignore_index=True)
    subjects = frame.pop("subject").map(json.loads)
    frame["kind"] = subjects.map(lambda subject: next(iter(subject)) if isinstance(subject, dict) else subject)
    recipes = subjects.map(lambda subject: subject.get("recipe", {}) if isinstance(subject, dict) else {})
    frame["scaling"] = recipes.map(lambda recipe: recipe.get("scaling"))
    frame["density"] = recipes.map(lambda recipe: (recipe.get("trim") or {}).get("density"))
    scores = frame.pop("scores").map(json.loads)
    for index, task in enumerate(score["task"] for score in scores.iloc[-1]):
        frame[f"accuracy.{task}"] = scores.map(
            lambda row, index=index: row[index]["correct"] / row[index]["n"] if len(row) > index else None
        )
    accuracies = [column for column in frame if column.startswith("accuracy.")]
    frame["mean_accuracy"] = frame[accuracies].mean(axis=1)
    print(frame.groupby(["split", "kind"])[accuracies + ["mean_accuracy"]].max())
    print(frame.nlargest(10, "mean_accuracy"))
    for parameter in ["scaling", "density"]:
        print(frame.groupby(parameter)["mean_accuracy"].agg(["max", "mean", "count"]))
    print(frame.groupby("kind")[["load_s", "align_s", "merge_s", "evaluate_s"]].sum())


if __name__ == "__main__":
    if sys.argv[1] == "time":
        timed(sys.argv[2], sys.argv[3:])
    else:
        tables(sys.argv[2])
