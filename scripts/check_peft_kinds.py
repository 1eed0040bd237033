#!/usr/bin/env python3
"""Checks that every kind of adapter that PEFT writes is merged as PEFT merges it, or refused by its name.

One small adapter of each kind is made with the installed PEFT, merged with `bowline merge --format full` and, where it
is not refused, compared with `merge_and_unload`; the merge that is written as an adapter is loaded by PEFT again and
compared too. A member of `PeftType` that no case tries is an error, so that a new kind does not pass unnoticed. Exits
with 1 if anything differs.
"""

import argparse
import dataclasses
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import transformers as t
from peft import AutoPeftModelForCausalLM, LoraConfig, PeftModel, PeftType, get_peft_model
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
from peft_models import save_bases
from safetensors.torch import load_file, save_file

TOLERANCE = 1e-6
QV = ["q_proj", "v_proj"]

t.logging.set_verbosity_error()
t.utils.logging.disable_progress_bar()


@dataclasses.dataclass
class Case:
    """An adapter to make: of a base, wrapped as a class, with a configuration."""

    name: str
    base: str
    model: type
    config: object
    # A piece of the message, if it is to be refused.
    refused: str | None = None
    # What happens to the saved folder before it is merged.
    edit: object = None
    # The base that is merged into, if it is not the one that was trained.
    into: str | None = None


def lora(**more):
    return LoraConfig(**{"r": 4, "lora_alpha": 6, "target_modules": QV, **more})


def lora_cases():
    llama, seq = t.LlamaForCausalLM, t.LlamaForSequenceClassification
    bert, roberta = ["query", "value"], t.RobertaForSequenceClassification
    first = r"^model\.layers\.1\.self_attn\.q_proj"
    conv1d = ["c_attn", "c_proj"]
    yield Case("plain", "llama", llama, lora(task_type="CAUSAL_LM"))
    yield Case("body", "llama", t.LlamaModel, lora())
    yield Case("rslora", "llama", llama, lora(use_rslora=True))
    yield Case("rank_pattern", "llama", llama, lora(rank_pattern={r"layers\.0\.self_attn\.q_proj": 2}))
    yield Case("alpha_pattern", "llama", llama, lora(alpha_pattern={"v_proj": 10, first: 3}))
    yield Case("all-linear", "llama", llama, lora(target_modules="all-linear"))
    yield Case("regex targets", "llama", llama, lora(target_modules=r".*\.1\..*(up|down)_proj"))
    yield Case("layers_to_transform", "llama", llama, lora(layers_to_transform=[1]))
    yield Case("exclude_modules", "llama", llama, lora(exclude_modules=["v_proj"], target_modules=QV))
    yield Case("gaussian", "llama", llama, lora(init_lora_weights="gaussian"))
    yield Case("orthogonal", "llama", llama, lora(init_lora_weights="orthogonal"))
    yield Case("lm_head", "llama", llama, lora(target_modules=[*QV, "lm_head"]))
    yield Case("lm_head tied", "llama-tied", llama, lora(target_modules=[*QV, "lm_head"]), "tie_word_embeddings")
    yield Case("fan_in_fan_out", "gpt2", t.GPT2LMHeadModel, lora(target_modules=conv1d, fan_in_fan_out=True))
    seq2seq = lora(target_modules=["q", "v"], task_type="SEQ_2_SEQ_LM")
    yield Case("t5", "t5", t.T5ForConditionalGeneration, seq2seq)
    yield Case("moe attention", "mixtral", t.MixtralForCausalLM, lora())
    yield Case("SEQ_CLS llama", "llama", seq, lora(task_type="SEQ_CLS"))
    task = lambda kind: lora(task_type=kind, target_modules=bert)
    yield Case("SEQ_CLS bert", "bert", t.BertForSequenceClassification, task("SEQ_CLS"))
    yield Case("SEQ_CLS roberta", "roberta", roberta, task("SEQ_CLS"))
    yield Case("TOKEN_CLS bert", "bert", t.BertForTokenClassification, task("TOKEN_CLS"))
    yield Case("QUESTION_ANS bert", "bert", t.BertForQuestionAnswering, task("QUESTION_ANS"))
    yield Case("classifier vit", "vit", t.ViTForImageClassification, lora(modules_to_save=["classifier"]))
    yield Case("dinov2", "dinov2", t.Dinov2ForImageClassification, lora(modules_to_save=["classifier"]))
    yield Case("swin", "swin", t.SwinForImageClassification, lora(modules_to_save=["classifier"]))
    yield Case("CLIPModel both towers", "clip", t.CLIPModel, lora())
    yield Case("CLIPModel all-linear", "clip", t.CLIPModel, lora(target_modules="all-linear"))
    projections = ["visual_projection", "text_projection"]
    yield Case("CLIPModel projections", "clip", t.CLIPModel, lora(target_modules=projections))
    yield Case("CLIPTextModel", "clip", t.CLIPTextModel, lora())
    yield Case("CLIPVisionModel", "clip", t.CLIPVisionModel, lora())
    yield Case("CLIPVisionModelWithProjection", "clip", t.CLIPVisionModelWithProjection, lora())
    yield Case("SiglipTextModel", "siglip", t.SiglipTextModel, lora())
    yield Case("SiglipVisionModel", "siglip", t.SiglipVisionModel, lora())
    yield Case("qwen2-vl", "qwen2-vl", t.Qwen2VLForConditionalGeneration, lora(target_modules=[*QV, "qkv"]))
    yield Case("llava", "llava", t.LlavaForConditionalGeneration, lora())
    yield Case("bin base", "llama", llama, lora(), into="llama-bin")
    yield Case("old bin base", "llama", llama, lora(), into="llama-old-bin")
    yield Case("bin base in shards", "llama", llama, lora(), into="llama-bin-shards")


def refused_lora_cases():
    llama = t.LlamaForCausalLM
    yield Case("dora", "llama", llama, lora(use_dora=True), "use_dora")
    for init in ["pissa", "pissa_niter_4", "olora"]:
        yield Case(init, "llama", llama, lora(init_lora_weights=init), f"`init_lora_weights` is `{init}`")
    yield Case("bias", "llama", llama, lora(bias="all"), "`bias` is `all`")
    yield Case("lora_bias", "roberta", t.RobertaModel, lora(lora_bias=True, target_modules=["query"]), "lora_bias")
    yield Case("modules_to_save", "llama", llama, lora(modules_to_save=["norm"]), "`modules_to_save` is `norm`")
    yield Case("whole lm_head", "llama", llama, lora(modules_to_save=["lm_head"]), "`modules_to_save` is `lm_head`")
    tokens = lora(trainable_token_indices=[1, 2])
    yield Case("trainable_token_indices", "llama", llama, tokens, "trainable_token_indices")
    experts = lora(target_modules=[], target_parameters=["mlp.experts.gate_up_proj"])
    yield Case("target_parameters", "mixtral", t.MixtralForCausalLM, experts, "target_parameters")
    replicated = lora(layer_replication=[[0, 2], [1, 2]])
    yield Case("layer_replication", "llama", llama, replicated, "layer_replication")
    activated = lora(alora_invocation_tokens=[3], task_type="CAUSAL_LM")
    yield Case("alora", "llama", llama, activated, "alora_invocation_tokens")
    yield Case("conv", "clip", t.CLIPVisionModel, lora(target_modules=["patch_embedding"]), "convolutions")
    yield Case("embedding", "llama", llama, lora(target_modules=["embed_tokens"]), "embeddings")
    for base in ["llama-gptq", "llama-awq", "llama-bnb-4", "llama-compressed"]:
        yield Case(base, "llama", llama, lora(), "the base is quantised", into=base)
    yield Case("deeper", "llama", llama, lora(), "larger model", edit=rename("layers.1", "layers.7"))
    yield Case("text adapter, image base", "clip", t.CLIPTextModel, lora(), "text tower", into="clip-image-alone")


def rename(old, new):
    """Renames keys of the saved weights."""

    def edit(folder):
        file = folder / "adapter_model.safetensors"
        save_file({name.replace(old, new): tensor for name, tensor in load_file(file).items()}, file)

    return edit


def as_bin(wrap=lambda weights: weights, **options):
    """Saves the weights as `.bin` in place of safetensors."""

    def edit(folder):
        file = folder / "adapter_model.safetensors"
        torch.save(wrap(load_file(file)), folder / "adapter_model.bin", **options)
        file.unlink()

    return edit


def writer_cases():
    """The same adapter as other writers and wrappers leave it."""
    of_each = lambda change: lambda weights: {name: change(tensor) for name, tensor in weights.items()}
    edits = {
        "bin": as_bin(),
        "bin, old": as_bin(_use_new_zipfile_serialization=False),
        "bin, protocol 4": as_bin(pickle_protocol=4),
        "bin, protocol 5": as_bin(pickle_protocol=5),
        "bin, one level down": as_bin(lambda weights: {"epoch": 3, "state_dict": weights}),
        "bin, old, one level down": as_bin(lambda weights: {"model": weights}, _use_new_zipfile_serialization=False),
        "bin, strided": as_bin(of_each(lambda tensor: tensor.t().contiguous().t())),
        "bin, parameters": as_bin(of_each(torch.nn.Parameter)),
        "bin, doubles": as_bin(of_each(torch.Tensor.double)),
        "torch.compile": rename("base_model.model.", "base_model.model._orig_mod."),
        "torch.compile outside": rename("base_model.", "_orig_mod.base_model."),
        "data parallel": rename("base_model.", "module.base_model."),
        "FSDP": rename("self_attn.", "_fsdp_wrapped_module.self_attn._checkpoint_wrapped_module."),
        "named": rename(".weight", ".digits.weight"),
        "default": rename(".weight", ".default.weight"),
        "no prefix": rename("base_model.model.", ""),
    }
    for name, edit in edits.items():
        yield Case(name, "llama", t.LlamaForCausalLM, lora(target_modules="all-linear"), edit=edit)


# What a kind's configuration needs beside its targets.
NEEDED = {
    "ADALORA": {"total_step": 10, "target_modules": QV},
    "ADAPTION_PROMPT": {"adapter_len": 2, "adapter_layers": 1, "task_type": "CAUSAL_LM"},
    "IA3": {"target_modules": ["k_proj", "v_proj", "down_proj"], "feedforward_modules": ["down_proj"]},
    "LN_TUNING": {"target_modules": ["input_layernorm"]},
    "TRAINABLE_TOKENS": {"token_indices": [1, 2], "target_modules": ["embed_tokens"]},
    "OFT": {"oft_block_size": 8, "target_modules": QV},
    "BOFT": {"boft_block_size": 4, "target_modules": QV},
    "VBLORA": {"vector_length": 4, "num_vectors": 8, "topk": 2, "r": 4, "target_modules": QV},
    "FOURIERFT": {"n_frequency": 10, "target_modules": QV},
    "C3A": {"block_size": 8, "target_modules": QV},
    "MISS": {"r": 4, "target_modules": QV},
    "ROAD": {"group_size": 8, "target_modules": QV},
    "SHIRA": {"r": 4, "target_modules": QV},
    "WAVEFT": {"n_frequency": 10, "target_modules": QV},
    "PSOFT": {"r": 4, "target_modules": QV},
}
PROMPTS = {"PROMPT_TUNING", "MULTITASK_PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING", "CPT", "CARTRIDGE"}


def other_kinds():
    """One adapter of every `PeftType` but LoRA."""
    for kind in PeftType:
        if kind == PeftType.LORA:
            continue
        make = PEFT_TYPE_TO_CONFIG_MAPPING[kind]
        fields = {field.name for field in dataclasses.fields(make)}
        needed = dict(NEEDED.get(kind.value, {"target_modules": QV} if "target_modules" in fields else {}))
        if kind.value in PROMPTS:
            needed = {"num_virtual_tokens": 3, "task_type": "CAUSAL_LM"}
            needed = {name: value for name, value in needed.items() if name in fields}
        yield Case(kind.value, "llama", t.LlamaForCausalLM, (make, needed), f"`peft_type` is `{kind.value}`")


def make_adapter(case, bases, folder):
    """Saves the adapter of a case; the model as PEFT merges it, and a note."""
    torch.manual_seed(3)
    if isinstance(case.config, tuple):
        make, needed = case.config
        try:
            get_peft_model(case.model.from_pretrained(bases / case.base), make(**needed)).save_pretrained(folder)
            return None, ""
        except Exception as error:
            # Some kinds cannot be made for a tiny model: what decides is their configuration.
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            values = {"peft_type": case.name, **needed}
            (folder / "adapter_config.json").write_text(json.dumps(values))
            save_file({"x": torch.zeros(1)}, folder / "adapter_model.safetensors")
            return None, f" (configuration alone: {type(error).__name__})"
    model = get_peft_model(case.model.from_pretrained(bases / case.base), case.config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    model.save_pretrained(folder)
    return (None if case.refused else model.merge_and_unload()), ""


def bowline(binary, base, adapters, out, form="peft"):
    """Sums the adapters; the exit code and what was said."""
    recipe = out.parent / "recipe.json"
    recipe.write_text('{"preset": "task_arithmetic", "scaling": 1.0}')
    arguments = ["merge", "--base", base, "--recipe", recipe, "--out", out, "--format", form]
    for name, folder in adapters.items():
        arguments += ["--adapter", f"{name}={folder}"]
    run = subprocess.run([binary, *map(str, arguments)], capture_output=True, text=True)
    return run.returncode, run.stderr.strip()


def merge(binary, base, adapters, out, form="peft"):
    code, said = bowline(binary, base, adapters, out, form)
    if code != 0:
        raise ValueError(f"exit code {code}: {said}")


def difference(found, expected):
    """The largest relative difference of two state dicts; a tensor that is in one alone is an error."""
    if found.keys() != expected.keys():
        raise ValueError(f"other tensors: {sorted(found.keys() ^ expected.keys())[:3]}")
    worst = 0.0
    for name, tensor in expected.items():
        norm = tensor.double().norm().item()
        worst = max(worst, (found[name].double() - tensor.double()).norm().item() / max(norm, 1e-30))
    return worst


def body(model, names):
    """The weights of a model that its base has as well: no head that is a task's own."""
    return {name: tensor for name, tensor in model.state_dict().items() if name.split(".")[0] not in names}


HEADS = {"score", "classifier", "qa_outputs"}


def merged_right(case, binary, bases, work, expected):
    """Merges the adapter both ways; the differences from PEFT's own merge."""
    base = bases / (case.into or case.base)
    for form in ["full", "peft"]:
        merge(binary, base, {"task": work / "adapter"}, work / form, form)
    full = case.model.from_pretrained(work / "full")
    model = case.model.from_pretrained(bases / case.base)
    untouched = body(model, HEADS)
    wrapped = PeftModel.from_pretrained(model, work / "peft")
    written = load_file(work / "peft/adapter_model.safetensors")
    loaded = {name.replace(".default.", "."): value for name, value in wrapped.state_dict().items() if "lora_" in name}
    factors = {name for name in written if "lora_" in name}
    if factors != loaded.keys():
        raise ValueError(f"PEFT placed other factors than were written: {sorted(factors ^ loaded.keys())[:3]}")
    wanted = body(expected, HEADS)
    if difference(untouched, wanted) < 1e-3:
        raise ValueError("the adapter changes nothing")
    again = wrapped.merge_and_unload()
    head = lambda model: {name: value for name, value in model.state_dict().items() if name.split(".")[0] in HEADS}
    pairs = [(body(full, HEADS), wanted), (body(again, HEADS), wanted), (head(again), head(expected))]
    errors = [difference(found, right) for found, right in pairs]
    untouched_files(base, work / "full", len(factors) // 2)
    return errors


def untouched_files(base, full, modules):
    """All tensors of the files but the adapted ones are the base's, bit by bit."""
    old, new = {}, {}
    for folder, tensors in [(base, old), (full, new)]:
        for file in folder.glob("*.safetensors"):
            tensors.update(load_file(file))
    if not old:
        return
    changed = [name for name in old if not torch.equal(old[name], new[name])]
    if old.keys() != new.keys() or len(changed) != modules:
        raise ValueError(f"{modules} modules were adapted, and {len(changed)} tensors of the files changed")


def two_names(binary, bases, work):
    """Adapters of two classes in one merge: the adapter that is written holds all of it for one class."""
    image = r"vision_model.*q_proj"
    pairs = [
        ("llama", t.LlamaForCausalLM, lora(task_type="CAUSAL_LM"), t.LlamaModel, lora(target_modules=["up_proj"])),
        ("clip", t.CLIPModel, lora(target_modules=image), t.CLIPVisionModel, lora(target_modules=["fc1"])),
        ("clip", t.CLIPTextModel, lora(), t.CLIPVisionModel, lora()),
    ]
    for number, (base, one, config, other, more) in enumerate(pairs):
        folder = work / f"two-{number}"
        make_adapter(Case("one", base, one, config), bases, folder / "one")
        make_adapter(Case("other", base, other, more), bases, folder / "other")
        adapters = {name: folder / name for name in ["one", "other"]}
        for form in ["full", "peft"]:
            merge(binary, bases / base, adapters, folder / form, form)
        whole = t.CLIPModel if one is t.CLIPTextModel else one
        model = PeftModel.from_pretrained(whole.from_pretrained(bases / base), folder / "peft").merge_and_unload()
        error = difference(model.state_dict(), whole.from_pretrained(folder / "full").state_dict())
        names = f"{one.__name__} and {other.__name__}"
        if error > TOLERANCE:
            raise ValueError(f"{names}: {error:.1e}")
        print(f"{names:>38}: one scheme of names, error {error:.1e}")
    adapters = {}
    for name in ["one", "other"]:
        adapters[name] = work / f"auto-{name}"
        make_adapter(Case(name, "llama", t.LlamaForCausalLM, lora(task_type="CAUSAL_LM")), bases, adapters[name])
    merge(binary, bases / "llama", adapters, work / "auto")
    AutoPeftModelForCausalLM.from_pretrained(work / "auto")
    print(f"{'AutoPeftModelForCausalLM':>38}: loads the merge")


def try_case(case, binary, bases, work):
    """What is to be said of a case, and its largest error; `None` if it was refused, as it should be."""
    expected, note = make_adapter(case, bases, work / "adapter")
    if case.edit:
        case.edit(work / "adapter")
    if not case.refused:
        error = max(merged_right(case, binary, bases, work, expected))
        if error > TOLERANCE:
            raise ValueError(f"differs by {error:.1e}")
        return f"merged, error {error:.1e}", error
    code, said = bowline(binary, bases / (case.into or case.base), {"task": work / "adapter"}, work / "out")
    if code != 65 or case.refused not in said:
        raise ValueError(f"exit code {code}, expected 65 with `{case.refused}`: {said}")
    return f"refused by name{note}", None


def all_cases(names):
    cases = [*lora_cases(), *writer_cases(), *refused_lora_cases(), *other_kinds()]
    missing = {kind.value for kind in PeftType} - {"LORA"} - {case.name for case in cases}
    if missing:
        sys.exit(f"PEFT has kinds that no case tries: {', '.join(sorted(missing))}")
    return [case for case in cases if not names or any(name in case.name for name in names)]


def main():
    parser = argparse.ArgumentParser(description="Tries an adapter of every kind that PEFT writes.")
    parser.add_argument("--bowline", required=True)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    cases, failures, errors = all_cases(arguments.names), [], []
    with tempfile.TemporaryDirectory() as folder:
        work, bases = Path(folder) / "case", Path(folder) / "bases"
        save_bases(bases)
        for case in cases:
            work.mkdir()
            try:
                outcome, error = try_case(case, arguments.bowline, bases, work)
                errors.append(error)
            except Exception as error:
                failures.append(case.name)
                outcome = f"NOT RIGHT: {type(error).__name__}: {error}"
            print(f"{case.name:>38}: {outcome}", flush=True)
            shutil.rmtree(work)
        if not arguments.names:
            try:
                two_names(arguments.bowline, bases, Path(folder))
            except Exception as error:
                failures.append("two names")
                print(f"{'two names':>38}: NOT RIGHT: {type(error).__name__}: {error}")
    merged = [error for error in errors if error is not None]
    print(
        f"{len(merged)} adapters merged as PEFT does (largest relative error {max(merged, default=0):.1e}, allowed "
        f"{TOLERANCE:.0e}), {len(errors) - len(merged)} refused by name, {len(failures)} not right"
    )
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
