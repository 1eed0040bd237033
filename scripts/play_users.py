"""Loads the winner of a sweep with PEFT, and compares what it has right with what the sweep counted."""

import argparse
import json
import pathlib

from clip_tasks import Pixels, count, load_head, load_model, read_split
from peft import PeftModel


def main():
    parser = argparse.ArgumentParser()
    for name in ("result", "best", "base", "data", "heads"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    model = load_model(arguments.base)
    model.vision_model = PeftModel.from_pretrained(model.vision_model, arguments.best).eval()
    pixels = Pixels(arguments.base)
    rows = json.loads(arguments.result.read_text())["rows"]
    chosen = next(row for row in rows if row["is_chosen"])
    for task in chosen["splits"]["test"]["tasks"]:
        name = task["task"]
        images, labels = read_split(arguments.data / name, "test")
        found = count(model, pixels, images, labels, load_head(arguments.heads / f"{name}.safetensors"), 64)
        print(f"    {name}: PEFT {found.correct} of {found.n}, Bowline {task['correct']} of {task['n']}")
        if (found.correct, found.n) != (task["correct"], task["n"]):
            raise SystemExit(f"the scores of {name} differ")


if __name__ == "__main__":
    main()
