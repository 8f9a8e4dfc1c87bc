"""What `cgap-cl predict` does: an exported network on a folder of images."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from cgap_bench.errors import UsageError
from cgap_bench.export.kept import Inputs
from cgap_bench.show.text_tables import aligned

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")
MODES = {1: "L", 3: "RGB"}  # of images with so many channels

Network = Callable[[np.ndarray], np.ndarray]


def predict_text(network: Path, images: Path) -> str:
    """The class of every image of a folder, and the network's share of certainty.

    Args:
        network: A ``.onnx`` or ``.pt2`` file of `cgap-cl export`, its inputs beside it.
        images: Folder of images; any size, any depth of folders.

    Raises:
        UsageError: A file is missing or is not what it should be.
    """
    inputs = _inputs(network)
    paths = sorted(path for path in images.rglob("*") if path.suffix.lower() in ENDINGS)
    if not paths:
        raise UsageError(f"no images under {images} ({', '.join(ENDINGS)})")
    logits = _network(network)(np.stack([_pixels(path, inputs) for path in paths]))

    n = len(inputs.classes)
    scaled = torch.from_numpy(np.asarray(logits))[:, :n].softmax(dim=1)
    certainty, best = scaled.max(dim=1)
    rows: list[tuple[str, ...]] = [("image", "class", "softmax %")]
    rows += [
        (str(path.relative_to(images)), str(inputs.classes[int(i)]), f"{100 * float(p):.1f}")
        for path, i, p in zip(paths, best, certainty, strict=True)
    ]
    return aligned(rows)


def _inputs(network: Path) -> Inputs:
    path = network.with_suffix(".inputs.json")
    try:
        inputs = Inputs.of(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(
            f"{path} does not say what {network.name} reads; `cgap-cl export` writes both"
            f" ({error})"
        ) from error
    if inputs.mean is None or inputs.shape[0] not in MODES:
        raise UsageError(f"{network.name} does not read plain images: see {path}")
    return inputs


def _pixels(path: Path, inputs: Inputs) -> np.ndarray:
    """One image as the network reads it, (C, H, W), float32."""
    channels, height, width = inputs.shape
    try:
        with Image.open(path) as image:
            scaled = image.convert(MODES[channels]).resize((width, height))
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise UsageError(f"cannot read the image {path}: {error}") from error
    pixels = np.asarray(scaled, dtype=np.float32).reshape(height, width, channels)
    mean, std = (np.asarray(values, dtype=np.float32) for values in (inputs.mean, inputs.std))
    return np.ascontiguousarray(((pixels - mean) / std).transpose(2, 0, 1))


def _network(path: Path) -> Network:
    if not path.is_file():
        raise UsageError(f"there is no {path}")
    if path.suffix == ".pt2":
        module = torch.export.load(path).module()

        def run(x: np.ndarray) -> np.ndarray:
            with torch.no_grad():
                logits: np.ndarray = module(torch.from_numpy(x)).numpy()
            return logits

        return run
    if path.suffix != ".onnx":
        raise UsageError(f"{path} is no .onnx or .pt2 file")
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda x: np.asarray(session.run(None, {name: x})[0])
