"""Evaluates one model for `bowline run`: says of each example of a split whether the model is right.

The page "Evaluate with your own program" (docs/own-evaluator.md) says what this program gets and what it may answer. Two functions
are yours: `examples` and `is_right`. The rest is for causal language models and needs PyTorch, transformers and PEFT.
"""

import json
import os
import pathlib


def load():
    """The base, the base with an adapter, or a whole model: what is asked for. And the tokenizer of the base."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer  # the classes of your base

    torch.set_num_threads(int(os.environ["BOWLINE_THREADS"]))
    torch.set_grad_enabled(False)
    model = AutoModelForCausalLM.from_pretrained(os.environ.get("BOWLINE_MODEL", os.environ["BOWLINE_BASE"]))
    if "BOWLINE_ADAPTER" in os.environ:
        model = PeftModel.from_pretrained(model, os.environ["BOWLINE_ADAPTER"])
    tokenizer = AutoTokenizer.from_pretrained(os.environ["BOWLINE_BASE"])
    return model.to(os.environ["BOWLINE_DEVICE"]).eval(), tokenizer


def examples(task, data, split):
    """Yours: all examples of a split (`validation` or `test`), always in the same order; `data` is a path, or None.

    This one reads JSON lines, each with the key `split`.
    """
    if data is None or not pathlib.Path(data).is_file():
        raise SystemExit(f"evaluate.py: `examples` reads one file, and the task `{task}` has {data or 'no data'}")
    rows = [json.loads(line) for line in pathlib.Path(data).read_text().splitlines()]
    if any("split" not in row for row in rows):
        raise SystemExit(f"evaluate.py: a row of {data} has no `split`; write in `examples` which rows are of {split}")
    return [row for row in rows if row["split"] == split]


def is_right(model, tokenizer, task, example):
    """Yours: whether the model's answer to one example is right."""
    raise SystemExit("evaluate.py: write in `is_right` how an example is scored")


def main():
    model, tokenizer = load()
    job = json.loads(pathlib.Path(os.environ["BOWLINE_JOB"]).read_text())
    answer = {}
    for task in job["tasks"]:
        rows = examples(task["name"], task["data"], job["split"])
        chosen = task.get("examples", range(len(rows)))  # all of them, or those of a slice
        outcomes = [int(is_right(model, tokenizer, task["name"], rows[i])) for i in chosen]
        answer[task["name"]] = {"outcomes": outcomes}
    pathlib.Path(os.environ["BOWLINE_OUTPUT"]).write_text(json.dumps({"tasks": answer}))


if __name__ == "__main__":
    main()
