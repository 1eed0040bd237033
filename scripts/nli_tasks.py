"""Classification of sentence pairs with PyTorch and transformers: the model, the tasks of examples/nli6, the accuracy.

`pytorch_search.py` uses it for sweeps over texts. As with images, nothing is cached on purpose: every evaluation reads
and tokenises its texts anew.
"""

import json
import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import torch
from clip_tasks import Count
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import LlamaForSequenceClassification

# The conventions of docs/sweep-file.md: columns, labels by raw label, masked classes, and splits as (start, end, seed
# of the shuffle).
CONVENTIONS = {
    "snli": {"columns": ("premise", "hypothesis")},
    "mnli": {"columns": ("text1", "text2"), "splits": {"validation": (0.8, 1.0, None), "test": (0.0, 0.8, None)}},
    "sick": {"columns": ("sentence_A", "sentence_B")},
    "qnli": {
        "columns": ("text1", "text2"),
        "labels": {0: 0, 1: 2},
        "masked": [1],
        "splits": {"validation": (0.0, 0.2, 42), "test": (0.2, 1.0, 42)},
    },
    "rte": {
        "columns": ("text1", "text2"),
        "labels": {0: 0, 1: 2},
        "masked": [1],
        "splits": {"validation": (0.0, 0.5, 42), "test": (0.5, 1.0, 42)},
    },
    "scitail": {"columns": ("premise", "hypothesis"), "labels": {"entails": 0, "neutral": 1}, "masked": [2]},
}
CLASSES = 3


def read_rows(folder, split):
    """The rows of a split as dictionaries, from a parquet file or from JSON lines."""
    file = Path(folder) / f"{split}.parquet"
    if file.exists():
        return parquet.read_table(file).to_pylist()
    return [json.loads(line) for line in (Path(folder) / f"{split}.jsonl").read_text().splitlines()]


def read_pairs(task, split):
    """The pairs of texts and their classes, as the task's convention says."""
    convention = CONVENTIONS[task["convention"]]
    rule = convention.get("splits", {}).get(split)
    rows = [row for row in read_rows(task["data"], split if rule is None else "validation") if row["label"] != -1]
    if rule is not None:
        start, end, seed = rule
        # As train_test_split of Hugging Face's datasets cuts and shuffles.
        order = range(len(rows)) if seed is None else np.random.default_rng(seed).permutation(len(rows))
        bound = math.floor if seed is None else math.ceil
        # A share such as 0.8 is not exact in binary: 0.8 · 1005 must be 804.
        first, last = (bound(round(share * len(rows), 6)) for share in (start, end))
        rows = [rows[index] for index in list(order)[first:last]]
    labels = convention.get("labels", {0: 0, 1: 1, 2: 2})
    pairs = [tuple(row[column] for column in convention["columns"]) for row in rows]
    return pairs, torch.tensor([labels[row["label"]] for row in rows])


class Texts:
    """What a search needs to evaluate models of texts."""

    def __init__(self, base, batch_size):
        self.batch_size = batch_size
        classifier = LlamaForSequenceClassification
        self.model = classifier.from_pretrained(base, num_labels=CLASSES, dtype=torch.float32).eval()
        self.padding = self.model.config.pad_token_id
        self.tokenizer = Tokenizer.from_file(str(Path(base) / "tokenizer.json"))

    @staticmethod
    def task(folder, task):
        """What is read of a task."""
        data = task["data"]
        return {"adapter": folder / task["adapter"], "data": folder / data["source"], "convention": data["convention"]}

    @staticmethod
    def adapted(model):
        """The part of the model that the names of adapted modules begin in."""
        return model

    @torch.inference_mode()
    def count(self, model, task, split):
        """Reads, tokenises and classifies every pair, in batches that are padded to their longest one."""
        pairs, labels = read_pairs(task, split)
        tensors = load_file(task["adapter"] / "adapter_model.safetensors")
        head = next(tensor for name, tensor in tensors.items() if name.endswith("score.weight"))
        masked = CONVENTIONS[task["convention"]].get("masked", [])
        correct = 0
        for start in range(0, len(pairs), self.batch_size):
            ids = [encoding.ids for encoding in self.tokenizer.encode_batch(pairs[start : start + self.batch_size])]
            last = torch.tensor([self.last_token(row) for row in ids])
            longest = max(map(len, ids))
            padded = torch.tensor([row + [self.padding] * (longest - len(row)) for row in ids])
            mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids])
            states = model.model(input_ids=padded, attention_mask=mask).last_hidden_state
            logits = states[torch.arange(len(ids)), last] @ head.T
            logits[:, masked] = -torch.inf
            correct += (logits.argmax(dim=-1) == labels[start : start + self.batch_size]).sum().item()
        return Count(correct, len(pairs))

    def last_token(self, ids):
        """The place of the last token that is not the padding token."""
        return max(place for place, token in enumerate(ids) if token != self.padding)
