"""hls4ml projects: written, compiled, and found to compute the network."""

import shutil

import pytest
import torch
from torch import nn

from cgap_bench.errors import UsageError
from cgap_bench.export import hls4ml_project
from cgap_bench.export.hls4ml_project import HOW, write_hls4ml
from cgap_cl import Birth, PlasticNetwork
from cgap_cl.blocks.block import connect_all

pytest.importorskip("hls4ml", reason=HOW)
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")


def task(reference, example, n_tasks):
    """The subnetwork of the last of some tasks; it reads those before."""
    network = PlasticNetwork(reference, example)
    for k in range(n_tasks):
        column = network.sprout(k, 5, Birth(network.layout.scaled(0.5)))
        if k:
            connect_all(column, network.block(0))
        network.merge()
    return network.subnetwork(n_tasks - 1)


@needs_compiler
def test_the_emulation_of_a_task_is_the_network_in_words(tmp_path):
    torch.manual_seed(0)
    reference = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 5))
    x = torch.randn(20, 6)
    network = task(reference, x[:2], 2)
    project = write_hls4ml(network, x, tmp_path / "project")
    assert project.conversion_error == 0
    # Two layers, weights below 1: each word that is rounded costs less than a step.
    assert 0 < project.rounding_error < 20 * project.words.step
    top = (tmp_path / "project/firmware/myproject.cpp").read_text()
    assert top.count("nnet::dense<") == 2


@needs_compiler
@pytest.mark.slow
def test_a_convolutional_task_and_finer_words(tmp_path):
    torch.manual_seed(0)
    reference = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
    )
    x = torch.rand(8, 1, 8, 8)
    network = task(reference, x[:2], 2)
    coarse = write_hls4ml(network, x, tmp_path / "coarse", bits=12)
    fine = write_hls4ml(network, x, tmp_path / "fine", bits=20)
    for project in (coarse, fine):
        assert project.conversion_error <= project.words.step
    # What differs from the network is rounding: eight bits more, 2^8 times less.
    assert fine.rounding_error < coarse.rounding_error / 2**6


def test_a_conversion_that_computes_something_else_is_refused(tmp_path, monkeypatch):
    """hls4ml 1.3 takes a grouped convolution for a dense one; here its answers are shifted."""
    layer = nn.Sequential(nn.Linear(3, 2))
    monkeypatch.setattr(
        hls4ml_project, "_emulated", lambda graph, words, images, *_: graph(images) + 0.5
    )
    with pytest.raises(UsageError, match="does not compute this network"):
        write_hls4ml(layer, torch.rand(4, 3), tmp_path / "project")


def test_what_hls4ml_does_not_know_is_named_and_nothing_is_left(tmp_path):
    network = nn.Sequential(nn.Linear(3, 2), nn.GELU())
    with pytest.raises(UsageError, match="hls4ml: Unsupported layer GELU"):
        write_hls4ml(network, torch.rand(4, 3), tmp_path / "project")
    assert not (tmp_path / "project").exists()


def test_what_is_missing_or_in_the_way_is_told(tmp_path, monkeypatch):
    layer, x = nn.Sequential(nn.Linear(3, 2)), torch.rand(4, 3)
    with pytest.raises(UsageError, match="unknown backend 'Quartus'"):
        write_hls4ml(layer, x, tmp_path / "project", backend="Quartus")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="is not an empty folder"):
        write_hls4ml(layer, x, tmp_path)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UsageError, match="needs g\\+\\+"):
        write_hls4ml(layer, x, tmp_path / "project")
    monkeypatch.setattr(hls4ml_project.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="pip install 'cgap-cl\\[hls4ml\\]'"):
        write_hls4ml(layer, x, tmp_path / "project")
    assert (tmp_path / "file").read_text() == "mine"
