"""Writes the goldens of TSV-Merge: the rule of docs/methods.md in NumPy and float64, on dense updates.

    python testdata/tsv/make_goldens.py

It needs NumPy, and writes `nli6.json`, `nli6.safetensors` and `mixed.safetensors` beside itself.

- `nli6`: the six adapters of examples/nli6. Of the 24 matrices, 12 have 32 rows, fewer than the 96 that the ranks add up to.
  Ranks are equal, so the merge is that of the authors of Core Space (core-space-merging@85176fa, `get_tsv_delta_w`): their
  code gives the same norms and first values to 3e-15.
- `mixed`: made-up adapters of different ranks.
"""

import json
import pathlib
import struct

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
NLI6 = HERE.parent.parent / "examples" / "nli6" / "adapters"
TASKS = ["snli", "mnli", "sick", "qnli", "rte", "scitail"]
WHOLE = ["model.layers.2.self_attn.k_proj", "model.layers.2.self_attn.v_proj"]
# Shape, ranks, and the triplets that each task keeps, worked out by hand.
MIXED = {
    "within": ((40, 50), (8, 3, 12), (8, 3, 12)),
    "over": ((24, 40), (12, 5, 16, 3), (8, 3, 10, 2)),
    "over_transposed": ((40, 24), (12, 5, 16, 3), (8, 3, 10, 2)),
    "vanishing": ((24, 30), (60, 1, 1), (22, 1, 1)),
}
TYPES = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}


def read(path):
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + size])
    header.pop("__metadata__", None)
    tensors = {}
    for key, entry in header.items():
        start, end = entry["data_offsets"]
        values = np.frombuffer(content[8 + size + start : 8 + size + end], TYPES[entry["dtype"]])
        tensors[key] = values.reshape(entry["shape"])
    return tensors


def write(path, tensors):
    header, parts, start = {}, [], 0
    for key, tensor in sorted(tensors.items()):
        kind = "F32" if tensor.dtype == np.float32 else "F64"
        part = np.ascontiguousarray(tensor, TYPES[kind]).tobytes()
        header[key] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [start, start + len(part)]}
        parts.append(part)
        start += len(part)
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    path.write_bytes(struct.pack("<Q", len(head)) + head + b"".join(parts))


def triplets(ranks, directions):
    total = sum(ranks)
    if total <= directions:
        return list(ranks)
    kept = [max(1, directions * rank // total) for rank in ranks]
    while sum(kept) > directions:
        kept[kept.index(max(kept))] -= 1
    return kept


def polar(matrix):
    u, _, vt = np.linalg.svd(matrix, full_matrices=False)
    return u @ vt


def tsv(updates, kept):
    svds = [np.linalg.svd(update, full_matrices=False) for update in updates]
    u = polar(np.hstack([svd[0][:, :k] for svd, k in zip(svds, kept)]))
    v = polar(np.hstack([svd[2][:k].T for svd, k in zip(svds, kept)]))
    sigma = np.concatenate([svd[1][:k] for svd, k in zip(svds, kept)])
    return (u * sigma) @ v.T


def nli6():
    adapters = [read(NLI6 / task / "adapter_model.safetensors") for task in TASKS]
    matrices, whole = {}, {}
    for a_key in sorted(key for key in adapters[0] if key.endswith("lora_A.weight")):
        b_key = a_key.replace("lora_A", "lora_B")
        updates = [a[b_key].astype(float) @ a[a_key].astype(float) for a in adapters]
        kept = triplets([a[a_key].shape[0] for a in adapters], min(updates[0].shape))
        merged = tsv(updates, kept)
        name = a_key.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
        matrices[name] = {
            "shape": list(merged.shape),
            "kept": kept,
            "norm": float(np.linalg.norm(merged)),
            "first": merged.ravel()[:8].tolist(),
        }
        if name in WHOLE:
            whole[name] = merged
    text = json.dumps({"tasks": TASKS, "matrices": matrices}, indent=1)
    (HERE / "nli6.json").write_text(text + "\n")
    write(HERE / "nli6.safetensors", whole)


def mixed():
    tensors, random = {}, np.random.default_rng(7)
    for case, ((rows, cols), ranks, expected) in MIXED.items():
        updates = []
        for task, rank in enumerate(ranks):
            b = random.standard_normal((rows, rank)).astype(np.float32)
            a = random.standard_normal((rank, cols)).astype(np.float32)
            tensors[f"{case}.{task}.lora_b"], tensors[f"{case}.{task}.lora_a"] = b, a
            updates.append(b.astype(float) @ a.astype(float))
        kept = triplets(ranks, min(rows, cols))
        assert tuple(kept) == expected, (case, kept)
        tensors[f"{case}.merged"] = tsv(updates, kept)
    write(HERE / "mixed.safetensors", tensors)


nli6()
mixed()
