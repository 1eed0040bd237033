"""Makes the files beside it: images in the forms that decoders meet, and what Pillow and NumPy make of them.

    pip install pillow numpy && python make_goldens.py

`images/*` are the inputs; `images.json` names, for each, size and file of the RGB image after EXIF rotation and
`convert("RGB")`, resize of the shortest edge to 24 with PIL's bicubic, and a centre crop to 24x24, as Hugging Face's
CLIPImageProcessor does it. `expected.bin` holds those images one after the other, 24 * 24 * 3 bytes each.
`shuffle.json` holds row orders by the rule in the documentation of `Source::rows`.
"""

import io
import json
import pathlib
import struct

import numpy as np
from PIL import Image, ImageOps, __version__

HERE = pathlib.Path(__file__).parent
EDGE = 24


def scene(width, height, seed):
    """Soft gradients, a hard edge and noise: what resizing gets wrong shows."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [127 + 120 * np.sin(x / (3 + c) + y / (5 - c) + c) for c in range(3)]
    picture = np.stack(waves, -1) + rng.normal(0, 12, (height, width, 3))
    picture[(x > width / 2) & (y > height / 3)] = (250, 5, 128)
    return np.clip(picture, 0, 255).astype(np.uint8)


def reference(file):
    picture = ImageOps.exif_transpose(Image.open(file)).convert("RGB")
    width, height = picture.size
    short, long = min(width, height), max(width, height)
    other = int(EDGE * long / short)
    size = (EDGE, other) if width <= height else (other, EDGE)
    picture = np.asarray(picture.resize(size, Image.Resampling.BICUBIC))
    top, left = (picture.shape[0] - EDGE) // 2, (picture.shape[1] - EDGE) // 2
    return picture[top : top + EDGE, left : left + EDGE]


def chacha_words(key):
    """The 64-bit draws of ChaCha20 with a zero nonce."""

    def quarter(s, a, b, c, d):
        for x, y, z, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            s[x] = (s[x] + s[y]) & 0xFFFFFFFF
            s[z] ^= s[x]
            s[z] = ((s[z] << turn) | (s[z] >> (32 - turn))) & 0xFFFFFFFF

    counter = 0
    while True:
        start = [*struct.unpack("<4I", b"expand 32-byte k"), *struct.unpack("<8I", key)]
        start += [counter & 0xFFFFFFFF, counter >> 32, 0, 0]
        state = list(start)
        for _ in range(10):
            for lanes in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15)):
                quarter(state, *lanes)
            for lanes in ((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
                quarter(state, *lanes)
        block = [(a + b) & 0xFFFFFFFF for a, b in zip(state, start)]
        yield from (block[i] | block[i + 1] << 32 for i in range(0, 16, 2))
        counter += 1


def shuffled(count, seed):
    draws = chacha_words(struct.pack("<Q", seed) + bytes(24))
    order = list(range(count))
    for i in range(count - 1, 0, -1):
        j = next(draws) * (i + 1) >> 64
        order[i], order[j] = order[j], order[i]
    return order


def main():
    folder = HERE / "images"
    folder.mkdir(exist_ok=True)
    rgb = lambda w, h, n: Image.fromarray(scene(w, h, n))
    files = {}

    def save(name, picture, **options):
        buffer = io.BytesIO()
        picture.save(buffer, name.rsplit(".", 1)[1].replace("jpg", "jpeg"), **options)
        (folder / name).write_bytes(buffer.getvalue())
        files[name] = reference(folder / name)

    save("wide.png", rgb(61, 37, 1))
    save("tall.png", rgb(29, 83, 2))
    save("tiny.png", rgb(7, 5, 3))
    save("grey.png", rgb(33, 40, 4).convert("L"))
    alpha = np.dstack([scene(45, 31, 5), (np.arange(45 * 31) % 256).reshape(31, 45).astype(np.uint8)])
    save("alpha.png", Image.fromarray(alpha))
    save("grey_alpha.png", Image.fromarray(alpha).convert("LA"))
    save("palette.png", rgb(40, 50, 6).quantize(32))
    save("one_bit.png", rgb(30, 28, 7).convert("1"))
    grey16 = (np.arange(26 * 30).reshape(30, 26) * 83 % 65536).astype(np.uint16)
    save("grey16.png", Image.fromarray(grey16))
    exif = Image.Exif()
    exif[0x0112] = 6
    save("turned.png", rgb(50, 30, 8), exif=exif)
    save("turned.jpg", rgb(50, 30, 9), exif=exif, quality=95, subsampling=0)
    (HERE / "expected.bin").write_bytes(b"".join(files[name].tobytes() for name in sorted(files)))
    listing = {"pillow": __version__, "edge": EDGE, "files": sorted(files)}
    (HERE / "images.json").write_text(json.dumps(listing, indent=1) + "\n")
    orders = [{"rows": n, "seed": seed, "order": shuffled(n, seed)} for n, seed in ((10, 0), (10, 1), (37, 2**40 + 3))]
    (HERE / "shuffle.json").write_text(json.dumps(orders) + "\n")


if __name__ == "__main__":
    main()
