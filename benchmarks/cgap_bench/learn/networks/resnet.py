"""Residual networks for 32x32 images: CIFAR's, the reduced ResNet-18, a wide one."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor, nn

from cgap_bench.learn.network import NETWORKS, Shape, batch_norm, scaled
from cgap_bench.record.configuration import NetworkSettings

Block = Callable[[NetworkSettings, int, int, int], nn.Module]  # settings, in, out, stride


class BasicBlock(nn.Module):
    """conv - BN - ReLU - conv - BN, added to its input, ReLU (He et al. 2016).

    Where the shape changes the input goes through a 1x1 convolution with BN (their option B):
    a shortcut padded with zeros would tie units of one stage to units of the next.
    """

    def __init__(self, settings: NetworkSettings, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False)
        self.norm1 = batch_norm(settings, n_out, 2)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        self.norm2 = batch_norm(settings, n_out, 2)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or n_in != n_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(n_in, n_out, 1, stride, bias=False), batch_norm(settings, n_out, 2)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, C, H, W)."""
        y = self.norm1(self.conv1(x)).relu()
        summed: Tensor = self.norm2(self.conv2(y)) + self.shortcut(x)
        return summed.relu()


class PreActivation(nn.Module):
    """BN - ReLU - conv, twice, added to its input (Zagoruyko and Komodakis 2016).

    Where the width changes the shortcut is a 1x1 convolution of what the first ReLU gives.
    """

    def __init__(self, settings: NetworkSettings, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.norm1 = batch_norm(settings, n_in, 2)
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, padding=1, bias=False)
        self.norm2 = batch_norm(settings, n_out, 2)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, padding=1, bias=False)
        changes = stride != 1 or n_in != n_out
        self.shortcut = nn.Conv2d(n_in, n_out, 1, stride, bias=False) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, C, H, W)."""
        active = self.norm1(x).relu()
        y = self.conv2(self.norm2(self.conv1(active)).relu())
        summed: Tensor = y + (x if self.shortcut is None else self.shortcut(active))
        return summed


def _cifar(
    settings: NetworkSettings, shape: Shape, n_outputs: int, depth: int
) -> nn.Sequential:
    """3 stages of (depth - 2) / 6 blocks, 16, 32 and 64 units (He et al. 2016, section 4.2)."""
    first, *_ = units = [scaled(n, settings.width) for n in (16, 32, 64)]
    layers = OrderedDict[str, nn.Module](
        conv=nn.Conv2d(shape[0], first, 3, padding=1, bias=False),
        norm=batch_norm(settings, first, 2),
        relu=nn.ReLU(),
    )
    layers |= _stages(BasicBlock, settings, [first, *units], (depth - 2) // 6)
    return _with_head(layers, units[-1], n_outputs)


@NETWORKS.register("resnet20")
def resnet20(settings: NetworkSettings, input_shape: Shape, n_outputs: int) -> nn.Sequential:
    """ResNet-20 for 32x32 images: 3 stages of 3 blocks, 16-32-64 units."""
    return _cifar(settings, input_shape, n_outputs, 20)


@NETWORKS.register("resnet32")
def resnet32(settings: NetworkSettings, input_shape: Shape, n_outputs: int) -> nn.Sequential:
    """ResNet-32 for 32x32 images: 3 stages of 5 blocks, 16-32-64 units."""
    return _cifar(settings, input_shape, n_outputs, 32)


@NETWORKS.register("resnet56")
def resnet56(settings: NetworkSettings, input_shape: Shape, n_outputs: int) -> nn.Sequential:
    """ResNet-56 for 32x32 images: 3 stages of 9 blocks, 16-32-64 units."""
    return _cifar(settings, input_shape, n_outputs, 56)


@NETWORKS.register("resnet110")
def resnet110(settings: NetworkSettings, input_shape: Shape, n_outputs: int) -> nn.Sequential:
    """ResNet-110 for 32x32 images: 3 stages of 18 blocks, 16-32-64 units."""
    return _cifar(settings, input_shape, n_outputs, 110)


@NETWORKS.register("resnet18-reduced")
def resnet18_reduced(
    settings: NetworkSettings, input_shape: Shape, n_outputs: int
) -> nn.Sequential:
    """The reduced ResNet-18 of continual learning: 4 stages of 2 blocks, 20-40-80-160 units.

    Lopez-Paz and Ranzato (2017), public code of gradient episodic memory.
    """
    first, *_ = units = [scaled(n, settings.width) for n in (20, 40, 80, 160)]
    layers = OrderedDict[str, nn.Module](
        conv=nn.Conv2d(input_shape[0], first, 3, padding=1, bias=False),
        norm=batch_norm(settings, first, 2),
        relu=nn.ReLU(),
    )
    layers |= _stages(BasicBlock, settings, [first, *units], 2)
    return _with_head(layers, units[-1], n_outputs)


@NETWORKS.register("wrn-28-2")
def wrn_28_2(settings: NetworkSettings, input_shape: Shape, n_outputs: int) -> nn.Sequential:
    """Wide ResNet 28-2: 3 stages of 4 pre-activation blocks, 32-64-128 units."""
    first, *units = [scaled(n, settings.width) for n in (16, 32, 64, 128)]
    layers = OrderedDict[str, nn.Module](
        conv=nn.Conv2d(input_shape[0], first, 3, padding=1, bias=False)
    )
    layers |= _stages(PreActivation, settings, [first, *units], 4)
    layers["norm"] = batch_norm(settings, units[-1], 2)
    layers["relu"] = nn.ReLU()
    return _with_head(layers, units[-1], n_outputs)


def _stages(
    block: Block, settings: NetworkSettings, units: Sequence[int], n_blocks: int
) -> OrderedDict[str, nn.Module]:
    """Blocks by name; every stage but the first halves the sides of its maps.

    Args:
        block: Makes one block.
        settings: For batch norm.
        units: Of what the first stage reads, then of each stage.
        n_blocks: Of each stage.
    """
    blocks: OrderedDict[str, nn.Module] = OrderedDict()
    for stage, (n_in, n_out) in enumerate(pairwise(units), start=1):
        blocks[f"block{stage}_1"] = block(settings, n_in, n_out, 1 if stage == 1 else 2)
        for index in range(2, n_blocks + 1):
            blocks[f"block{stage}_{index}"] = block(settings, n_out, n_out, 1)
    return blocks


def _with_head(layers: OrderedDict[str, nn.Module], n_in: int, n_outputs: int) -> nn.Sequential:
    """The layers, then an average over the map and a linear layer."""
    layers |= {"average": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten()}
    layers["head"] = nn.Linear(n_in, n_outputs)
    return nn.Sequential(layers)
