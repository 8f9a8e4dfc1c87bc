"""Networks that somebody else wrote: `torchvision:NAME`, `timm:NAME`, `module:function`."""

from collections import OrderedDict
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from cgap_bench.errors import UnknownNameError, UsageError
from cgap_bench.learn.own.mistakes import own_function, told
from cgap_cl import Birth, PlasticNetwork

Shape = tuple[int, int, int]


def external_network(
    name: str, width: float, input_shape: Shape, n_outputs: int
) -> nn.Sequential:
    """A body and, as the last module, the head that was its last linear layer.

    Args:
        name: ``torchvision:NAME``, ``timm:NAME``, or the ``module:function`` of a function
            ``(input_shape, n_outputs) -> nn.Module``.
        width: Multiplier of the units of every layer but the head.
        input_shape: (C, H, W) of one image.
        n_outputs: Classes of the head.

    Raises:
        UsageError: There is no such network, or its last layer is not linear.
    """
    place, _, rest = name.partition(":")
    make = {"torchvision": _torchvision, "timm": _timm}.get(place, _own)
    network = make(name, rest, input_shape, n_outputs)
    if width != 1.0:
        network = narrowed(network, width, input_shape, name)
    return with_last_head(network, name)


def with_last_head(network: nn.Module, name: str) -> nn.Sequential:
    """The network cut before its last linear layer, which must be the last thing it does.

    Args:
        network: Its last linear layer is taken out.
        name: For messages.

    Raises:
        UsageError: It has none.

    Example:
        >>> class Small(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.a, self.b = nn.Linear(4, 3), nn.Linear(3, 2)
        ...     def forward(self, x):
        ...         return self.b(self.a(x).relu())
        >>> list(dict(with_last_head(Small(), "small").named_children()))
        ['body', 'head']
    """
    *_, (path, head) = [(None, None), *_linears(network)]
    if path is None or head is None:
        raise UsageError(f"network {name} has no linear layer to be its head")
    parent, _, last = path.rpartition(".")
    setattr(network.get_submodule(parent), last, nn.Identity())
    return nn.Sequential(OrderedDict[str, nn.Module](body=network, head=head))


def narrowed(network: nn.Module, width: float, input_shape: Shape, name: str) -> nn.Module:
    """The same architecture, newly initialised, with every coupled group of units scaled."""
    try:
        plastic = PlasticNetwork(network, torch.zeros(1, *input_shape))
    except ValueError as error:
        raise UsageError(f"network {name}: {error}") from error
    birth = Birth(plastic.layout.scaled(width))
    plastic.sprout(0, plastic.reference.n_classes, birth)
    plastic.merge()
    return plastic.subnetwork(0).requires_grad_(True)


def _linears(network: nn.Module) -> list[tuple[str, nn.Linear]]:
    return [(p, m) for p, m in network.named_modules() if isinstance(m, nn.Linear)]


def _torchvision(name: str, model: str, _shape: Shape, n_outputs: int) -> nn.Module:
    from torchvision import models

    if model not in models.list_models(module=models):
        raise UnknownNameError("torchvision network", model, models.list_models(module=models))
    network: nn.Module = models.get_model(model, weights=None, num_classes=n_outputs)
    return network


def _timm(name: str, model: str, shape: Shape, n_outputs: int) -> nn.Module:
    try:
        timm: Any = import_module("timm")
    except ImportError as error:
        raise UsageError(f"network {name} needs timm: pip install timm") from error
    if model not in timm.list_models():
        raise UnknownNameError("timm network", model, timm.list_models())
    network: nn.Module = timm.create_model(model, num_classes=n_outputs, in_chans=shape[0])
    return network


def _own(name: str, _function: str, shape: Shape, n_outputs: int) -> nn.Module:
    """What a user's function of a module on the path makes."""
    make = own_function(f"network {name}", name, "(input_shape, n_outputs)", shape, n_outputs)
    try:
        network = make(shape, n_outputs)
    except (UsageError, MemoryError):
        raise
    except Exception as error:
        raise told(f"network {name}", error) from error
    if not isinstance(network, nn.Module):
        raise UsageError(f"network {name} made {network!r}, not a torch module")
    if _linears(network):  # else that is what is wrong
        _check_forward(name, network, shape)
    return network


def _check_forward(name: str, network: nn.Module, shape: Shape) -> None:
    """Raises `UsageError` where it does not make numbers of a batch of images."""
    images, training = torch.zeros(2, *shape), network.training
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            made = network.eval()(images)
    except Exception as error:
        raise told(f"network {name} does not run on images of shape {shape}", error) from error
    finally:
        network.train(training)
    if not isinstance(made, Tensor) or made.ndim != 2 or len(made) != len(images):
        said = tuple(made.shape) if isinstance(made, Tensor) else type(made).__name__
        raise UsageError(
            f"network {name} makes {said} of a batch of 2 images, not a row of numbers for"
            " each: (2, classes)"
        )
