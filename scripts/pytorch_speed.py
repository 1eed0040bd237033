#!/usr/bin/env python3
"""Times PyTorch on what Bowline's own benches time: the CLIP image tower, and the dense SVD of joined updates.

pytorch_speed.py tower --threads 2      images/s, transformers' CLIPVisionModelWithProjection, f32
pytorch_speed.py svd --threads 2        seconds per matrix, torch.linalg.svd in f64 of [768, 8 * 768], rank 128
"""

import argparse
import statistics
import time
from functools import partial

import torch
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

MINI8 = {
    "image_size": 32, "patch_size": 8, "hidden_size": 192, "intermediate_size": 384,
    "num_hidden_layers": 6, "num_attention_heads": 3, "projection_dim": 128,
}  # fmt: skip
TOWERS = {"mini8 (32 px)": (MINI8, 256), "ViT-B/32 (224 px)": ({"projection_dim": 512}, 32)}


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
    """Whole batches and small ones: which is faster depends on the model and the machine, so both are given."""
    for name, (config, batch) in TOWERS.items():
        model = CLIPVisionModelWithProjection(CLIPVisionConfig(**config)).eval()
        edge = model.config.image_size
        pixels = torch.randn(batch, 3, edge, edge, generator=torch.Generator().manual_seed(0))
        for size in (batch, 8):
            elapsed = seconds(partial(embed, model, pixels.split(size)), rounds)
            print(f"image tower, {name}, batches of {size}: {batch / elapsed:.1f} images/s", flush=True)


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
    parser.add_argument("what", choices=["tower", "svd"])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    {"tower": tower, "svd": svd}[arguments.what](arguments.rounds)


if __name__ == "__main__":
    main()
