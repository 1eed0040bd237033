"""Compares what a sweep with an own evaluator found with what PEFT computes from the adapters as they were trained."""

import argparse
import importlib.util
import json
import pathlib

from peft import PeftModel
from transformers import AutoModelForCausalLM

TASKS = ("up", "down")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--store", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    made = arguments.folder / "made"
    spec = importlib.util.spec_from_file_location("evaluate", arguments.folder / "evaluate.py")
    evaluate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(evaluate)

    def correct(model, task):
        rows = [json.loads(line) for line in (made / "data" / f"{task}.jsonl").read_text().splitlines()]
        return sum(evaluate.outcomes(model.eval(), [row for row in rows if row["split"] == "test"]))

    def load(adapter=None):
        model = AutoModelForCausalLM.from_pretrained(made / "base")
        return model if adapter is None else PeftModel.from_pretrained(model, adapter)

    rows = json.loads((arguments.folder / "result.json").read_text())["rows"]
    found = {row["kind"]: {task["task"]: task["correct"] for task in row["splits"]["test"]["tasks"]} for row in rows}
    found["search"] = {task["task"]: task["correct"] for row in rows if row["is_chosen"]
                       for task in row["splits"]["test"]["tasks"]}
    best = arguments.store / "sweeps" / "own-evaluator-qwen" / "best"
    expected = {
        "zero_shot": {task: correct(load(), task) for task in TASKS},
        "finetuned": {task: correct(load(made / "adapters" / task), task) for task in TASKS},
        "search": {task: correct(load(best), task) for task in TASKS},
    }
    for kind, scores in expected.items():
        print(f"{kind}: PEFT {scores}, Bowline {found[kind]}")
        if scores != found[kind]:
            raise SystemExit(f"the scores of {kind} differ")
    gains = (("finetuned", 90), ("search", 45))
    for kind, least in gains:
        if not all(expected[kind][task] > expected["zero_shot"][task] + least for task in TASKS):
            raise SystemExit(f"{kind} is not better than the base by {least} answers on each task, as it should be")


if __name__ == "__main__":
    main()
