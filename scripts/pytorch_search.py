#!/usr/bin/env python3
"""The search of a sweep file as a plain PyTorch loop, the way research code does it.

At every point: dense updates, a dense f64 SVD of each matrix, a deep copy of the model, all images decoded (or texts
tokenised) and evaluated. It makes the evaluations that `bowline run` makes for the same file, and no others: zero-shot, every
adapter on its own task and the baselines on both splits, each point of the search once on the selection split, the
chosen recipe on the report split. Of sweep files it knows what `examples/mini8/knots-ties.yaml` and
`examples/nli6/knots-ties.yaml` use.

    pytorch_search.py examples/mini8/knots-ties.yaml --threads 2 --out search.json
    pytorch_search.py examples/mini8/knots-ties.yaml --goldens testdata/mini8/goldens
"""

import argparse
import copy
import json
import re
import sys
import time
from pathlib import Path

import torch
import yaml
from clip_tasks import SPLITS, Count, Pixels, count, load_head, load_model, read_split
from nli_tasks import Texts
from safetensors.torch import load_file

SIGMA_CUT = 1e-5
# The values that the presets used here start from; see docs/sweep-file.md.
PRESETS = {
    "task_arithmetic": {"density": 1.0, "scaling": 1.0},
    "ties": {"density": 0.2, "scaling": 1.0},
    "knots_ties": {"density": 0.2, "scaling": 1.0},
}
LORA_KEY = re.compile(r"base_model\.model\.(?:vision_model\.)?(?P<module>.+)\.lora_(?P<factor>[AB])\.weight")


def dense_updates(folder):
    """Module name to ΔW = (α/r)·B·A, in the order of the names."""
    folder = Path(folder)
    config = json.loads((folder / "adapter_config.json").read_text())
    if config.get("use_rslora") or config.get("use_dora") or config.get("rank_pattern") or config.get("alpha_pattern"):
        sys.exit(f"{folder}: only plain LoRA with one rank and alpha is known here")
    factors = {}
    for key, tensor in load_file(folder / "adapter_model.safetensors").items():
        match = LORA_KEY.fullmatch(key)
        # The head of a classifier, which is never merged.
        if match is None and key.endswith("score.weight"):
            continue
        if match is None:
            sys.exit(f"{folder}: cannot place the tensor {key}")
        factors.setdefault(match["module"], {})[match["factor"]] = tensor
    scale = config["lora_alpha"] / config["r"]
    return {module: scale * (factors[module]["B"] @ factors[module]["A"]) for module in sorted(factors)}


def trim(entries, density):
    """Zeroes what is smaller in magnitude than the (d - int(d*density))-th smallest of a task."""
    if density >= 1:
        return entries
    below = len(entries) - int(len(entries) * density)
    return torch.where(entries.abs() >= entries.abs().kthvalue(below).values, entries, 0.0)


def ties(tasks, density):
    """Trim, elect by the sign of the sum, mean over the agreeing non-zeros. `tasks`: [n, d]."""
    kept = torch.stack([trim(task, density) for task in tasks])
    sign = kept.sum(dim=0).sign()
    sign = torch.where(sign == 0, sign.sum().sign(), sign)
    agrees = torch.where(sign > 0, kept > 0, kept < 0)
    return (kept * agrees).sum(dim=0) / agrees.sum(dim=0).clamp(min=1)


def flatten(matrices):
    return torch.cat([matrix.flatten() for matrix in matrices])


def unflatten(vector, shapes):
    parts = vector.split([rows * columns for rows, columns in shapes])
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]


def knots_ties(adapters, modules, density):
    """TIES on diag(s)·V of the dense SVD of [ΔW_1 ... ΔW_n], back through U."""
    bases, coordinates = [], []
    for module in modules:
        columns = adapters[0][module].shape[1]
        joined = torch.cat([adapter[module] for adapter in adapters], dim=1).double()
        u, s, vt = torch.linalg.svd(joined, full_matrices=False)
        stays = s > SIGMA_CUT
        u, s, vt = u[:, stays].float(), s[stays].float(), vt[stays].float()
        bases.append(u)
        coordinates.append((s[:, None] * vt).split(columns, dim=1))
    tasks = torch.stack([flatten(parts) for parts in zip(*coordinates, strict=True)])
    merged = unflatten(ties(tasks, density), [parts[0].shape for parts in coordinates])
    return [u @ part for u, part in zip(bases, merged, strict=True)]


def merge(adapters, recipe):
    """Module name to merged update."""
    modules = list(adapters[0])
    match recipe["preset"]:
        case "task_arithmetic":
            merged = [sum(adapter[module] for adapter in adapters) for module in modules]
        case "ties":
            tasks = torch.stack([flatten(adapter.values()) for adapter in adapters])
            merged = unflatten(ties(tasks, recipe["density"]), [adapters[0][module].shape for module in modules])
        case "knots_ties":
            merged = knots_ties(adapters, modules, recipe["density"])
    return {module: recipe["scaling"] * update for module, update in zip(modules, merged, strict=True)}


class Images:
    """What a search needs to evaluate models of images."""

    def __init__(self, base, batch_size):
        self.batch_size = batch_size
        self.model = load_model(base)
        self.pixels = Pixels(base)

    @staticmethod
    def task(folder, task):
        """What is read of a task."""
        return {key: folder / task[key] for key in ("adapter", "data", "head")}

    @staticmethod
    def adapted(model):
        """The part of the model that the names of adapted modules begin in."""
        return model.vision_model

    def count(self, model, task, split):
        images, labels = read_split(task["data"], split)
        return count(model, self.pixels, images, labels, load_head(task["head"]), self.batch_size)


class Sweep:
    """What the search needs of a sweep file."""

    def __init__(self, file, batch_size):
        folder = Path(file).parent
        text = yaml.safe_load(Path(file).read_text())
        if text["method"] != "linear" or text["metric"]["name"] != "mean_normalised_accuracy":
            sys.exit(f"{file}: only the linear search for mean_normalised_accuracy is known here")
        has_texts = all(isinstance(task["data"], dict) and "convention" in task["data"] for task in text["tasks"])
        self.kind = (Texts if has_texts else Images)(folder / text["base"], batch_size)
        self.tasks = {task["name"]: self.kind.task(folder, task) for task in text["tasks"]}
        self.select, self.report = text["evaluation"]["select"], text["evaluation"]["report"]
        self.recipe = resolve(text["recipe"])
        self.parameters = {key: values(space) for key, space in text["parameters"].items()}
        self.baselines = {b["name"]: resolve(without_name(b)) for b in text.get("baselines", [])}

    def updates(self):
        return [dense_updates(task["adapter"]) for task in self.tasks.values()]

    def with_update(self, update):
        """A deep copy of the base with the update added."""
        merged = copy.deepcopy(self.kind.model)
        with torch.no_grad():
            for module, matrix in update.items():
                self.kind.adapted(merged).get_submodule(module).weight += matrix
        return merged

    def evaluate(self, model, split, only=None):
        return {name: self.kind.count(model, task, split) for name, task in self.tasks.items() if only in (None, name)}

    def evaluate_recipe(self, recipe, split):
        return self.evaluate(self.with_update(merge(self.updates(), recipe)), split)


def without_name(baseline):
    return {key: value for key, value in baseline.items() if key != "name"}


def resolve(recipe):
    unknown = set(recipe) - {"preset", "density", "scaling"}
    if unknown or recipe["preset"] not in PRESETS:
        sys.exit(f"the recipe {recipe} uses more than is known here")
    return PRESETS[recipe["preset"]] | recipe


def values(space):
    if "values" in space:
        return space["values"]
    steps = round((space["max"] - space["min"]) / space["step"])
    return [round(space["min"] + step * space["step"], 10) for step in range(steps + 1)]


def mean_normalised(counts, own):
    return sum(counts[task].accuracy / own[task].accuracy for task in counts) / len(counts)


def model_name(recipe):
    """How an evaluation of a merge is named, here and by bench_search.py."""
    return f"{recipe['preset']}, density {recipe['density']:g}, scaling {recipe['scaling']:g}"


class Evaluations:
    """Every evaluation once, by model and split: a point that comes up again is not computed again."""

    def __init__(self, sweep):
        self.sweep = sweep
        self.counts = {}

    def of_base(self, split):
        self.counts["base", split] = self.sweep.evaluate(self.sweep.kind.model, split)

    def of_adapter(self, task):
        tuned = self.sweep.with_update(dense_updates(self.sweep.tasks[task]["adapter"]))
        for split in SPLITS:
            self.counts[f"adapter {task}", split] = self.sweep.evaluate(tuned, split, only=task)

    def of_recipe(self, recipe, split):
        key = model_name(recipe), split
        if key not in self.counts:
            self.counts[key] = self.sweep.evaluate_recipe(recipe, split)
        return self.counts[key]

    def own(self, split):
        return {task: self.counts[f"adapter {task}", split][task] for task in self.sweep.tasks}


def linear_search(sweep, evaluations, log):
    """One parameter after the other; a scan stops at the first value worse than its best; of equals the last wins.

    A parameter keeps its value where the best point of the scans before is better than all of its own scan.
    """
    own, chosen, chosen_score = evaluations.own(sweep.select), dict(sweep.recipe), float("-inf")
    for key, candidates in sweep.parameters.items():
        best, best_score = None, float("-inf")
        for candidate in candidates:
            recipe = chosen | {key: candidate}
            score = mean_normalised(evaluations.of_recipe(recipe, sweep.select), own)
            log(f"{key} {candidate:g}: {score:.4f}")
            if score < best_score:
                break
            best, best_score = recipe, score
        if best_score >= chosen_score:
            chosen, chosen_score = best, best_score
    return chosen


def run(sweep, log):
    started = time.perf_counter()
    evaluations = Evaluations(sweep)
    for split in SPLITS:
        evaluations.of_base(split)
    for task in sweep.tasks:
        evaluations.of_adapter(task)
    for recipe in sweep.baselines.values():
        for split in SPLITS:
            evaluations.of_recipe(recipe, split)
    chosen = linear_search(sweep, evaluations, log)
    evaluations.of_recipe(chosen, sweep.report)
    return {
        "seconds": time.perf_counter() - started,
        "chosen": model_name(chosen),
        "evaluations": [
            {"model": model, "split": split, "counts": counts} for (model, split), counts in evaluations.counts.items()
        ],
    }


def golden_recipe(golden):
    """The recipe of a record of the reference implementation, if it is one of those known here."""
    config = golden["config"]
    if golden["adapters"] != "adapters" or config["dare"] or not config.get("concat_across_output", True):
        return None
    match config["representation"], config["merge_method"], config["merging_type"], config.get("sign_resolve_mode"):
        case "svd-vector", "ties", "mean", "sum_of_values":
            preset = "knots_ties"
        case "vector", "ties", "mean", _:
            preset = "ties"
        case "vector", "tv", "sum", _:
            preset = "task_arithmetic"
        case _:
            return None
    return {"preset": preset, "density": config.get("topK", 100) / 100, "scaling": config["scaling_coeffs"]}


def check_goldens(sweep, folder, pattern):
    """Compares with recorded accuracies of the reference implementation; one image may differ."""
    worst, compared = 0, 0
    for file in sorted(Path(folder).glob(pattern)):
        golden = json.loads(file.read_text())
        if "config" not in golden or golden["tasks"] != list(sweep.tasks):
            continue
        recipe = golden_recipe(golden)
        if recipe is None:
            continue
        differences = []
        for split in SPLITS:
            counts = sweep.evaluate_recipe(recipe, split)
            differences += [abs(c.correct - golden["per_task"][task][split]["correct"]) for task, c in counts.items()]
        print(f"{file.stem}: at most {max(differences)} images apart", flush=True)
        worst, compared = max(worst, *differences), compared + 1
    if compared == 0:
        sys.exit(f"no golden in {folder} could be compared")
    sys.exit(0 if worst <= 1 else f"{worst} images apart: one is allowed")


def to_json(value):
    if isinstance(value, Count):
        return {"correct": value.correct, "n": value.n}
    if isinstance(value, dict):
        return {key: to_json(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [to_json(entry) for entry in value]
    return value


def main():
    parser = argparse.ArgumentParser(description="The search of a sweep file as a plain PyTorch loop.")
    parser.add_argument("sweep", type=Path)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--out", type=Path, help="write the result as JSON here instead of to stdout")
    parser.add_argument("--goldens", type=Path, help="check against this folder instead of searching")
    parser.add_argument("--pattern", default="*.json", help="which goldens")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    sweep = Sweep(arguments.sweep, arguments.batch_size)
    if arguments.goldens:
        check_goldens(sweep, arguments.goldens, arguments.pattern)
    result = run(sweep, lambda line: print(line, file=sys.stderr, flush=True))
    text = json.dumps(to_json(result), indent=1, ensure_ascii=False)
    if arguments.out:
        arguments.out.write_text(text + "\n")
    else:
        print(text)


if __name__ == "__main__":
    main()
