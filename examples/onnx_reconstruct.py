"""Run exported nets without torch: reconstruct a picture, draw new ones, walk from one to another.

Needs onnxruntime, numpy and pillow. Make the files first, and then look at what they do:

    twoway export onnx runs/00007-lia-faces -o exported
    python examples/onnx_reconstruct.py exported --picture photo.png -o shown.png
    python examples/onnx_reconstruct.py exported --seed 3 --trunc 0.7 -o shown.png
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps


class Nets:
    """The nets of one folder; each is loaded when it is first used."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.facts = json.loads((folder / "export.json").read_text(encoding="utf-8"))
        self.sessions: dict[str, onnxruntime.InferenceSession] = {}

    def has(self, name: str) -> bool:
        """Whether a net was exported."""
        return name in self.facts["nets"]

    def run(self, name: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """What a net makes of float32 arrays (batch, ...), by the names of its outputs."""
        if not self.has(name):
            raise SystemExit(f"{self.folder} holds no {name}; it holds {', '.join(self.facts['nets'])}.")
        if name not in self.sessions:
            path = self.folder / self.facts["nets"][name]["file"]
            self.sessions[name] = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        session = self.sessions[name]
        outputs = [out.name for out in session.get_outputs()]
        return dict(zip(outputs, session.run(outputs, inputs), strict=True))


def read_picture(path: Path, shape: list[int]) -> np.ndarray:
    """A picture as the encoder takes it: the centred part of the right proportions, (1, C, H, W) in [-1, 1]."""
    channels, height, width = shape
    with Image.open(path) as opened:
        picture = ImageOps.exif_transpose(opened).convert("L" if channels == 1 else "RGB")
    wide = min(picture.width, max(1, round(picture.height * width / height)))
    high = min(picture.height, max(1, round(picture.width * height / width)))
    left, top = (picture.width - wide) // 2, (picture.height - high) // 2
    picture = picture.crop((left, top, left + wide, top + high))
    if picture.size != (width, height):
        whole = wide % width == 0 and high % height == 0
        picture = (
            picture.reduce((wide // width, high // height))  # the exact mean, as in training
            if whole
            else picture.resize((width, height), Image.Resampling.LANCZOS)
        )
    pixels = np.asarray(picture, np.float32).reshape(height, width, channels)
    return pixels.transpose(2, 0, 1)[None] / np.float32(127.5) - np.float32(1)


def to_pixels(images: np.ndarray) -> np.ndarray:
    """Images (B, C, H, W) in [-1, 1] as bytes (B, H, W, C)."""
    return ((images.clip(-1, 1) + 1) * 127.5).round().astype(np.uint8).transpose(0, 2, 3, 1)


def draw(prior: list[str], n: int, rng: np.random.Generator) -> np.ndarray:
    """Codes of a prior such as normal(62) categorical(10), (n, width)."""
    parts = []
    for block in prior:
        kind, width = re.fullmatch(r"(\w+)\((\d+)\)", block).groups()
        shape = (n, int(width))
        if kind == "uniform":
            parts.append(rng.uniform(-1, 1, shape))
        elif kind == "categorical":
            parts.append(np.eye(shape[1])[rng.integers(shape[1], size=n)])
        else:
            normal = rng.standard_normal(shape)
            parts.append(normal / np.linalg.norm(normal, axis=1, keepdims=True) if kind == "sphere" else normal)
    return np.concatenate(parts, axis=1).astype(np.float32)


def sample(nets: Nets, n: int, rng: np.random.Generator, trunc: float) -> np.ndarray:
    """Latent codes (n, layers, width) drawn from the prior and pulled towards the mean code."""
    if not nets.facts["prior"]:
        raise SystemExit("This model has no prior to draw from. Give pictures.")
    z = draw(nets.facts["prior"], n, rng)
    layers, width = nets.facts["w_shape"]
    w = nets.run("mapping", z=z)["w"] if nets.has("mapping") else np.repeat(z[:, None], layers, axis=1)
    free = width - nets.facts["labels"]  # the class, which comes last, stays what it is
    mean = np.asarray(nets.facts["w_avg"], np.float32)
    w[..., :free] = (mean + np.float32(trunc) * (w - mean))[..., :free]
    return w


def encode(nets: Nets, x: np.ndarray, label: int | None) -> np.ndarray:
    """Latent codes of images."""
    told = {}
    if nets.facts["labels"] and nets.has("encoder"):
        if label is None:
            raise SystemExit(
                f"This model is told the class of each picture: give --label, 0 to {nets.facts['labels'] - 1}."
            )
        told = {"y": np.repeat(np.eye(nets.facts["labels"], dtype=np.float32)[[label]], len(x), axis=0)}
    found = nets.run("encoder", x=x, **told)
    if "w" not in found:
        raise SystemExit("The encoder of this model gives no whole codes, so there is nothing to walk between.")
    return found["w"]


def reconstruct(nets: Nets, x: np.ndarray, label: int | None) -> np.ndarray:
    """Images made of the codes of images."""
    if not nets.has("decoder") or "w" in [out["name"] for out in nets.facts["nets"]["encoder"]["outputs"]]:
        return nets.run("generator", w=encode(nets, x, label))["x"]
    found = nets.run("encoder", x=x)  # interpretable codes: the likely class, one-hot, and the means
    parts = []
    if "chances" in found:
        parts.append(np.eye(found["chances"].shape[1], dtype=np.float32)[found["chances"].argmax(1)])
    if "mean" in found:
        parts.append(found["mean"])
    return nets.run("decoder", codes=np.concatenate(parts, axis=1))["x"]


def main() -> None:
    """Read the command line and write one picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="what `twoway export onnx` wrote")
    parser.add_argument("--picture", type=Path, action="append", default=[], help="a picture; two are walked between")
    parser.add_argument("--label", type=int, help="class of the pictures, for a model that is told it")
    parser.add_argument("--seed", type=int, default=0, help="of new pictures")
    parser.add_argument("--trunc", type=float, default=0.8, help="distance of new pictures from the mean")
    parser.add_argument("-o", "--out", type=Path, default=Path("shown.png"))
    given = parser.parse_args()
    nets = Nets(given.folder)
    if len(given.picture) == 1:
        x = read_picture(given.picture[0], nets.facts["image_shape"])
        shown, what = np.concatenate([x, reconstruct(nets, x, given.label)]), "the picture and its reconstruction"
    else:
        if given.picture:
            x = np.concatenate([read_picture(path, nets.facts["image_shape"]) for path in given.picture[:2]])
            ends, what = encode(nets, x, given.label), "from one picture to the other"
        else:
            ends, what = sample(nets, 2, np.random.default_rng(given.seed), given.trunc), "from one sample to another"
        steps = np.linspace(0, 1, 8, dtype=np.float32)[:, None, None]
        shown = nets.run("generator", w=ends[:1] + steps * (ends[1:] - ends[:1]))["x"]
    pixels = np.concatenate(list(to_pixels(shown)), axis=1)
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(given.out)
    print(f"{what} in {given.out}")


if __name__ == "__main__":
    main()
