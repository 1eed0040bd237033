"""Writes the goldens of the decoders: tiny random classifiers of each family and their logits by transformers and PEFT.

    python testdata/decoders/make_goldens.py

It needs the packages of scripts/requirements.txt, and writes `texts.json` and one folder for each model beside itself:
`config.json` and `model.safetensors` (bfloat16), an `adapter` as PEFT saves it, and `logits.json`. The logits are computed in
float32, each text alone: of the model, and of the model with the adapter merged into it.
"""

import json
import pathlib
import shutil

import peft
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForSequenceClassification,
    LlamaConfig,
    MistralConfig,
    Qwen2Config,
    Qwen3Config,
)

HERE = pathlib.Path(__file__).resolve().parent
LABELS = 3
VOCABULARY = 96
LENGTHS = [1, 2, 5, 6, 13, 31]
SHAPE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "num_labels": LABELS,
    "pad_token_id": None,
}
LINEARS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
WINDOW = {"use_sliding_window": True, "sliding_window": 5}
# Every setting that tells the families apart.
MODELS = {
    "llama_biases": LlamaConfig(**SHAPE, attention_bias=True, mlp_bias=True),
    "mistral": MistralConfig(**SHAPE, head_dim=12, sliding_window=None),
    "mistral_window": MistralConfig(**SHAPE, sliding_window=5),
    "qwen2": Qwen2Config(**SHAPE),
    "qwen2_window": Qwen2Config(**SHAPE, **WINDOW, max_window_layers=1),
    "qwen3": Qwen3Config(**SHAPE, head_dim=16),
    "qwen3_window": Qwen3Config(
        **SHAPE, **WINDOW, head_dim=8, attention_bias=True, layer_types=["sliding_attention", "full_attention"]
    ),
}


def spread(model, generator):
    """Random weights, biases and norms; as they are made, biases are zeros and norms are ones."""
    for name, weight in model.named_parameters():
        noise = torch.randn(weight.shape, generator=generator)
        is_norm = "norm" in name
        weight.data = (1 + 0.3 * noise if is_norm else 0.2 * noise).to(torch.bfloat16).to(torch.float32)


def logits(model, texts):
    with torch.no_grad():
        return [model(torch.tensor([text])).logits[0].tolist() for text in texts]


def make(name, config, texts, seed):
    generator = torch.Generator().manual_seed(seed)
    config._attn_implementation = "eager"
    model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
    spread(model, generator)
    model.eval()
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    model.save_pretrained(folder)
    weights = folder / "model.safetensors"
    tensors = load_file(weights)
    save_file({key: tensor.to(torch.bfloat16) for key, tensor in tensors.items()}, weights, {"format": "pt"})
    settings = json.loads((folder / "config.json").read_text())
    settings["dtype"] = "bfloat16"
    (folder / "config.json").write_text(json.dumps(settings, indent=2) + "\n")
    base = logits(model, texts)
    lora = peft.LoraConfig(r=2, lora_alpha=4, target_modules=LINEARS, task_type="SEQ_CLS")
    adapted = peft.get_peft_model(model, lora)
    for key, weight in adapted.named_parameters():
        if "lora_" in key:
            weight.data = 0.15 * torch.randn(weight.shape, generator=generator)
    adapted.eval()
    adapted.save_pretrained(folder / "adapter")
    (folder / "adapter" / "README.md").unlink(missing_ok=True)
    document = {"base": base, "merged": logits(adapted.merge_and_unload(), texts)}
    (folder / "logits.json").write_text(json.dumps(document) + "\n")


def main():
    generator = torch.Generator().manual_seed(7)
    texts = [torch.randint(VOCABULARY, (length,), generator=generator).tolist() for length in LENGTHS]
    (HERE / "texts.json").write_text(json.dumps(texts) + "\n")
    for seed, (name, config) in enumerate(MODELS.items()):
        make(name, config, texts, seed)


if __name__ == "__main__":
    main()
