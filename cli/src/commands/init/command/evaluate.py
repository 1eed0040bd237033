"""Evaluates one model for `bowline run`: says of each example of a split whether the model is right.

The page "Evaluate with your own program" (docs/own-evaluator.md) says what this program gets and what it may answer.
It needs PyTorch, transformers and PEFT. Everything but `is_right` can stay as it is for causal language models.
"""

import json
import os
import pathlib


def load():
    """The base, the base with an adapter, or a whole model: what is asked for."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM  # the class of your base

    model = AutoModelForCausalLM.from_pretrained(os.environ.get("BOWLINE_MODEL", os.environ["BOWLINE_BASE"]))
    if "BOWLINE_ADAPTER" in os.environ:
        model = PeftModel.from_pretrained(model, os.environ["BOWLINE_ADAPTER"])
    return model.to(os.environ["BOWLINE_DEVICE"]).eval()


def examples(task, data, split):
    """All examples of a split (`validation` or `test`), always in the same order; `data` is a path, or None."""
    rows = [json.loads(line) for line in pathlib.Path(data).read_text().splitlines()]
    return [row for row in rows if row["split"] == split]


def is_right(model, task, example):
    """Whether the model's answer to one example is right."""
    raise SystemExit("evaluate.py: write in `is_right` how an example is scored")


def main():
    model = load()
    job = json.loads(pathlib.Path(os.environ["BOWLINE_JOB"]).read_text())
    answer = {}
    for task in job["tasks"]:
        rows = examples(task["name"], task["data"], job["split"])
        chosen = task.get("examples", range(len(rows)))  # all of them, or those of a slice
        answer[task["name"]] = {"outcomes": [int(is_right(model, task["name"], rows[i])) for i in chosen]}
    pathlib.Path(os.environ["BOWLINE_OUTPUT"]).write_text(json.dumps({"tasks": answer}))


if __name__ == "__main__":
    main()
