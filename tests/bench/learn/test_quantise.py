"""8-bit networks: against integer arithmetic by hand, on every network."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from cgap_bench.learn.network import NETWORKS, build_network
from cgap_bench.learn.quantise import Quantised, thinned
from cgap_bench.record.configuration import NetworkSettings
from cgap_cl import Birth, PlasticNetwork
from cgap_cl.blocks.blockwise import BlockwiseLayer


class Residual(nn.Module):
    """Convolution, norm, ReLU; another behind it, summed with the first; pools; a head."""

    def __init__(self, *, in_place=False):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.norms = nn.ModuleList(nn.BatchNorm2d(8) for _ in range(2))
        self.relu, self.head = nn.ReLU(inplace=in_place), nn.Linear(8, 5)
        self.in_place = in_place

    def forward(self, x):
        x = functional.max_pool2d(self.relu(self.norms[0](self.first(x))), 2)
        y = self.norms[1](self.second(x))
        if self.in_place:
            y += x
        else:
            y = y + x
        return self.head(functional.adaptive_avg_pool2d(self.relu(y), 1).flatten(1))


@pytest.fixture
def network():
    return _lively(Residual())


def _lively(network, seed=0):
    """Norms as after training, far from doing nothing."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            n = module.num_features
            module.weight.data = 0.2 + 2 * torch.rand(n, generator=generator)
            module.bias.data = torch.randn(n, generator=generator)
            if module.running_mean is not None:
                module.running_mean.copy_(torch.randn(n, generator=generator))
                module.running_var.copy_(0.1 + 3 * torch.rand(n, generator=generator))
    return network.eval()


def _images(n=40, shape=(3, 8, 8), seed=1):
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed))


def _words(x, low, high):
    """Whole numbers 0 to 255 and how to read them."""
    scale = (high - low) / 255
    zero = round(-low / scale)
    return torch.clamp(torch.round(x / scale) + zero, 0, 255).to(torch.int64), scale, zero


def _folded(conv, norm):
    """Weights and bias with the norm in them, then weights of -127 to 127 a channel."""
    factor = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    weight = conv.weight * factor.view(-1, 1, 1, 1)
    bias = (conv.bias - norm.running_mean) * factor + norm.bias
    scale = weight.abs().amax((1, 2, 3)) / 127
    return torch.round(weight / scale.view(-1, 1, 1, 1)).to(torch.int64), scale, bias


def test_it_is_integer_arithmetic_with_the_norm_folded():
    """Two layers by hand in whole numbers, scales from the float network."""
    torch.manual_seed(0)
    conv, norm, head = nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Linear(6 * 36, 5)
    network = _lively(nn.Sequential(conv, norm, nn.ReLU(), nn.Flatten(), head))
    x = _images()
    with torch.no_grad():
        hidden = network[:3](x)
        words, scale, zero = _words(x, float(x.min()), float(x.max()))
        weight, w_scale, bias = _folded(conv, norm)
        sums = functional.conv2d((words - zero).double(), weight.double()).round()
        y = torch.relu(sums * scale * w_scale.view(-1, 1, 1) + bias.view(-1, 1, 1))
        words, scale, zero = _words(y.flatten(1), 0.0, float(hidden.max()))
        h_scale = head.weight.abs().amax(1) / 127
        h_words = torch.round(head.weight / h_scale.view(-1, 1)).to(torch.int64)
        expected = ((words - zero) @ h_words.T) * scale * h_scale + head.bias
        found = Quantised(network, [x])(x)
        step = scale * float(head.weight.abs().max())  # a value may fall beside its word
        assert (found - expected).abs().max() < step
        assert (found - expected).abs().mean() < 0.02 * (network(x) - found).abs().mean()


@pytest.mark.parametrize("in_place", [False, True])
def test_more_bits_are_nearer_to_the_float_network(in_place):
    torch.manual_seed(0)
    network = _lively(Residual(in_place=in_place))
    x = _images()
    with torch.no_grad():
        exact = network(x)
        errors = [
            float((Quantised(network, [x], bits)(x) - exact).abs().max()) / float(exact.std())
            for bits in (2, 4, 8, 16)
        ]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 0.3
    assert 1e-4 < errors[2] < 0.1
    assert errors[3] < 1e-3


def test_in_place_work_changes_nothing():
    torch.manual_seed(0)
    plain, in_place = _lively(Residual()), _lively(Residual(in_place=True))
    in_place.load_state_dict(plain.state_dict())
    x = _images()
    assert torch.equal(Quantised(plain, [x])(x), Quantised(in_place, [x])(x))


def test_network_and_random_state_are_left_alone(network):
    x = _images()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    state, kept = torch.get_rng_state(), x.clone()
    Quantised(network, [x])(x)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(x, kept)
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())


def test_scales_are_those_of_the_calibration_images(network):
    """Values beyond what calibration saw are cut off."""
    x = _images()
    quantised, far = Quantised(network, [x]), 10 * torch.sign(x)
    with torch.no_grad():
        assert torch.equal(quantised(far), quantised(2 * far))
        assert not torch.equal(network(far), network(2 * far))
        halves = Quantised(network, [x[:20], x[20:]])
        assert torch.equal(halves(x), quantised(x))
    with pytest.raises(ValueError, match="at least one batch"):
        Quantised(network, [])


def test_calibration_takes_images_evenly():
    assert thinned(1200, 600) == [*range(0, 1200, 4)]
    assert thinned(1201, 602)[150:152] == [600, 602]  # each batch from its first image on
    assert thinned(10, 512) == [*range(10)]


@pytest.mark.parametrize("name", NETWORKS.names())
def test_every_network_has_an_8_bit_form(name):
    torch.manual_seed(0)
    network = _lively(build_network(NetworkSettings(name=name), (3, 32, 32), 10))
    x = _images(8, (3, 32, 32))
    with torch.no_grad():
        exact, found = network(x), Quantised(network, [x])(x)
    assert not torch.equal(exact, found)
    assert (found - exact).abs().mean() < 0.2 * exact.std()


@pytest.mark.parametrize("contiguous", [True, False])
def test_blocks_are_rounded_like_the_dense_layer_they_stand_for(contiguous):
    """Two operations side by side, outputs reordered, against one with zeros written out."""
    torch.manual_seed(0)
    ops = [nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(5, 2, 3, padding=1)]
    read = [[0, 1, 2], [1, 2, 3, 4, 5]] if contiguous else [[0, 2, 5], [0, 1, 2, 4, 5]]
    order = torch.tensor([5, 0, 1, 4, 2, 3])
    indices = [torch.tensor(index) for index in read]
    layer = BlockwiseLayer(ops, indices, 6, order)
    dense = nn.Conv2d(6, 6, 3, padding=1)
    with torch.no_grad():
        weight = torch.zeros(6, 6, 3, 3)
        weight[:4, read[0]], weight[4:, read[1]] = ops[0].weight, ops[1].weight
        dense.weight.copy_(weight[order])
        dense.bias.copy_(torch.cat([op.bias for op in ops])[order])
    first, last = nn.Conv2d(1, 6, 3), nn.Linear(6 * 36, 3)
    norm = _lively(nn.BatchNorm2d(6))
    networks = [
        nn.Sequential(first, nn.ReLU(), middle, norm, nn.ReLU(), nn.Flatten(), last).eval()
        for middle in (layer, dense)
    ]
    x = _images(16, (1, 8, 8))
    with torch.no_grad():
        blocks, whole = (Quantised(network, [x])(x) for network in networks)
        error = (whole - networks[1](x)).abs().max()
    assert (blocks - whole).abs().max() < 0.1 * error  # sums in another order


@pytest.mark.parametrize("share", [{}, {"conv1": [0, 2]}, {"conv1": [1], "conv2": [0, 3]}])
def test_a_subnetwork_of_several_blocks_has_an_8_bit_form(share):
    """Also where several blocks read the image, which is then rounded once."""
    torch.manual_seed(0)
    x = _images(16, (1, 8, 8))
    reference = build_network(NetworkSettings(name="digits-cnn"), (1, 8, 8), 2)
    network = PlasticNetwork(reference, x[:1])
    for task in range(3):
        newborn = Birth(ancestor=0, share=share) if task else None
        network.sprout(task, 2, newborn)
        network.merge()
    subnetwork = network.subnetwork(2)
    with torch.no_grad():
        error = (Quantised(subnetwork, [x])(x) - subnetwork(x)).abs().max()
        assert 0 < error < 0.1 * subnetwork(x).std()
