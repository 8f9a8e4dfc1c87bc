"""Torchvision's classification networks, traced by name at their own image size.

Nothing is computed: parameters and maps have sizes only (torch's device ``meta``).
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torchvision import models

from cgap_bench.errors import UnknownNameError, UsageError
from cgap_bench.shapes.tracing import Workload, trace

UNTRAINED = {"init_weights": False}  # a slow initialisation that these offer to leave out
OPTIONS = {"googlenet": UNTRAINED, "inception_v3": UNTRAINED}


def torchvision_names() -> list[str]:
    """Names of the classification networks."""
    return list(models.list_models(module=models))


def torchvision_workload(name: str, image_size: int | None = None) -> Workload:
    """Layers of a network by its name.

    Args:
        name: One of `torchvision_names`.
        image_size: Height and width; the network's own by default.

    Raises:
        UsageError: No network of that name, or it takes no such images.
    """
    size = image_size or own_image_size(name)
    try:
        return trace(*torchvision_network(name, size))
    except (AssertionError, RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(f"{name} takes no images of {size} x {size}: {reason}") from error


def torchvision_network(name: str, image_size: int) -> tuple[nn.Module, Tensor]:
    """A network without values, and an image for it."""
    builder = models.get_model_builder(_checked(name))
    options: dict[str, Any] = dict(OPTIONS.get(name, {}))
    if name.startswith("vit"):  # positions have embeddings, as many as the image has patches
        options["image_size"] = image_size
    elif name.startswith("maxvit"):
        options["input_size"] = (image_size, image_size)
    with _Unfilled():
        network = builder(weights=None, **options)
    return network.to("meta"), torch.zeros(1, 3, image_size, image_size, device="meta")


def own_image_size(name: str) -> int:
    """Height and width of the images that its published weights were evaluated on.

    Of several the smallest: where there are weights for larger images too, these are a second
    training of the same network.

    >>> own_image_size("resnet18"), own_image_size("efficientnet_b7")
    (224, 600)
    """
    published = models.get_model_weights(_checked(name))
    return min(_crop_size(weights.transforms) for weights in published)


def _crop_size(transforms: Any) -> int:
    """From the preset that a network's images are prepared with."""
    return int(transforms.keywords["crop_size"])


def _checked(name: str) -> str:
    if name not in torchvision_names():
        raise UnknownNameError("torchvision network", name, torchvision_names())
    return name


class _Unfilled(TorchFunctionMode):
    """Parameters made within have sizes and no values: nothing is initialised or stored."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """What torch calls in place of each function."""
        device = {"device": "meta"} if func is torch.empty else {}
        return func(*args, **{**(kwargs or {}), **device})
