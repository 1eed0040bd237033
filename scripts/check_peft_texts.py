#!/usr/bin/env python3
"""Checks that Python's PEFT reads a merged adapter of classifiers, and that it is the same model as the full merge.

Loads ADAPTER as PEFT's sequence classifier on BASE, compares every LoRA tensor with the file, puts each task's head in the place
of its `score`, and compares logits with those of the model folder FULL on the texts of LOGITS, a file of token ids.
Exits with 1 if any differs by more than the tolerance.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
from peft import PeftModel, PeftModelForSequenceClassification
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification


def classifier(folder):
    return AutoModelForSequenceClassification.from_pretrained(folder, num_labels=3, dtype=torch.float32).eval()


def with_adapter(base, adapter):
    """The base as a classifier with the adapter, and how many LoRA tensors it holds."""
    model = PeftModel.from_pretrained(classifier(base), adapter).eval()
    if not isinstance(model, PeftModelForSequenceClassification):
        sys.exit(f"PEFT made a {type(model).__name__} of it, no sequence classifier")
    written = {name: tensor for name, tensor in load_file(adapter / "adapter_model.safetensors").items() if ".lora_" in name}
    loaded = {name.replace(".default.", "."): tensor for name, tensor in model.state_dict().items() if ".lora_" in name}
    if written.keys() != loaded.keys():
        sys.exit(f"PEFT placed other tensors than the file holds: {sorted(written.keys() ^ loaded.keys())[:4]} ...")
    for name, tensor in written.items():
        if not torch.equal(tensor.float(), loaded[name]):
            sys.exit(f"PEFT holds other numbers than the file in {name}")
    return model, len(written)


@torch.inference_mode()
def logits(model, head, ids, mask):
    """The logits under a head, which takes the place of every `score` in the model."""
    for name, parameter in model.named_parameters():
        if ".score." in f".{name}":
            parameter.data.copy_(head)
    return model(input_ids=ids.long(), attention_mask=mask.long()).logits


def main():
    parser = argparse.ArgumentParser(description="Compares a merged PEFT classifier with the full merged model.")
    for name in ["base", "adapter", "full", "heads", "logits"]:
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--tolerance", type=float, default=1e-4)
    arguments = parser.parse_args()

    adapted, tensors = with_adapter(arguments.base, arguments.adapter)
    config = json.loads((arguments.adapter / "adapter_config.json").read_text())
    print(f"PEFT loaded {tensors} LoRA tensors as {config['task_type']}, r {config['r']}")
    full, base = classifier(arguments.full), classifier(arguments.base)
    texts = load_file(arguments.logits)
    worst, moved = 0.0, 0.0
    for task in sorted({name.split(".")[0] for name in texts}):
        head = load_file(arguments.heads / f"{task}.safetensors")["score.weight"]
        ids, mask = texts[f"{task}.input_ids"], texts[f"{task}.attention_mask"]
        one, other, without = (logits(model, head, ids, mask) for model in (adapted, full, base))
        difference = (one - other).abs().max().item()
        worst, moved = max(worst, difference), max(moved, (one - without).abs().max().item())
        print(f"{task:>14}: {len(ids)} texts, logits differ by {difference:.1e}")
    if moved <= arguments.tolerance:
        sys.exit("the merge is the base model: there is nothing to compare")
    print(f"largest difference {worst:.2e} (allowed {arguments.tolerance:.0e}; base and merge differ by {moved:.1e})")
    sys.exit(0 if worst <= arguments.tolerance else 1)


if __name__ == "__main__":
    main()
