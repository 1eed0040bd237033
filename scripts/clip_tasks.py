"""CLIP image classification with PyTorch and transformers: the model, the tasks, the accuracy.

The Python scripts in this folder share it. Nothing is cached on purpose: `pytorch_search.py` is the plain
loop that Bowline is compared with, so every evaluation decodes its images anew.
"""

import io
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as parquet
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import CLIPModel
from transformers.utils.logging import disable_progress_bar

SPLITS = ("validation", "test")

disable_progress_bar()


class Count(NamedTuple):
    """Right answers out of all answers."""

    correct: int
    n: int

    @property
    def accuracy(self):
        return self.correct / self.n


def load_model(folder):
    return CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()


def read_split(folder, split):
    """The encoded images and the labels of a parquet data set."""
    files = sorted(Path(folder).rglob(f"{split}-*.parquet"))
    if not files:
        raise FileNotFoundError(f"no parquet file of the split `{split}` under {folder}")
    tables = [parquet.read_table(file, columns=["image", "label"]).to_pydict() for file in files]
    images = [image["bytes"] for table in tables for image in table["image"]]
    labels = [label for table in tables for label in table["label"]]
    return images, torch.tensor(labels)


class Pixels:
    """encoded images to normalised pixels, as CLIPImageProcessor does for images with its settings."""

    def __init__(self, folder):
        config = json.loads((Path(folder) / "preprocessor_config.json").read_text())
        self.edge = config["size"]["shortest_edge"]
        self.mean = torch.tensor(config["image_mean"]).view(3, 1, 1)
        self.std = torch.tensor(config["image_std"]).view(3, 1, 1)

    def __call__(self, images):
        decoded = np.stack([self._decode(image) for image in images])
        pixels = torch.from_numpy(decoded).permute(0, 3, 1, 2).float() / 255
        return (pixels - self.mean) / self.std

    def _decode(self, encoded):
        image = Image.open(io.BytesIO(encoded)).convert("RGB")
        if image.size == (self.edge, self.edge):
            return np.asarray(image)
        scale = self.edge / min(image.size)
        width, height = (max(self.edge, int(side * scale)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.BICUBIC)
        left, top = (width - self.edge) // 2, (height - self.edge) // 2
        return np.asarray(image.crop((left, top, left + self.edge, top + self.edge)))


def image_features(model, pixels):
    """Projected image features, not normalised."""
    return model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output)


def load_head(file):
    """Class vectors [classes, projection]."""
    return load_file(file)["weight"]


@torch.inference_mode()
def count(model, pixels, images, labels, head, batch_size):
    """Decodes, embeds and classifies every image."""
    correct = 0
    for start in range(0, len(images), batch_size):
        features = image_features(model, pixels(images[start : start + batch_size]))
        features = features / features.norm(dim=-1, keepdim=True)
        answers = (features @ head.T).argmax(dim=-1)
        correct += (answers == labels[start : start + batch_size]).sum().item()
    return Count(correct, len(images))
