#!/usr/bin/env python3
"""Writes the merge of every preset as an adapter and as a full model, and checks that PEFT makes the same model of both.

The presets are those that BOWLINE names. Presets whose merge has full rank, and those that need statistics, are named
and left out; anything else that is not written is an error. Exits with 1 if logits differ by more than the tolerance.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from check_peft import differences, load_with_adapter
from clip_tasks import Pixels, load_head, load_model, read_split

# These merge two tasks.
OF_TWO = {"slerp", "nuslerp"}


def merge(arguments, recipe, adapters, out, form):
    """Runs `bowline merge`; returns what it says on standard error."""
    command = [arguments.bowline, "merge", "--base", arguments.base, "--recipe", recipe, "--out", out, "--format", form]
    for folder in adapters:
        command += ["--adapter", f"{folder.name}={folder}"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stderr


def presets(arguments, work):
    """The names of all presets, as the program lists them where a recipe names none of them."""
    recipe = work / "none.yaml"
    recipe.write_text("preset: none_of_them\n")
    said = merge(arguments, recipe, arguments.adapters[:2], work / "none", "peft")
    names = re.findall(r"`([a-z_]+)`", said.partition("which is none of")[2])
    if len(names) < 10:
        sys.exit(f"the program does not list its presets: {said}")
    return names


def main():
    parser = argparse.ArgumentParser(description="Compares merges of all presets in PEFT with full merged models.")
    parser.add_argument("--bowline", type=Path, required=True)
    parser.add_argument("--base", type=Path, required=True, help="folder of the base CLIP model")
    parser.add_argument("--adapters", type=Path, required=True, help="folder with one adapter per task")
    parser.add_argument("--data", type=Path, required=True, help="folder with one data set per task")
    parser.add_argument("--heads", type=Path, required=True, help="folder with <task>.safetensors")
    parser.add_argument("--images", type=int, default=128, help="test images of each task")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    arguments = parser.parse_args()
    arguments.adapters = sorted(entry for entry in arguments.adapters.iterdir() if entry.is_dir())

    pixels, base = Pixels(arguments.base), load_model(arguments.base)
    tasks = []
    for folder in arguments.adapters:
        images, _ = read_split(arguments.data / folder.name, "test")
        tasks.append((images[: arguments.images], load_head(arguments.heads / f"{folder.name}.safetensors")))
    failed, compared = [], 0
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for preset in presets(arguments, work):
            recipe = work / f"{preset}.yaml"
            recipe.write_text(f"preset: {preset}\n")
            adapters = arguments.adapters[:2] if preset in OF_TWO else arguments.adapters
            adapter, full = work / f"{preset}-peft", work / f"{preset}-full"
            said = merge(arguments, recipe, adapters, adapter, "peft")
            if "is not low-rank" in said:
                print(f"{preset:>20}: full rank, no adapter")
                continue
            if "are measured on data" in said:
                print(f"{preset:>20}: needs statistics, `bowline run` writes it")
                continue
            said = said or merge(arguments, recipe, adapters, full, "full")
            if said:
                failed.append(preset)
                print(f"{preset:>20}: not written: {said.strip()}")
                continue
            adapted, tensors = load_with_adapter(arguments.base, adapter)
            merged = load_model(full)
            worst, moved = 0.0, 0.0
            for images, head in tasks:
                worst = max(worst, *differences(adapted, merged, pixels, images, head, batch_size=128))
                moved = max(moved, *differences(base, merged, pixels, images[:32], head, batch_size=32))
            compared += 1
            print(f"{preset:>20}: {tensors} LoRA tensors, largest difference {worst:.1e}; base and merge differ by {moved:.1e}")
            if worst > arguments.tolerance or moved <= arguments.tolerance:
                failed.append(preset)
    print(f"{compared} presets compared, allowed {arguments.tolerance:.0e}; failed: {', '.join(failed) or 'none'}")
    sys.exit(1 if failed or not compared else 0)


if __name__ == "__main__":
    with torch.inference_mode():
        main()
