#!/usr/bin/env python3
"""Checks that Python's PEFT reads a merged adapter, and that it is the same model as the full merge.

Loads ADAPTER with `PeftModel.from_pretrained` on the vision tower of BASE, compares every LoRA tensor with the file,
then compares image features and logits with those of the model folder FULL over the test images of all tasks.
Exits with 1 if any differs by more than the tolerance.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from clip_tasks import Pixels, image_features, load_head, load_model, read_split
from peft import PeftModel
from safetensors.torch import load_file


def load_with_adapter(base, adapter):
    """The base model with the adapter on its vision tower, and how many LoRA tensors it holds."""
    model = load_model(base)
    tower = PeftModel.from_pretrained(model.vision_model, adapter).eval()
    written = load_file(Path(adapter) / "adapter_model.safetensors")
    loaded = {name.replace(".default.", "."): tensor for name, tensor in tower.state_dict().items() if ".lora_" in name}
    # PEFT warns of keys that match nothing and goes on with zeros: do not trust it, compare.
    if written.keys() != loaded.keys():
        sys.exit(f"PEFT placed other tensors than the file holds: {sorted(written.keys() ^ loaded.keys())[:4]} ...")
    for name, tensor in written.items():
        if not torch.equal(tensor.float(), loaded[name]):
            sys.exit(f"PEFT holds other numbers than the file in {name}")
    model.vision_model = tower
    return model, len(written)


@torch.inference_mode()
def differences(one, other, pixels, images, head, batch_size):
    """The largest differences of the projected features and of the logits."""
    features, logits = 0.0, 0.0
    for start in range(0, len(images), batch_size):
        batch = pixels(images[start : start + batch_size])
        a, b = image_features(one, batch), image_features(other, batch)
        features = max(features, (a - b).abs().max().item())
        a, b = a / a.norm(dim=-1, keepdim=True) @ head.T, b / b.norm(dim=-1, keepdim=True) @ head.T
        logits = max(logits, (a - b).abs().max().item())
    return features, logits


def main():
    parser = argparse.ArgumentParser(description="Compares a merged PEFT adapter with the full merged model.")
    parser.add_argument("--base", type=Path, required=True, help="folder of the base CLIP model")
    parser.add_argument("--adapter", type=Path, required=True, help="folder of the merged adapter")
    parser.add_argument("--full", type=Path, required=True, help="folder of the full merged model")
    parser.add_argument("--data", type=Path, required=True, help="folder with one data set per task")
    parser.add_argument("--heads", type=Path, required=True, help="folder with <task>.safetensors")
    parser.add_argument("--split", default="test")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    arguments = parser.parse_args()

    adapted, tensors = load_with_adapter(arguments.base, arguments.adapter)
    config = json.loads((arguments.adapter / "adapter_config.json").read_text())
    print(f"PEFT loaded {tensors} LoRA tensors, r {config['r']}, lora_alpha {config['lora_alpha']}")
    full, base = load_model(arguments.full), load_model(arguments.base)
    pixels = Pixels(arguments.base)

    worst, moved = 0.0, 0.0
    for folder in sorted(entry for entry in arguments.data.iterdir() if entry.is_dir()):
        images, _ = read_split(folder, arguments.split)
        head = load_head(arguments.heads / f"{folder.name}.safetensors")
        features, logits = differences(adapted, full, pixels, images, head, batch_size=128)
        moved = max(moved, *differences(base, full, pixels, images[:64], head, batch_size=64))
        print(f"{folder.name:>14}: {len(images)} images, features differ by {features:.1e}, logits by {logits:.1e}")
        worst = max(worst, features, logits)
    if moved <= arguments.tolerance:
        sys.exit("the full model is the base model: there is nothing to compare")
    print(f"largest difference {worst:.2e} (allowed {arguments.tolerance:.0e}; base and merge differ by {moved:.1e})")
    sys.exit(0 if worst <= arguments.tolerance else 1)


if __name__ == "__main__":
    main()
