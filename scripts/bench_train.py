#!/usr/bin/env python3
"""Times training steps of `bowline finetune` and of PEFT on PyTorch, in turns, with the same threads.

Both train LoRA of rank 16 on the attention matrices of the example bases with dropout 0.1, AdamW and the batches of the examples
(64 images, 32 pairs of texts), without augmentation, in float32. Bowline's time is that of a run of many steps less that of a run
of one step, so that reading and the evaluations before and after do not count. PyTorch's images are decoded before, and its texts
tokenised and padded to the longest of each batch before; only steps count. Prints a table of the medians over the rounds.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import torch
from clip_tasks import Pixels, load_head, load_model, read_split
from peft import LoraConfig, TaskType, get_peft_model
from transformers import AutoModelForSequenceClassification, AutoTokenizer

EXAMPLES = Path(__file__).parent.parent / "examples"
SWEEP = """
name: bench
base: {base}
training: {{rank: 16, alpha: 16, dropout: 0.1, rate: 0.001, schedule: constant, warmup_steps: 0, batch: {batch}, steps: {steps}}}
tasks:
  - {{name: {task}, adapter: {{train: {{}}}}, data: {data}, head: {head}}}
evaluation: {{select: validation, report: test}}
"""


class Images:
    name, unit, batch, steps = "mini8 (flags)", "images/s", 64, 60
    base, task = EXAMPLES / "mini8/base", "flags"
    data, head = EXAMPLES / "mini8/data/flags", EXAMPLES / "mini8/heads/flags.safetensors"

    def source(self):
        return self.data

    def prepare(self):
        torch.manual_seed(0)
        model = load_model(self.base)
        model.requires_grad_(False)
        targets = ["q_proj", "k_proj", "v_proj", "out_proj"]
        model.vision_model = get_peft_model(model.vision_model, LoraConfig(r=16, lora_alpha=16, lora_dropout=0.1, target_modules=targets))
        images, self.labels = read_split(self.data, "train")
        self.pixels, self.weight = Pixels(self.base)(images), load_head(self.head)
        self.model = model.train()

    def loss(self, places):
        features = self.model.visual_projection(self.model.vision_model(pixel_values=self.pixels[places]).pooler_output)
        logits = features / features.norm(dim=-1, keepdim=True) @ self.weight.T
        return torch.nn.functional.cross_entropy(logits, self.labels[places])


class Texts:
    name, unit, batch, steps = "nli6 (mnli)", "texts/s", 32, 30
    base, task = EXAMPLES / "nli6/base", "mnli"
    data, head = EXAMPLES / "nli6/data/mnli", EXAMPLES / "nli6/heads/snli.safetensors"

    def source(self):
        return f"{{source: {self.data}, convention: mnli}}"

    def prepare(self):
        torch.manual_seed(0)
        tokenizer = AutoTokenizer.from_pretrained(self.base)
        rows = [json.loads(line) for line in (self.data / "train.jsonl").read_text().splitlines()]
        pairs = tokenizer([row["text1"] for row in rows], [row["text2"] for row in rows])["input_ids"]
        self.ids = [torch.tensor(ids) for ids in pairs]
        self.labels = torch.tensor([row["label"] for row in rows])
        model = AutoModelForSequenceClassification.from_pretrained(self.base, num_labels=3, dtype=torch.float32)
        self.pad = model.config.pad_token_id or 0
        model.config.pad_token_id = self.pad
        targets = ["q_proj", "k_proj", "v_proj", "o_proj"]
        config = LoraConfig(r=16, lora_alpha=16, lora_dropout=0.1, target_modules=targets, task_type=TaskType.SEQ_CLS)
        self.model = get_peft_model(model, config).train()

    def loss(self, places):
        rows = [self.ids[place] for place in places]
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=self.pad)
        lengths = torch.tensor([len(row) for row in rows])
        mask = (torch.arange(ids.shape[1])[None, :] < lengths[:, None]).long()
        return self.model(input_ids=ids, attention_mask=mask, labels=self.labels[places]).loss


def torch_speed(shape):
    """Examples per second of PyTorch, after three steps to warm up."""
    optimiser = torch.optim.AdamW([p for p in shape.model.parameters() if p.requires_grad], lr=1e-3, weight_decay=0.1)
    generator = torch.Generator().manual_seed(0)

    def step():
        places = torch.randperm(len(shape.labels), generator=generator)[: shape.batch]
        optimiser.zero_grad()
        shape.loss(places).backward()
        optimiser.step()

    for _ in range(3):
        step()
    started = time.perf_counter()
    for _ in range(shape.steps):
        step()
    return shape.batch * shape.steps / (time.perf_counter() - started)


def bowline_speed(shape, bowline, threads):
    """Examples per second of Bowline."""

    def seconds(steps):
        with tempfile.TemporaryDirectory() as folder:
            sweep = Path(folder) / "bench.yaml"
            sweep.write_text(SWEEP.format(base=shape.base, batch=shape.batch, steps=steps, task=shape.task,
                                          data=shape.source(), head=shape.head))  # fmt: skip
            command = [bowline, "finetune", sweep, "--task", shape.task, "--out", Path(folder) / "out", "--threads", str(threads)]
            started = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            return time.perf_counter() - started

    one = min(seconds(1) for _ in range(2))
    return shape.batch * shape.steps / (seconds(1 + shape.steps) - one)


def main():
    parser = argparse.ArgumentParser(description="Times training steps of Bowline beside PEFT on PyTorch.")
    parser.add_argument("--bowline", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=300, help="no round begins after so many seconds")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, at most {arguments.rounds} rounds", flush=True)
    shapes = [Images(), Texts()]
    speeds = {shape.name: ([], []) for shape in shapes}
    started = time.perf_counter()
    for shape in shapes:
        shape.prepare()
    rounds = 0
    for _ in range(arguments.rounds):
        if rounds and time.perf_counter() - started > arguments.seconds:
            break
        for shape in shapes:
            ours, theirs = speeds[shape.name]
            ours.append(bowline_speed(shape, arguments.bowline, arguments.threads))
            theirs.append(torch_speed(shape))
        rounds += 1
    print(f"| training, {rounds} rounds | batch | Bowline | PEFT + PyTorch | ratio |\n|---|---|---|---|---|")
    for shape in shapes:
        ours, theirs = map(statistics.median, speeds[shape.name])
        print(f"| {shape.name} | {shape.batch} | {ours:.0f} {shape.unit} | {theirs:.0f} {shape.unit} | {ours / theirs:.2f} |")


if __name__ == "__main__":
    main()
