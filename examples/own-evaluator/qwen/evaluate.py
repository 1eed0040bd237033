"""An own evaluator for causal language models, with PyTorch, transformers and PEFT: exact match of short answers.

Bowline calls it with variables that say what to evaluate (docs/own-evaluator.md). The model and the loop are as in any
evaluation harness; only the symbols of the tiny model of this example are its own tokenizer.
"""

import json
import os
import pathlib

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

SYMBOLS = "abcdefghijklmnopqrstuvwxyzCUD="
BATCH = int(os.environ.get("BATCH", "64"))


def load():
    """The base, the base with an adapter, or a whole model: what is asked for."""
    model = AutoModelForCausalLM.from_pretrained(os.environ.get("BOWLINE_MODEL", os.environ["BOWLINE_BASE"]))
    adapter = os.environ.get("BOWLINE_ADAPTER")
    if adapter is not None:
        model = PeftModel.from_pretrained(model, adapter)
    return model.to(os.environ["BOWLINE_DEVICE"]).eval()


@torch.inference_mode()
def outcomes(model, rows):
    """1 for each row whose answer greedy decoding gives, else 0.

    It gives the answer exactly if each of its symbols is the likeliest one after the prompt and the symbols before it,
    which one forward pass shows.
    """
    found = []
    for start in range(0, len(rows), BATCH):
        part = rows[start:start + BATCH]
        texts = [row["prompt"] + row["answer"] for row in part]
        tokens = torch.tensor([[SYMBOLS.index(symbol) for symbol in text] for text in texts], device=model.device)
        likeliest = model(input_ids=tokens).logits[:, :-1].argmax(-1)
        length = len(part[0]["answer"])
        is_right = (likeliest[:, -length:] == tokens[:, -length:]).all(-1)
        found += is_right.int().tolist()
    return found


def main():
    torch.set_num_threads(int(os.environ["BOWLINE_THREADS"]))
    model = load()
    job = json.loads(pathlib.Path(os.environ["BOWLINE_JOB"]).read_text())
    answer = {}
    for task in job["tasks"]:
        rows = [json.loads(line) for line in pathlib.Path(task["data"]).read_text().splitlines()]
        rows = [row for row in rows if row["split"] == job["split"]]
        if "examples" in task:
            rows = [rows[place] for place in task["examples"]]
        answer[task["name"]] = {"outcomes": outcomes(model, rows)}
    pathlib.Path(os.environ["BOWLINE_OUTPUT"]).write_text(json.dumps({"tasks": answer}))


if __name__ == "__main__":
    main()
