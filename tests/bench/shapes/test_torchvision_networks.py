"""Torchvision's networks by name: own sizes, sizes asked for, what they cannot take."""

import pytest

from cgap_bench.errors import UsageError
from cgap_bench.shapes.torchvision_networks import (
    own_image_size,
    torchvision_names,
    torchvision_network,
    torchvision_workload,
)
from cgap_hw import LayerShape


@pytest.mark.parametrize(
    ("name", "size"),
    [("resnet18", 224), ("inception_v3", 299), ("efficientnet_b7", 600), ("vit_b_16", 224)],
)
def test_own_sizes(name, size):
    assert own_image_size(name) == size


def test_every_network_has_a_size():
    assert len(torchvision_names()) >= 80
    assert all(128 <= own_image_size(name) <= 600 for name in torchvision_names())


def test_networks_take_up_no_memory():
    network, image = torchvision_network("regnet_y_128gf", 224)
    assert {x.device.type for x in (image, *network.parameters())} == {"meta"}
    assert sum(x.numel() for x in network.parameters()) == 644_812_894


def test_positions_of_a_transformer_follow_the_image():
    workload = torchvision_workload("vit_b_32", 96)
    assert workload.inputs == {"input": (1, 3, 96, 96)}
    layers = [LayerShape.model_validate(x) for x in workload.layers]
    tokens, width = 9 + 1, 768
    block = 12 * tokens * width**2 + 2 * tokens**2 * width
    patches, head = 9 * width * 3 * 32**2, 1000 * width
    assert sum(x.macs for x in layers) == 12 * block + patches + head


def test_images_that_a_network_cannot_take_are_refused_in_a_sentence():
    with pytest.raises(UsageError, match="maxvit_t takes no images of 100 x 100: "):
        torchvision_workload("maxvit_t", 100)
