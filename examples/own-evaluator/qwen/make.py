"""Makes the inputs of the example beside this file: a tiny Qwen2 that copies and shifts letters and makes many errors, and two LoRA
adapters that each shift letters in one direction and make nearly none.

    python make.py [FOLDER]        default: the folder `made` beside this file; less than a minute

It needs PyTorch, transformers and PEFT (scripts/requirements.txt).
"""

import json
import pathlib
import random
import sys

import torch
from peft import LoraConfig, get_peft_model
from transformers import Qwen2Config, Qwen2ForCausalLM

LETTERS = "abcdefghijklmnopqrstuvwxyz"
# A prompt is the letter of its task, some letters, and `=`. The answer is as long as they are.
SYMBOLS = LETTERS + "CUD="
SHIFTS = {"C": 0, "U": 1, "D": -1}
TASKS = {"up": "U", "down": "D"}
LENGTH = 3
SPLITS = {"validation": 150, "test": 300}


def answer(kind, word):
    return "".join(LETTERS[(LETTERS.index(letter) + SHIFTS[kind]) % len(LETTERS)] for letter in word)


def words(generator, count):
    return ["".join(generator.choice(LETTERS) for _ in range(LENGTH)) for _ in range(count)]


def batch(generator, kinds, held_out, count=128):
    """Sequences of tokens, with labels for the answers alone. Words that are evaluated are never trained on."""
    rows = []
    while len(rows) < count:
        (word,) = words(generator, 1)
        if word not in held_out:
            kind = generator.choice(kinds)
            rows.append(f"{kind}{word}={answer(kind, word)}")
    tokens = torch.tensor([[SYMBOLS.index(symbol) for symbol in row] for row in rows])
    labels = tokens.clone()
    labels[:, : LENGTH + 2] = -100
    return tokens, labels


def train(model, kinds, held_out, steps, rate, seed):
    generator = random.Random(seed)
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    model.train()
    for _ in range(steps):
        tokens, labels = batch(generator, kinds, held_out)
        loss = model(input_ids=tokens, labels=labels).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    print(f"{'/'.join(kinds)}: loss {loss.item():.3f} after {steps} steps", flush=True)


def main(folder):
    # The matrices are tiny: threads would mostly wait for each other.
    torch.set_num_threads(1)
    torch.manual_seed(0)
    folder.mkdir(parents=True, exist_ok=True)
    evaluated = words(random.Random(1), sum(SPLITS.values()))
    held_out = set(evaluated)
    config = Qwen2Config(
        vocab_size=len(SYMBOLS), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=16, tie_word_embeddings=False,
        bos_token_id=None, eos_token_id=None, pad_token_id=None,
    )
    base = Qwen2ForCausalLM(config)
    # So few steps that it has about half of the answers right: room for the adapters, and for a merge of them.
    train(base, list(SHIFTS), held_out, steps=48, rate=3e-3, seed=2)
    base.save_pretrained(folder / "base")
    for task, kind in TASKS.items():
        torch.manual_seed(3)
        model = Qwen2ForCausalLM.from_pretrained(folder / "base")
        lora = LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
        model = get_peft_model(model, lora)
        train(model, [kind], held_out, steps=30, rate=3e-3, seed=4)
        model.save_pretrained(folder / "adapters" / task)
        start = 0
        (folder / "data").mkdir(exist_ok=True)
        with (folder / "data" / f"{task}.jsonl").open("w") as file:
            for split, count in SPLITS.items():
                for word in evaluated[start:start + count]:
                    row = {"split": split, "prompt": f"{kind}{word}=", "answer": answer(kind, word)}
                    print(json.dumps(row), file=file)
                start += count


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).parent / "made")
