#!/usr/bin/env python3
"""Times PyTorch on what Bowline's own benches time: the CLIP image tower, a Llama classifier, the dense SVD of joined updates.

pytorch_speed.py tower --threads 2      images/s, transformers' CLIPVisionModelWithProjection, f32
pytorch_speed.py text --threads 2       tokens/s, transformers' LlamaForSequenceClassification, f32
pytorch_speed.py svd --threads 2        seconds per matrix, torch.linalg.svd in f64 of [768, 8 * 768], rank 128
"""

import argparse
import statistics
import time
from functools import partial

import torch
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection, LlamaConfig, LlamaForSequenceClassification

MINI8 = {
    "image_size": 32, "patch_size": 8, "hidden_size": 192, "intermediate_size": 384,
    "num_hidden_layers": 6, "num_attention_heads": 3, "projection_dim": 128,
}  # fmt: skip
TOWERS = {"mini8 (32 px)": MINI8, "ViT-B/32 (224 px)": {"projection_dim": 512}}
IMAGES = 256

# Which batch is fastest depends on the model and the machine: all are measured, and the best one counts.
BATCHES = (8, 32, 64, 128, 256)

# The shapes and numbers of texts of evaluation/benches/llama.rs.
LLAMAS = {
    "nli6": ({"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 6,
              "num_attention_heads": 8, "num_key_value_heads": 2}, 600),
    "small": ({"hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 12,
               "num_attention_heads": 12, "num_key_value_heads": 4}, 96),
}  # fmt: skip
VOCABULARY, PAD = 4096, 4095


def seconds(call, rounds):
    """The median of some calls, after one to warm up."""
    call()
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def embed(model, batches):
    for batch in batches:
        model(pixel_values=batch)


@torch.inference_mode()
def tower(rounds):
    for name, config in TOWERS.items():
        model = CLIPVisionModelWithProjection(CLIPVisionConfig(**config)).eval()
        edge = model.config.image_size
        pixels = torch.randn(IMAGES, 3, edge, edge, generator=torch.Generator().manual_seed(0))
        speeds = {}
        for size in BATCHES:
            elapsed = seconds(partial(embed, model, pixels.split(size)), rounds)
            speeds[size] = IMAGES / elapsed
            print(f"image tower, {name}, batches of {size}: {speeds[size]:.1f} images/s", flush=True)
        best = max(speeds, key=speeds.get)
        print(f"image tower, {name}: best in batches of {best}, {speeds[best]:.1f} images/s", flush=True)


def padded(texts, size):
    """Batches of ids and masks, padded on the right to the longest of each."""
    for batch in (texts[start : start + size] for start in range(0, len(texts), size)):
        rows = [torch.tensor(text) for text in batch]
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PAD)
        yield ids, (ids != PAD).long()


def padding(batches):
    """The share of tokens that are padding."""
    tokens = sum(int(mask.sum()) for _, mask in batches)
    return 1 - tokens / sum(mask.numel() for _, mask in batches)


def classify(model, batches):
    for ids, mask in batches:
        model(input_ids=ids, attention_mask=mask)


@torch.inference_mode()
def text(rounds):
    """Batches in the order of the texts, and sorted by length; the tokens counted are those of the texts alone."""
    for name, (shape, count) in LLAMAS.items():
        texts = [[(n * 131 + token * 37) % PAD for token in range(20 + n * 17 % 41)] for n in range(count)]
        tokens = sum(map(len, texts))
        config = LlamaConfig(vocab_size=VOCABULARY, pad_token_id=PAD, num_labels=3, use_cache=False, **shape)
        speeds = {}
        for attention in ("eager", "sdpa"):
            torch.manual_seed(0)
            config._attn_implementation = attention
            model = LlamaForSequenceClassification(config).eval()
            for order, ordered in (("as they come", texts), ("sorted", sorted(texts, key=len, reverse=True))):
                for size in BATCHES:
                    batches = list(padded(ordered, size))
                    elapsed = seconds(partial(classify, model, batches), rounds)
                    what = f"{name}, {attention}, batches of {size}, {order}"
                    speeds[what] = tokens / elapsed
                    padded_share = f"{padding(batches):.1%} of the tokens are padding"
                    print(f"language model, {what}: {speeds[what]:.0f} tokens/s, {padded_share}", flush=True)
        best = max(speeds, key=speeds.get)
        print(f"language model, best: {best}: {speeds[best]:.0f} tokens/s", flush=True)


@torch.inference_mode()
def svd(rounds):
    """Eight rank-16 updates of a 768 x 768 matrix side by side, as the reference forms them."""
    generator = torch.Generator().manual_seed(0)
    factors = [[torch.randn(*shape, generator=generator) for shape in ((768, 16), (16, 768))] for _ in range(8)]
    joined = torch.cat([b @ a for b, a in factors], dim=1).double()
    elapsed = seconds(lambda: torch.linalg.svd(joined, full_matrices=False), rounds)
    print(f"dense f64 SVD of [768, 6144]: {elapsed:.3f} s a matrix; 48 of them (ViT-B/32): {48 * elapsed:.0f} s")


def main():
    parser = argparse.ArgumentParser(description="Times PyTorch on what Bowline's benches time.")
    parser.add_argument("what", choices=["tower", "text", "svd"])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    {"tower": tower, "text": text, "svd": svd}[arguments.what](arguments.rounds)


if __name__ == "__main__":
    main()
