"""Tiny models of the families that adapters come from, with weights of one seed."""

import json

import torch
import transformers as t
from safetensors.torch import load_file, save_file

SIZES = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
TOKENS = {"vocab_size": 40, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
TEXT = {**SIZES, **TOKENS, "max_position_embeddings": 32}
IMAGE = {**SIZES, "image_size": 8, "patch_size": 4}
LLAMA = t.LlamaConfig(**TEXT, num_key_value_heads=2)
PROJECTION = {"projection_dim": 16}
CLIP = t.CLIPConfig(text_config={**TEXT, **PROJECTION}, vision_config={**IMAGE, **PROJECTION}, **PROJECTION)
VISION = {"depth": 1, "embed_dim": 16, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2}
T5 = t.T5Config(d_model=32, d_ff=48, d_kv=8, num_layers=2, num_heads=4, vocab_size=40)
SWIN = t.SwinConfig(image_size=8, patch_size=2, embed_dim=16, depths=[2], num_heads=[2], window_size=2)
QWEN2_VL = {**TEXT, "num_key_value_heads": 2, "rope_scaling": {"type": "mrope", "mrope_section": [1, 1, 2]}}

# By the name of a base: what makes it.
BASES = {
    "llama": lambda: t.LlamaForCausalLM(LLAMA),
    "llama-tied": lambda: t.LlamaForCausalLM(t.LlamaConfig(**TEXT, tie_word_embeddings=True)),
    "gpt2": lambda: t.GPT2LMHeadModel(t.GPT2Config(n_embd=32, n_layer=2, n_head=4, vocab_size=40, n_positions=32)),
    "mixtral": lambda: t.MixtralForCausalLM(t.MixtralConfig(**TEXT, num_key_value_heads=2, num_local_experts=2)),
    "t5": lambda: t.T5ForConditionalGeneration(T5),
    "bert": lambda: t.BertForPreTraining(t.BertConfig(**TEXT)),
    "roberta": lambda: t.RobertaForMaskedLM(t.RobertaConfig(**TEXT)),
    "vit": lambda: t.ViTModel(t.ViTConfig(**IMAGE)),
    "dinov2": lambda: t.Dinov2Model(t.Dinov2Config(**{**IMAGE, "mlp_ratio": 2})),
    "swin": lambda: t.SwinModel(SWIN),
    "clip": lambda: t.CLIPModel(CLIP),
    "siglip": lambda: t.SiglipModel(t.SiglipConfig(text_config=TEXT, vision_config=IMAGE)),
    "qwen2-vl": lambda: t.Qwen2VLForConditionalGeneration(
        t.Qwen2VLConfig(text_config=QWEN2_VL, vision_config=VISION)
    ),
    "llava": lambda: t.LlavaForConditionalGeneration(
        t.LlavaConfig(vision_config=CLIP.vision_config, text_config=LLAMA)
    ),
    "clip-image-alone": lambda: t.CLIPVisionModelWithProjection(CLIP.vision_config),
}


def save_bases(folder):
    """Saves every base below `folder`, and some in forms that other tools write."""
    for name, make in BASES.items():
        torch.manual_seed(sum(map(ord, name)))
        make().save_pretrained(folder / name)
    save_forms(folder)


def save_forms(folder):
    """The Llama as `pytorch_model.bin`, whole and in shards, and as quantised bases name their tensors."""
    weights = load_file(folder / "llama/model.safetensors")
    config = json.loads((folder / "llama/config.json").read_text())

    def start(name, **more):
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(json.dumps({**config, **more}))
        return folder / name

    torch.save(weights, start("llama-bin") / "pytorch_model.bin")
    torch.save(weights, start("llama-old-bin") / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    shards = start("llama-bin-shards")
    index = {}
    for number, names in enumerate([sorted(weights)[:9], sorted(weights)[9:]], 1):
        file = f"pytorch_model-{number:05}-of-00002.bin"
        torch.save({name: weights[name] for name in names}, shards / file)
        index.update(dict.fromkeys(names, file))
    (shards / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": index}))

    linear = [name for name in weights if "_proj.weight" in name]

    def quantised(name, method, parts):
        rest = {name: tensor for name, tensor in weights.items() if name not in linear}
        for weight in linear:
            rest.update(parts(weight.removesuffix(".weight"), weights[weight]))
        save_file(rest, start(name, quantization_config={"quant_method": method}) / "model.safetensors")

    def packed(weight, kind):
        return torch.zeros(weight.numel() // 2, 1, dtype=kind)

    def gptq(module, weight):
        parts = {"qweight": packed(weight, torch.int32), "qzeros": torch.zeros(1), "scales": torch.ones(1)}
        return {f"{module}.{part}": tensor for part, tensor in parts.items()}

    def bits_and_bytes(module, weight):
        return {f"{module}.weight": packed(weight, torch.uint8), f"{module}.weight.absmax": torch.ones(1)}

    quantised("llama-gptq", "gptq", gptq)
    quantised("llama-awq", "awq", gptq)
    quantised("llama-bnb-4", "bitsandbytes", bits_and_bytes)
    quantised("llama-compressed", "compressed-tensors", lambda m, w: {f"{m}.weight_packed": packed(w, torch.int32)})
