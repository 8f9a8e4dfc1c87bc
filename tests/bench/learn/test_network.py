"""Reference networks by name: their head, their width."""

import pytest
import torch
from torch import nn

from cgap_bench.errors import UnknownNameError, UsageError
from cgap_bench.learn.network import NETWORKS, build_network, network_factory
from cgap_bench.record.configuration import NetworkSettings


@pytest.mark.parametrize("name", NETWORKS.names())
def test_every_network_ends_in_its_head_and_narrows_evenly(name):
    shape = (3, 32, 32)
    full = build_network(NetworkSettings(name=name), shape, 7)
    half = build_network(NetworkSettings(name=name, width=0.5), shape, 7)
    assert isinstance(full[-1], nn.Linear)
    assert full(torch.zeros(2, *shape)).shape == (2, 7)
    for wide, narrow in zip(full, half):
        if isinstance(wide, nn.Conv2d | nn.Linear) and wide is not full[-1]:
            assert narrow.weight.shape[0] == wide.weight.shape[0] // 2


def test_unknown_network_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'digits-cnn'"):
        build_network(NetworkSettings(name="digit-cnn"), (1, 8, 8), 2)


def test_a_module_without_its_function_is_told_how_to_be_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets_of_mine.py").write_text("")
    for name, hint in (("nets_of_mine", "FUNCTION"), ("nets_of_mine.small", "small")):
        with pytest.raises(UsageError, match=f"in nets_of_mine.py write nets_of_mine:{hint}"):
            network_factory(name)
