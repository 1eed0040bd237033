"""Makes the inputs of the example beside this file: a base that is one linear layer, two LoRA adapters, and data.

    python3 make.py        Python alone is enough

The same numbers come out on every machine: the generator of Python's `random` is fixed, and only its integers are used.
"""

import json
import pathlib
import random
import struct

FOLDER = pathlib.Path(__file__).parent
INPUTS = 16
RANK = 2
# A task decides between two classes of its own.
CLASSES = {"sum": (0, 1), "contrast": (2, 3)}


def number(generator):
    """A number from -1 to 1."""
    return generator.randint(-1000, 1000) / 1000


def write_safetensors(path, tensors):
    """Writes matrices of 32-bit floats."""
    header, data = {}, b""
    for name, rows in tensors.items():
        numbers = [value for row in rows for value in row]
        content = struct.pack(f"<{len(numbers)}f", *numbers)
        header[name] = {"dtype": "F32", "shape": [len(rows), len(rows[0])],
                        "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def rule(task):
    """The direction that decides the class of an example."""
    return [1.0 if task == "sum" or i % 2 == 0 else -1.0 for i in range(INPUTS)]


def main():
    generator = random.Random(7)
    base = FOLDER / "base"
    write_safetensors(base / "model.safetensors",
                      {"layer.weight": [[number(generator) for _ in range(INPUTS)] for _ in range(4)]})
    (base / "config.json").write_text(json.dumps({"model_type": "one-linear-layer"}) + "\n")
    for task, (no, yes) in CLASSES.items():
        # The first direction separates the task's classes; the second one is noise for all classes, as adapters have it.
        directions = [rule(task), [number(generator) for _ in range(INPUTS)]]
        signs = [[{no: -0.4, yes: 0.4}.get(row, 0.0), number(generator) * 0.8] for row in range(4)]
        folder = FOLDER / "adapters" / task
        write_safetensors(folder / "adapter_model.safetensors", {
            "base_model.model.layer.lora_A.weight": directions,
            "base_model.model.layer.lora_B.weight": signs,
        })
        config = {"peft_type": "LORA", "r": RANK, "lora_alpha": RANK, "target_modules": ["layer"]}
        (folder / "adapter_config.json").write_text(json.dumps(config) + "\n")
        data = FOLDER / "data" / f"{task}.jsonl"
        data.parent.mkdir(exist_ok=True)
        with data.open("w") as file:
            for place in range(600):
                inputs = [number(generator) for _ in range(INPUTS)]
                is_yes = sum(x * r for x, r in zip(inputs, rule(task))) > 0
                split = "validation" if place < 200 else "test"
                print(json.dumps({"split": split, "inputs": inputs, "class": yes if is_yes else no}), file=file)


if __name__ == "__main__":
    main()
