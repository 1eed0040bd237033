"""Goldens of RegMean++ on mini8 and nli6, for testdata/statistics.

    make_regmean_plus_plus.py OUT      in the environment of `scripts/python-env`

RegMean++ (arXiv:2508.03121) as FusionBench has it (`method/regmean_plusplus`), written after the paper's definition and from
nothing of Bowline. The models are those of `transformers`, layer by layer, in float64:

- x_t, the examples of task t, enter the first layer: embeddings, with CLIP's first layer norm.
- Layer by layer: every task's own layer (base + B_t·A_t) takes x_t, and the inputs of its adapted matrices make
  G_t = mean over tokens of x xᵀ; off-diagonal entries are multiplied by `off_diagonal`.
  D^T = (Σ_t G_t)⁻¹ Σ_t G_t D_t^T is the merged update of a matrix. Then x_t becomes what the merged layer makes of x_t.

Examples are the first `EXAMPLES` of the training files beside the goldens, in file order. Texts are not padded: each goes
through the model by itself.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from transformers import CLIPModel, LlamaModel

from clip_tasks import Pixels

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = 256
torch.set_default_dtype(torch.float64)
torch.set_num_threads(2)


class Images:
    """mini8: the image tower of a CLIP model."""

    tasks = ["mnist", "fashion_mnist", "optdigits", "letters", "scripts", "flags", "emoji", "icons"]
    sites = ["q_proj", "k_proj", "v_proj", "out_proj"]
    prefix = "encoder"

    def __init__(self):
        self.folder = ROOT / "examples/mini8"
        self.tower = CLIPModel.from_pretrained(self.folder / "base", dtype=torch.float64).vision_model.eval()
        self.layers = self.tower.encoder.layers
        self.pixels = Pixels(self.folder / "base")

    def states(self, task):
        file = next((ROOT / "testdata/statistics/mini8" / task).glob("train-*.parquet"))
        rows = parquet.read_table(file, columns=["image"]).to_pydict()["image"][:EXAMPLES]
        pixels = self.pixels([row["bytes"] for row in rows]).double()
        return [self.tower.pre_layrnorm(self.tower.embeddings(pixels))]

    def run(self, layer, x):
        out = self.layers[layer](x, attention_mask=None)
        return out[0] if isinstance(out, tuple) else out


class TextPairs:
    """nli6: a small Llama."""

    tasks = ["snli", "mnli", "sick", "qnli", "rte", "scitail"]
    sites = ["q_proj", "k_proj", "v_proj", "o_proj"]
    prefix = "model"

    def __init__(self):
        self.folder = ROOT / "examples/nli6"
        self.model = LlamaModel.from_pretrained(
            self.folder / "base", dtype=torch.float64, attn_implementation="eager"
        ).eval()
        self.layers = self.model.layers
        self.tokenizer = Tokenizer.from_file(str(self.folder / "base/tokenizer.json"))

    def states(self, task):
        return [self.model.embed_tokens(torch.tensor([ids])) for ids in token_ids(self.tokenizer, task)]

    def run(self, layer, x):
        place = torch.arange(x.shape[1])[None]
        rope = self.model.rotary_emb(x, place)
        mask = torch.full((x.shape[1], x.shape[1]), -torch.inf).triu(1)[None, None]
        out = self.layers[layer](x, attention_mask=mask, position_ids=place, position_embeddings=rope)
        return out[0] if isinstance(out, tuple) else out


# The columns of each task's texts.
COLUMNS = {
    "snli": ("premise", "hypothesis"),
    "mnli": ("text1", "text2"),
    "sick": ("sentence_A", "sentence_B"),
    "qnli": ("text1", "text2"),
    "rte": ("text1", "text2"),
    "scitail": ("premise", "hypothesis"),
}


def token_ids(tokenizer, task):
    """The first pairs of texts with a valid label, as token ids."""
    folder = ROOT / "testdata/statistics/nli6" / task
    file = folder / "train.parquet"
    if file.exists():
        rows = parquet.read_table(file).to_pylist()
    else:
        rows = [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]
    valid = [row for row in rows if row["label"] in (0, 1, 2, "entails", "neutral")]
    first, second = COLUMNS[task]
    return [tokenizer.encode(row[first], row[second]).ids for row in valid[:EXAMPLES]]


def updates(folder, name, tasks):
    """The update of a matrix by task; α/r is 1 in these adapters."""
    found = {}
    for task in tasks:
        tensors = load_file(folder / "adapters" / task / "adapter_model.safetensors")
        b, a = (tensors[f"base_model.model.{name}.lora_{side}.weight"].double() for side in "BA")
        found[task] = b @ a
    return found


def merge_layer(lab, layer, tasks, states, off_diagonal):
    names = {site: f"{lab.prefix}.layers.{layer}.self_attn.{site}" for site in lab.sites}
    modules = {site: getattr(lab.layers[layer].self_attn, site) for site in lab.sites}
    base = {site: module.weight.data.clone() for site, module in modules.items()}
    own = {site: updates(lab.folder, names[site], tasks) for site in lab.sites}
    sums = {site: 0 for site in lab.sites}
    wanted = {site: 0 for site in lab.sites}
    for task in tasks:
        total = {site: 0 for site in lab.sites}
        count = {site: 0 for site in lab.sites}

        def watch(site):
            def note(_module, args):
                x = args[0].reshape(-1, args[0].shape[-1])
                total[site] = total[site] + x.T @ x
                count[site] += len(x)

            return modules[site].register_forward_pre_hook(note)

        for site in lab.sites:
            modules[site].weight.data = base[site] + own[site][task]
        hooks = [watch(site) for site in lab.sites]
        for x in states[task]:
            lab.run(layer, x)
        for hook in hooks:
            hook.remove()
        for site in lab.sites:
            gram = total[site] / count[site]
            gram = gram * off_diagonal + torch.diag(torch.diagonal(gram)) * (1 - off_diagonal)
            sums[site] = sums[site] + gram
            wanted[site] = wanted[site] + gram @ own[site][task].T
    merged = {site: torch.linalg.solve(sums[site], wanted[site]).T.contiguous() for site in lab.sites}
    for site in lab.sites:
        modules[site].weight.data = base[site] + merged[site]
    for task in tasks:
        states[task] = [lab.run(layer, x) for x in states[task]]
    for site in lab.sites:
        modules[site].weight.data = base[site]
    return {names[site]: merged[site] for site in lab.sites}


@torch.no_grad()
def regmean_plus_plus(lab, tasks, off_diagonal):
    states = {task: lab.states(task) for task in tasks}
    merged = {}
    for layer in range(len(lab.layers)):
        merged.update(merge_layer(lab, layer, tasks, states, off_diagonal))
    return merged


def write(out, name, config, tasks, merged, whole):
    update = {
        module: {"norm": float(value.norm()), "first8": value.flatten()[:8].tolist()} for module, value in merged.items()
    }
    document = {"config": config, "tasks": tasks, "update": update}
    (out / f"{name}.json").write_text(json.dumps(document, indent=1))
    if whole:
        tensors = {f"{module}.weight": value.float().contiguous() for module, value in merged.items()}
        save_file(tensors, out / f"update_{name}.safetensors")
    print(name, np.mean([entry["norm"] for entry in update.values()]), flush=True)


def main():
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    sub = ["mnist", "letters", "flags", "emoji"]
    images = Images()
    texts = TextPairs()
    for lab, name, tasks, off_diagonal, whole in [
        (images, "all8", Images.tasks, 0.9, True),
        (images, "sub4", sub, 0.5, False),
        (texts, "nli6", TextPairs.tasks, 0.9, True),
    ]:
        config = {"method": "regmean_plus_plus", "examples": EXAMPLES, "split": "train", "off_diagonal": off_diagonal}
        merged = regmean_plus_plus(lab, tasks, off_diagonal)
        write(out, f"regmean_pp_{name}_n{EXAMPLES}_o{off_diagonal}", config, tasks, merged, whole)


if __name__ == "__main__":
    main()
