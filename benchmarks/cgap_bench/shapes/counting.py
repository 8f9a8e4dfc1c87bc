"""Multiply-adds that are priced, held against torch's own (`torch.utils.flop_counter`)."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from cgap_bench.shapes.torchvision_networks import own_image_size, torchvision_network
from cgap_bench.shapes.tracing import total_macs, trace


@dataclass(frozen=True)
class Count:
    """Multiply-adds of one network.

    Attributes:
        name: Of torchvision.
        image_size: Height and width.
        priced: Of its layer shapes.
        counted: By torch.
        of_constants: Among these, what no image changes: worked out once, before any.
        unsupported: What is not among the layers, and how often it was met.
    """

    name: str
    image_size: int
    priced: int
    counted: int
    of_constants: int
    unsupported: Mapping[str, int]

    @property
    def agrees(self) -> bool:
        """Whether what depends on the image is priced, all of it and nothing else."""
        return self.priced == self.counted - self.of_constants


def count(name: str) -> Count:
    """The multiply-adds of one of torchvision's networks at its own image size.

    >>> one = count("squeezenet1_1")
    >>> one.priced, one.counted, one.of_constants
    (349151936, 349151936, 0)
    """
    size = own_image_size(name)
    network, image = torchvision_network(name, size)
    workload = trace(network, image)
    priced, counted = total_macs(workload.layers), torch_macs(network, image)
    # A second image adds what depends on images; the rest is there once for both.
    both = torch.cat([image, image])
    each = counted if priced == counted else torch_macs(network, both) - counted
    return Count(name, size, priced, counted, counted - each, workload.unsupported)


def torch_macs(network: nn.Module, x: Tensor) -> int:
    """By torch's counter, which counts two operations a multiply-add and no biases."""
    network.eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(x)
    return int(counter.get_total_flops()) // 2
