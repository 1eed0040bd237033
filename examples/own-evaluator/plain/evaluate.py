"""An own evaluator that needs nothing but Python: the model is one linear layer.

Bowline calls it with variables that say what to evaluate (docs/own-evaluator.md).
"""

import json
import os
import pathlib
import struct


def read_safetensors(path):
    """Matrices of 32-bit floats by name, as lists of rows."""
    content = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack_from("<Q", content)
    header = json.loads(content[8:8 + length])
    tensors = {}
    for name, tensor in header.items():
        if name == "__metadata__":
            continue
        if tensor["dtype"] != "F32":
            raise SystemExit(f"`{name}` is {tensor['dtype']}, and this program reads F32 alone")
        rows, columns = tensor["shape"]
        numbers = struct.unpack_from(f"<{rows * columns}f", content, 8 + length + tensor["data_offsets"][0])
        tensors[name] = [list(numbers[row * columns:(row + 1) * columns]) for row in range(rows)]
    return tensors


def read_weight():
    """The weight of the model that is asked for."""
    folder = os.environ.get("BOWLINE_MODEL", os.environ["BOWLINE_BASE"])
    weight = read_safetensors(f"{folder}/model.safetensors")["layer.weight"]
    adapter = os.environ.get("BOWLINE_ADAPTER")
    if adapter is None:
        return weight
    config = json.loads(pathlib.Path(f"{adapter}/adapter_config.json").read_text())
    factors = read_safetensors(f"{adapter}/adapter_model.safetensors")
    a = factors["base_model.model.layer.lora_A.weight"]
    b = factors["base_model.model.layer.lora_B.weight"]
    # The rank may differ from `r`, which is the usual one: its scale is in the patterns.
    rank = config.get("rank_pattern", {}).get("layer", config["r"])
    scale = config.get("alpha_pattern", {}).get("layer", config["lora_alpha"]) / rank
    for row in range(len(weight)):
        for column in range(len(weight[row])):
            weight[row][column] += scale * sum(b[row][k] * a[k][column] for k in range(len(a)))
    return weight


def main():
    weight = read_weight()
    job = json.loads(pathlib.Path(os.environ["BOWLINE_JOB"]).read_text())
    answer = {}
    for task in job["tasks"]:
        with open(task["data"]) as file:
            rows = [json.loads(line) for line in file]
        rows = [row for row in rows if row["split"] == job["split"]]
        classes = sorted({row["class"] for row in rows})
        outcomes = []
        for place in task.get("examples", range(len(rows))):
            row = rows[place]
            score = {of: sum(w * x for w, x in zip(weight[of], row["inputs"])) for of in classes}
            outcomes.append(int(max(classes, key=score.get) == row["class"]))
        answer[task["name"]] = {"outcomes": outcomes}
    pathlib.Path(os.environ["BOWLINE_OUTPUT"]).write_text(json.dumps({"tasks": answer}))


if __name__ == "__main__":
    main()
