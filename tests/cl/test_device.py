"""The method on a device beside the CPU: the same network, and nothing on the wrong device."""

import pytest
import torch

from cgap_cl import CGaPConfig, GrowthPolicy, PlasticNetwork
from cgap_cl.change.newborn import Split
from cgap_cl.decide.saliency import RandomScore, magnitude

X = torch.randn(7, 2, 6, 6, generator=torch.Generator().manual_seed(1))
SETTINGS = {
    "default": {},
    "shared": {"share_groups": 2},
    "split": {"newborn": Split()},
    "magnitude": {"score": magnitude},
    "random": {"score": RandomScore},
}


def learn(architecture, settings, strategy, stream, device):
    made = {key: v() if isinstance(v, type) else v for key, v in settings.items()}
    config = CGaPConfig(target_price=0.3, growth=GrowthPolicy(linear_capacity=1.0), **made)
    torch.manual_seed(0)
    network = PlasticNetwork(architecture(), torch.zeros(2, 2, 6, 6))
    host = strategy(network, config=config, device=device)
    for experience in stream.train_stream:
        host.train(experience)
        host.eval(stream.test_stream)
    return network, host.plugins[0].history


@pytest.mark.parametrize(
    "name",
    [
        "default",
        "shared",
        "split",
        pytest.param("magnitude", marks=pytest.mark.slow),
        pytest.param("random", marks=pytest.mark.slow),
    ],
)
def test_the_same_network_on_both_devices(name, architectures, strategy, stream, second_device):
    settings = SETTINGS[name]
    here, history = learn(architectures["chain"], settings, strategy, stream, "cpu")
    with second_device() as device:
        there, other = learn(architectures["chain"], settings, strategy, stream, device)
        state = {k: v for k, v in there.state_dict().items() if isinstance(v, torch.Tensor)}
        assert {value.device.type for value in state.values()} == {device}
        assert {p.device.type for p in there.subnetwork(1).parameters()} == {device}
        moved = {key: value.cpu() for key, value in state.items()}
    assert other == history
    assert {"grow", "prune"} <= {entry["kind"] for entry in history}
    for key, value in here.state_dict().items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(moved[key], value), key


@pytest.mark.parametrize(
    "name",
    [
        "residual",
        pytest.param("depthwise", marks=pytest.mark.slow),
        pytest.param("concat", marks=pytest.mark.slow),
    ],
)
def test_other_architectures(name, architectures, strategy, stream, second_device):
    with second_device() as device:
        network, _ = learn(architectures[name], {}, strategy, stream, device)
        x = X.to(device)
        logits = network.eval()(x, 1).cpu()
        assert torch.equal(network.subnetwork(1)(x).cpu(), logits)


def test_a_checkpoint_moves_between_devices(architectures, strategy, stream, second_device):
    with second_device() as device:
        there, _ = learn(architectures["chain"], {}, strategy, stream, device)
        logits = there.eval()(X.to(device), 2).cpu()
        here = PlasticNetwork(architectures["chain"](), torch.zeros(2, 2, 6, 6))
        here.load_state_dict(there.state_dict())
    assert {p.device.type for p in here.parameters()} == {"cpu"}
    assert torch.equal(here.eval()(X, 2), logits)


def test_the_second_device_is_as_strict_as_cuda(second_device):
    with second_device() as device:
        x = torch.ones(3, device=device)
        assert (x * torch.tensor(2.0) + 1).sum().item() == 9
        assert x[torch.tensor([0, 1])].device.type == device
        with pytest.raises(RuntimeError, match="two devices"):
            x + torch.ones(3)
        with pytest.raises(RuntimeError, match="two devices"):
            torch.ones(3)[torch.zeros(2, dtype=torch.int64, device=device)]
        with pytest.raises(RuntimeError, match="generator"):
            torch.randn(3, device=device, generator=torch.Generator())
