"""Networks that are kept leave the project unchanged."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from cgap_bench.commands.networks.export import export_text
from cgap_bench.commands.networks.predict import predict_text
from cgap_bench.errors import RunError, UsageError
from cgap_bench.export import formats
from cgap_bench.export.kept import (
    N_IMAGES,
    Inputs,
    example_of,
    exported,
    keep_network,
    load_images,
    load_network,
)
from cgap_bench.learn.dataset import data_root
from cgap_bench.record.store import write_record
from cgap_bench.run.experiences import train

INPUTS = Inputs((1, 8, 8), (4.0,), (2.0,), (3, 7))


@pytest.fixture(scope="module")
def finished(tiny, tmp_path_factory):
    """A run of CGaP, finished and kept: the path of its record."""
    out = tmp_path_factory.mktemp("results")
    config = tiny("cgap")
    folder = out / "runs" / "tiny"
    record = train(config, data_root(), networks=folder / "pending.networks")
    path = write_record(record, out)
    (folder / "pending.networks").rename(path.with_suffix(".networks"))
    return path


@pytest.fixture
def network():
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 36, 2)]
    return nn.Sequential(*layers).eval()


def test_what_is_kept_is_the_network(network, tmp_path):
    keep_network(network, INPUTS, example_of(INPUTS), tmp_path / "abc.networks", 2)
    program, inputs = load_network(tmp_path / "abc.json", 2)
    x = example_of(INPUTS, 5)
    assert torch.equal(program.module()(x), network(x))
    assert inputs == INPUTS
    weights = load_file(tmp_path / "abc.networks" / "task-2.safetensors")
    assert weights.keys() == network.state_dict().keys()
    assert all(torch.equal(weights[k], v) for k, v in network.state_dict().items())


def test_what_was_not_kept_is_told(network, tmp_path):
    with pytest.raises(UsageError, match="run again with --keep-weights"):
        load_network(tmp_path / "abc.json", 1)
    keep_network(network, INPUTS, example_of(INPUTS), tmp_path / "abc.networks", 2)
    with pytest.raises(UsageError, match=r"no task 1 in .*; there are 2"):
        load_network(tmp_path / "abc.json", 1)


def test_a_file_that_computes_something_else_is_an_error(network, tmp_path, monkeypatch):
    program = exported(network, INPUTS.shape)
    real = torch.export.load

    def other(path):
        loaded = real(path)
        next(iter(loaded.state_dict.values())).data.add_(0.1)
        return loaded

    monkeypatch.setattr(torch.export, "load", other)
    with pytest.raises(RunError, match="differs from the network by"):
        formats.write_program(program, INPUTS, tmp_path / "a.pt2")


def test_a_finished_run_is_exported_and_predicts(finished, tmp_path):
    text = export_text(finished, 2, "onnx,pt2,shapes", tmp_path)
    paths = [line.split()[0] for line in text.splitlines()]
    assert [path.rpartition(".")[2] for path in paths] == ["onnx", "pt2", "json"]
    layers = json.loads((tmp_path / paths[2]).read_text())
    assert layers[0]["kind"] == "conv"

    rng, images = np.random.default_rng(0), tmp_path / "images"
    images.mkdir()
    for i in range(4):
        pixels = rng.integers(0, 17, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(images / f"{i}.png")
    onnx, program = (predict_text(tmp_path / path, images) for path in paths[:2])
    assert onnx == program

    kept, inputs = load_network(finished, 2)
    pixels = np.stack([np.asarray(Image.open(images / f"{i}.png")) for i in range(4)])
    x = (torch.from_numpy(pixels).float()[:, None] - inputs.mean[0]) / inputs.std[0]
    best = kept.module()(x).argmax(1).tolist()
    told = [int(line.split()[1]) for line in onnx.splitlines()[1:]]
    assert told == [inputs.classes[i] for i in best]
    assert inputs.classes == (5, 6, 7, 8, 9)


@pytest.mark.parametrize(
    ("name", "package"),
    [("qonnx", "qonnx"), pytest.param("hls4ml", "hls4ml", marks=pytest.mark.slow)],
)
def test_a_finished_run_is_exported_in_words(finished, tmp_path, name, package):
    pytest.importorskip(package)
    if name == "hls4ml" and shutil.which("g++") is None:
        pytest.skip("no g++")
    text = export_text(finished, 2, name, tmp_path, bits=18)
    path = tmp_path / f"{finished.stem}-task-2.{name}"
    assert text.startswith(f"{path}  (ap_fixed<18,")
    assert "on 16 images of the task within 0 of the network in these words" in text
    assert path.is_dir() if name == "hls4ml" else path.is_file()
    beside = json.loads((tmp_path / f"{finished.stem}-task-2.inputs.json").read_text())
    assert beside["classes"] == [5, 6, 7, 8, 9]


def test_images_of_the_task_are_kept(finished, tiny):
    """From all over those that the record was scored on."""
    from cgap_bench.learn.streams import build_stream

    config = tiny("cgap")
    share = config.training.holdout_share
    stream = build_stream(config.stream, share, config.seed, data_root())
    images, scored = load_images(finished, 2), stream.scored[1]
    assert torch.equal(images[0], scored[0][0])
    assert torch.equal(images[-1], scored[len(scored) - 1][0])
    assert len(images) == N_IMAGES < len(scored)
    with pytest.raises(UsageError, match="an older version kept this network; remove"):
        load_images(finished, 3)


def test_the_accuracy_of_the_record_is_that_of_what_was_kept(finished, tiny):
    """On the images that the record was scored on."""
    from cgap_bench.learn.streams import build_stream
    from cgap_bench.record.store import read_record

    config, record = tiny("cgap"), read_record(finished)
    share = config.training.holdout_share
    stream = build_stream(config.stream, share, config.seed, data_root())
    for task in (1, 2):
        kept = load_network(finished, task)[0].module()
        pairs = [stream.scored[task - 1][i] for i in range(len(stream.scored[task - 1]))]
        x = torch.stack([pair[0] for pair in pairs])
        right = (kept(x).argmax(1) == torch.tensor([pair[1] for pair in pairs])).float().mean()
        assert float(right) == pytest.approx(record.accuracy[-1][task - 1], abs=1e-6)


def test_unknown_formats_and_files_are_refused(finished, tmp_path):
    with pytest.raises(UsageError, match="unknown format 'caffe'"):
        export_text(finished, 1, "caffe", tmp_path)
    with pytest.raises(UsageError, match="--to names no format; there are: onnx, pt2, hls4ml"):
        export_text(finished, 1, " ,", tmp_path / "new")
    with pytest.raises(UsageError, match="--bits is for hls4ml and qonnx; onnx,pt2 is"):
        export_text(finished, 1, "onnx,pt2", tmp_path / "new", bits=8)
    pytest.importorskip("qonnx")
    with pytest.raises(UsageError, match=r"need more than \d+ bits a word, got 3"):
        export_text(finished, 1, "qonnx", tmp_path / "new", bits=3)
    assert not (tmp_path / "new").exists()
    with pytest.raises(UsageError, match=r"does not say what a\.onnx reads"):
        predict_text(tmp_path / "a.onnx", tmp_path)
