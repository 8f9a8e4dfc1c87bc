"""Reference networks by name, at any width, with one head or one head per task."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

import torch
from avalanche.models import MultiTaskModule
from torch import Tensor, nn

from cgap_bench.record.configuration import NetworkSettings, Norm
from cgap_bench.registry import Registry

Shape = tuple[int, int, int]
Factory = Callable[[NetworkSettings, Shape, int], nn.Sequential]

NETWORKS: Registry[Factory] = Registry("network")


def build_network(
    settings: NetworkSettings, input_shape: Shape, n_outputs: int
) -> nn.Sequential:
    """A plain chain whose last module, a Linear, is the head.

    Args:
        settings: Name, width multiplier, batch norm variant, dropout.
        input_shape: (C, H, W) of one image.
        n_outputs: Classes of the head.
    """
    return NETWORKS[settings.name](settings, input_shape, n_outputs)


def scaled(units: int, width: float) -> int:
    """Units of a layer at a width multiplier, at least one."""
    return max(1, round(units * width))


class FastDropout(nn.Dropout):
    """Dropout from 16 random bits an element: torch's own took a third of a step on the CPU.

    Its rate is that of `torch.nn.Dropout`, rounded to 1/65536.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Any shape; the same shape and order in memory."""
        if not self.training or self.p == 0 or x.device.type != "cpu":
            return super().forward(x)
        keep = 65536 - round(65536 * self.p)
        if keep == 0:
            return torch.zeros_like(x)
        words = torch.empty((x.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
        kept = words.view(torch.int16)[: x.numel()] < keep - 32768
        noise = kept.to(x.dtype).mul_(65536 / keep)
        dense = torch.empty_like(x, memory_format=torch.preserve_format)
        return x * noise.as_strided(dense.shape, dense.stride())


def _norm(settings: NetworkSettings, n: int, dimensions: int) -> nn.Module:
    kind = nn.BatchNorm2d if dimensions == 2 else nn.BatchNorm1d
    return kind(n, track_running_stats=settings.norm is Norm.RUNNING)


@NETWORKS.register("digits-cnn")
def digits_cnn(settings: NetworkSettings, input_shape: Shape, n_outputs: int) -> nn.Sequential:
    """Conv 32 - conv 64 (3x3, padding 1, each BN, ReLU, 2x2 max-pool) - linear 128 - head."""
    channels, height, width = input_shape
    first, second, hidden = (scaled(n, settings.width) for n in (32, 64, 128))
    return nn.Sequential(
        OrderedDict[str, nn.Module](
            conv1=nn.Conv2d(channels, first, 3, padding=1),
            norm1=_norm(settings, first, 2),
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(first, second, 3, padding=1),
            norm2=_norm(settings, second, 2),
            relu2=nn.ReLU(),
            pool2=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            linear=nn.Linear(second * (height // 4) * (width // 4), hidden),
            relu3=nn.ReLU(),
            head=nn.Linear(hidden, n_outputs),
        )
    )


@NETWORKS.register("alexnet-gpm")
def alexnet_gpm(settings: NetworkSettings, input_shape: Shape, n_outputs: int) -> nn.Sequential:
    """The "AlexNet" of protocol P-GPM10 (Saha et al. 2021, public code `main_cifar100.py`).

    Conv 64 (4x4), 128 (3x3), 256 (2x2), linear 2048, 2048, head; no biases; each layer is
    followed by BN, ReLU and dropout (.2 .2 .5 .5 .5), each convolution then by a 2x2 max-pool.
    """
    channels, height, width = input_shape
    layers: OrderedDict[str, nn.Module] = OrderedDict()

    def after(index: int, units: int, dimensions: int, rate: float) -> None:
        layers[f"norm{index}"] = _norm(settings, units, dimensions)
        layers[f"relu{index}"] = nn.ReLU()
        layers[f"dropout{index}"] = FastDropout(min(rate * settings.dropout_scale, 0.9))

    for index, (full, kernel, rate) in enumerate(
        [(64, 4, 0.2), (128, 3, 0.2), (256, 2, 0.5)], 1
    ):
        units = scaled(full, settings.width)
        layers[f"conv{index}"] = nn.Conv2d(channels, units, kernel, bias=False)
        after(index, units, 2, rate)
        layers[f"pool{index}"] = nn.MaxPool2d(2)
        channels, height, width = units, (height - kernel + 1) // 2, (width - kernel + 1) // 2
    layers["flatten"] = nn.Flatten()
    features = channels * height * width
    for index in (4, 5):
        units = scaled(2048, settings.width)
        layers[f"linear{index}"] = nn.Linear(features, units, bias=False)
        after(index, units, 1, 0.5)
        features = units
    layers["head"] = nn.Linear(features, n_outputs, bias=False)
    return nn.Sequential(layers)


class MultiHead(MultiTaskModule):  # type: ignore[misc]
    """One backbone with a linear head per task, all there from the start.

    In training only the heads of the present experience take gradients, so that neither
    momentum nor weight decay nor a penalty term moves the head of another task.

    Args:
        network: A chain as `build_network` makes it; its last module is the model of the heads.
        tasks: Task labels that get a head.
    """

    def __init__(self, network: nn.Sequential, tasks: Iterable[int]) -> None:
        super().__init__()
        *body, (_, head) = network.named_children()
        self.backbone = nn.Sequential(OrderedDict(body))
        self.heads = nn.ModuleDict({str(task): fresh_head(head) for task in tasks})

    def adaptation(self, experience: Any) -> None:
        """Called by Avalanche before each experience."""
        for task, head in self.heads.items():
            head.requires_grad_(int(task) in experience.task_labels)

    def forward(self, x: Tensor, task_labels: Tensor | int) -> Tensor:
        """Logits (N, classes); each row goes through the head of its task label."""
        features = self.backbone(x)
        if isinstance(task_labels, int):
            return self._head(task_labels, features)
        present, index = torch.unique(task_labels, return_inverse=True)
        if len(present) == 1:
            return self._head(int(present), features)
        every = torch.stack([self._head(task, features) for task in present.tolist()], dim=1)
        return every[torch.arange(len(x), device=x.device), index]

    def _head(self, task: int, features: Tensor) -> Tensor:
        logits: Tensor = self.heads[str(task)](features)
        return logits

    def network_for(self, task: int) -> nn.Sequential:
        """What inference of one task executes; shares its modules with this network."""
        return nn.Sequential(*self.backbone, self.heads[str(task)])


def fresh_head(head: nn.Module) -> nn.Linear:
    """A newly initialised Linear of the same shape."""
    assert isinstance(head, nn.Linear)
    return nn.Linear(head.in_features, head.out_features, bias=head.bias is not None)


def n_parameters(module: nn.Module) -> int:
    """Number of weights, biases and batch norm scales and shifts."""
    return sum(parameter.numel() for parameter in module.parameters())


def width_for(target: float, cost: Callable[[float], float]) -> float:
    """The width multiplier in (0, 1] at which a non-decreasing cost is nearest to a target.

    Args:
        target: For instance the MACs of another network.
        cost: Width -> cost; a staircase, since units are whole.
    """
    if cost(1.0) <= target:
        return 1.0
    low, high = 0.0, 1.0
    while high - low > 1e-4:  # finer than one unit in 2048
        middle = (low + high) / 2
        low, high = (middle, high) if cost(middle) <= target else (low, middle)
    below = low or high
    return below if target - cost(below) <= cost(high) - target else high
