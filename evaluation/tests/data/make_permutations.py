"""Makes `permutations.json`: what NumPy and `datasets` make of a seed.

    pip install numpy datasets && python make_permutations.py

`orders` are `default_rng(seed).permutation(rows)`. Of long ones there are the first rows, and the sum of (i + 1) · order[i]
modulo 2^64. `splits` are the parts that `train_test_split(test_size=share, seed=seed)` makes of `rows` rows.
"""

import json
import pathlib

import datasets
import numpy as np

ORDERS = ((1, 42), (2, 42), (10, 0), (10, 42), (37, 2**40 + 3), (64, 2**64 - 1), (139, 42))
LONG = ((5463, 42), (100_000, 42), (3_000_000, 7))
SPLITS = ((10, 0.2), (11, 0.2), (3, 0.1), (7, 0.3), (277, 0.5))


def order(rows, seed):
    return np.random.default_rng(seed).permutation(rows)


def long(rows, seed):
    numbers = order(rows, seed).astype(np.uint64)
    total = int(np.sum(numbers * np.arange(1, rows + 1, dtype=np.uint64), dtype=np.uint64))
    return {"rows": rows, "seed": seed, "first": numbers[:8].tolist(), "sum": total}


def split(rows, share, seed=42):
    parts = datasets.Dataset.from_dict({"row": list(range(rows))}).train_test_split(test_size=share, seed=seed)
    return {"rows": rows, "share": share, "seed": seed} | {name: parts[name]["row"][:] for name in ("test", "train")}


def main():
    goldens = {
        "numpy": np.__version__,
        "datasets": datasets.__version__,
        "orders": [{"rows": n, "seed": seed, "order": order(n, seed).tolist()} for n, seed in ORDERS],
        "long": [long(n, seed) for n, seed in LONG],
        "splits": [split(n, share) for n, share in SPLITS],
    }
    (pathlib.Path(__file__).parent / "permutations.json").write_text(json.dumps(goldens) + "\n")


if __name__ == "__main__":
    main()
