"""Networks by torchvision's name or a user's function: cut at the head, scaled, refused."""

import sys
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from cgap_bench.errors import UnknownNameError, UsageError
from cgap_bench.learn.external_networks import external_network
from cgap_bench.learn.network import build_network
from cgap_bench.learn.sizes import n_parameters
from cgap_bench.record.configuration import NetworkSettings

SHAPE = (3, 32, 32)


def build(name, width=1.0, n_outputs=7):
    return build_network(NetworkSettings(name=name, width=width), SHAPE, n_outputs)


class Own(nn.Module):
    """A user's network; its head has a name of its own."""

    def __init__(self, n_outputs):
        super().__init__()
        self.conv, self.classifier = nn.Conv2d(3, 8, 3), nn.Linear(8, n_outputs)

    def forward(self, x):
        return self.classifier(self.conv(x).relu().mean((2, 3)))


@pytest.fixture
def own(monkeypatch):
    functions = SimpleNamespace(
        small=lambda shape, n: Own(n),
        headless=lambda shape, n: nn.Conv2d(shape[0], n, 32),
        text=lambda shape, n: "no module",
    )
    monkeypatch.setitem(sys.modules, "own_networks", functions)


def test_torchvision_network_has_its_classes_and_its_size():
    network = build("torchvision:resnet18")
    assert [name for name, _ in network.named_children()] == ["body", "head"]
    assert network.eval()(torch.zeros(2, *SHAPE)).shape == (2, 7)
    assert n_parameters(network) == 11_689_512 - 993 * 513  # torchvision's for 1000 classes


def test_cut_network_is_the_same_function(own):
    torch.manual_seed(0)
    whole = Own(7)
    torch.manual_seed(0)
    cut = build("own_networks:small")
    x = torch.randn(4, *SHAPE)
    assert torch.equal(whole(x), cut(x))


def test_scaled_network_has_fewer_units_and_trains(own):
    network = build("own_networks:small", width=0.5)
    assert network[0].conv.weight.shape == (4, 3, 3, 3)
    network(torch.randn(4, *SHAPE)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("own_networks:missing", "missing"),
        ("no_such_module:small", "no_such_module"),
        ("own_networks:headless", "no linear layer"),
        ("own_networks:text", "not a torch module"),
    ],
)
def test_what_is_no_network_is_named(own, name, message):
    with pytest.raises(UsageError, match=message):
        build(name)


class Grey(nn.Module):
    """Reads images of one channel, whatever it is given."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 4, 3), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.conv(x).mean((2, 3)))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (
            Grey,
            r"not run on images of shape \(3, 32, 32\): .*test_external_networks\.py, line",
        ),
        (lambda: nn.Linear(32, 7), r"makes \(2, 3, 32, 7\) of a batch of 2 images"),
        (
            lambda: nn.Sequential(nn.Flatten(), nn.Linear(3072, 9), nn.LSTM(9, 4)),
            "makes tuple of a batch",
        ),
    ],
)
def test_a_network_that_does_not_run_as_it_must_is_told_why(monkeypatch, network, message):
    functions = SimpleNamespace(made=lambda shape, n: network())
    monkeypatch.setitem(sys.modules, "own_networks", functions)
    with pytest.raises(UsageError, match=message):
        build("own_networks:made")


def test_what_cannot_be_scaled_says_which_layer(own, monkeypatch):
    soft = SimpleNamespace(small=lambda shape, n: nn.Sequential(Own(n), nn.Softmax(1)))
    monkeypatch.setitem(sys.modules, "own_networks", soft)
    with pytest.raises(
        UsageError, match="own_networks:small: layer '1' cannot grow or shrink: S"
    ):
        build("own_networks:small", width=0.5)


def test_unknown_torchvision_network_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'resnet18'"):
        build("torchvision:resnet81")


def test_timm_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UsageError, match="pip install timm"):
        build("timm:resnet18")


def test_timm_makes_a_network_for_these_images_and_classes(monkeypatch):
    made = []

    def create_model(name, num_classes, in_chans):
        made.append((name, in_chans))
        return Own(num_classes)

    timm = SimpleNamespace(list_models=lambda: ["resnet18"], create_model=create_model)
    monkeypatch.setitem(sys.modules, "timm", timm)
    assert build("timm:resnet18")(torch.zeros(2, *SHAPE)).shape == (2, 7)
    assert made == [("resnet18", 3)]
    with pytest.raises(UnknownNameError, match="did you mean 'resnet18'"):
        build("timm:resnet81")


def test_a_module_in_the_present_folder_is_found(tmp_path, monkeypatch):
    """Programs like `cgap-cl` do not look there by themselves."""
    (tmp_path / "networks_of_mine.py").write_text(
        "from torch import nn\n"
        "def small(shape, n_outputs):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, 5), nn.Linear(5, n_outputs))\n"
    )
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    network = external_network("networks_of_mine:small", 1.0, (1, 8, 8), 3)
    assert network(torch.zeros(2, 1, 8, 8)).shape == (2, 3)
    assert sys.path == before
