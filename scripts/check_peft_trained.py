#!/usr/bin/env python3
"""Checks that PEFT reads an adapter that Bowline trained, and gives the same logits as Bowline's own model of it.

Loads ADAPTER with PEFT on BASE, compares every tensor with the file, and compares logits with those of FULL, the model that
`bowline merge --format full` made of the base and the adapter. Images: over the split, and the right answers are counted and compared
with those that `training.json` states. Texts: over the token ids of TEXTS, with the head that came with the adapter.
Exits with 1 if any differs by more than the tolerance.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from check_peft import load_with_adapter
from check_peft_texts import classifier, logits, with_adapter
from clip_tasks import Pixels, image_features, load_head, load_model, read_split
from safetensors.torch import load_file

# Logits that are nearer to each other than this may change places.
NEAR = 1e-4


@torch.inference_mode()
def image_logits(model, pixels, images, head):
    rows = []
    for start in range(0, len(images), 128):
        features = image_features(model, pixels(images[start : start + 128]))
        rows.append(features / features.norm(dim=-1, keepdim=True) @ head.T)
    return torch.cat(rows)


def check_images(arguments):
    """The largest difference, and that between base and adapter."""
    adapted, tensors = load_with_adapter(arguments.base, arguments.adapter)
    print(f"PEFT loaded {tensors} LoRA tensors")
    record = json.loads((arguments.adapter / "training.json").read_text())
    images, labels = read_split(arguments.data, record["split"])
    head, pixels = load_head(arguments.head), Pixels(arguments.base)
    one, full, base = (
        image_logits(model, pixels, images, head)
        for model in (adapted, load_model(arguments.full), load_model(arguments.base))
    )
    correct = int((one.argmax(dim=-1) == labels).sum())
    top = one.topk(2, dim=-1).values
    close = int((top[:, 0] - top[:, 1] < NEAR).sum())
    stated = record["after"]["correct"]
    print(f"{correct} of {len(images)} right on `{record['split']}`; `training.json` states {stated}; {close} are a near tie")
    if abs(correct - stated) > close:
        sys.exit("PEFT counts other right answers")
    return (one - full).abs().max().item(), (one - base).abs().max().item()


def check_texts(arguments):
    """The same for texts."""
    adapted, tensors = with_adapter(arguments.base, arguments.adapter)
    print(f"PEFT loaded {tensors} LoRA tensors of a sequence classifier")
    head = load_file(arguments.adapter / "adapter_model.safetensors")["base_model.model.score.weight"]
    held = [parameter for name, parameter in adapted.named_parameters() if name.endswith("score.modules_to_save.default.weight")]
    if not held or not torch.equal(held[0], head):
        sys.exit("PEFT does not hold the head of the file")
    full, base = classifier(arguments.full), classifier(arguments.base)
    texts = load_file(arguments.texts)
    worst, moved = 0.0, 0.0
    for task in sorted({name.split(".")[0] for name in texts}):
        ids, mask = texts[f"{task}.input_ids"], texts[f"{task}.attention_mask"]
        one, other, without = (logits(model, head, ids, mask) for model in (adapted, full, base))
        worst, moved = max(worst, (one - other).abs().max().item()), max(moved, (one - without).abs().max().item())
    return worst, moved


def main():
    parser = argparse.ArgumentParser(description="Compares a trained adapter in PEFT with Bowline's model of it.")
    for name in ["base", "adapter", "full"]:
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="images: the folder of the task's data")
    parser.add_argument("--head", type=Path, help="images: the head of the task")
    parser.add_argument("--texts", type=Path, help="texts: a file of token ids")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    arguments = parser.parse_args()
    worst, moved = check_texts(arguments) if arguments.texts else check_images(arguments)
    if moved <= arguments.tolerance:
        sys.exit("the adapter is none: there is nothing to compare")
    print(f"largest difference of logits {worst:.2e} (allowed {arguments.tolerance:.0e}; base and adapter differ by {moved:.1e})")
    sys.exit(0 if worst <= arguments.tolerance else 1)


if __name__ == "__main__":
    main()
