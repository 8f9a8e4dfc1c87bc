"""Images that do not fit stay in files: the same records, less memory, nothing left running."""

import json
import multiprocessing

import numpy as np
import pytest
from PIL import Image

from cgap_bench.errors import UsageError
from cgap_bench.learn.datasets.named import load_data
from cgap_bench.learn.images.memory import MemoryBudget
from cgap_bench.learn.method import METHODS
from cgap_bench.record.configuration import Augmentation
from cgap_bench.record.identity import run_id
from cgap_bench.run.executors.server import context
from cgap_bench.run.experiences import Run
from cgap_bench.run.keeper import Checkpoints, Keeper
from cgap_bench.run.stream import stream_of

SMALL = MemoryBudget(50_000)  # bytes; the digits take 115,008
MOVED = {"augment": Augmentation.CROP_FLIP, "eval_batch_size": 64}
FAMILIES = ["cgap", "ewc", "lwf", "replay", "packnet"]  # the others only in `make test-all`


def finished(run):
    while run.next_experience < run.n_experiences:
        run.step()
    return run


@pytest.mark.parametrize(
    "name",
    [
        name if name in FAMILIES else pytest.param(name, marks=pytest.mark.slow)
        for name in METHODS.names()
    ],
)
def test_records_from_files_are_those_from_memory(name, tiny, reference, tmp_path):
    sized_by = reference if METHODS[name].sized_by_cgap else None
    one, other = (
        finished(Run(tiny(name, **MOVED), tmp_path, sized_by, memory=memory))
        for memory in (None, SMALL)
    )
    assert not one.context.stream.in_files
    assert other.context.stream.in_files
    in_memory, in_files = one.record(), other.record()
    assert in_memory == in_files
    assert in_memory.run_id == in_files.run_id
    assert in_memory.environment["images"] == "in memory"
    assert in_files.environment["images"] == "in files"
    mine, theirs = one._generators(), other._generators()
    assert all(mine[name].equal(theirs[name]) for name in ("torch", "source"))
    assert not multiprocessing.active_children()


class KilledError(Exception):
    """What ends a process in this test."""


class Mortal(Keeper):
    """Lives for so many training batches."""

    def __init__(self, setting, identity, lifetime):
        super().__init__(setting, identity)
        self.lifetime = lifetime

    def before_batch(self, strategy):
        super().before_batch(strategy)
        self.lifetime -= 1
        if self.lifetime < 0:
            raise KilledError


@pytest.mark.parametrize("name", ["cgap", "replay"])
def test_a_run_goes_on_from_files_where_it_was_in_memory_and_back(name, tiny, tmp_path):
    config = tiny(name, **MOVED)
    expected = finished(Run(config, tmp_path)).record()
    n_lives = 0
    for lifetime in (5, 4, 5, 4, 1000):  # batches; an epoch has six
        memory = SMALL if n_lives % 2 else MemoryBudget()
        keeper = Mortal(Checkpoints(tmp_path, 0.0), run_id(config, None), lifetime)
        run = Run(config, tmp_path, watch=keeper, memory=memory)
        assert run.context.stream.in_files == bool(n_lives % 2)
        keeper.take_up(run)
        try:
            while run.next_experience < run.n_experiences:
                run.step()
                keeper.after_experience()
        except KilledError:
            n_lives += 1
    assert n_lives == 4
    assert run.record() == expected


def test_a_budget_that_not_even_batches_fit_says_what_to_do(tiny, tmp_path):
    memory = MemoryBudget(5 * 64 * 64 - 1)
    with pytest.raises(UsageError, match=r"batches of 64 images .* take 20\.5KB"):
        stream_of(tiny("fixed", eval_batch_size=64), tmp_path, memory)
    memory = MemoryBudget(5 * 64 * 64)
    assert stream_of(tiny("fixed", eval_batch_size=64), tmp_path, memory).in_files


# -- processes of their own ------------------------------------------------------------------

N_IMAGES, SIDE = 10_000, 64  # 123 MB
NETWORK = """
from torch import nn
def make(input_shape, n_outputs):
    size = input_shape[0] * (input_shape[1] // 16) ** 2
    return nn.Sequential(nn.AvgPool2d(16), nn.Flatten(), nn.Linear(size, n_outputs))
"""
PROGRAM = """
import json, resource, sys
from pathlib import Path
import torch
from cgap_bench.learn.datasets.named import load_data
from cgap_bench.learn.images.memory import MemoryBudget
from cgap_bench.record.configuration import RunConfig
from cgap_bench.run.executors.server import context
from cgap_bench.run.experiences import Run
torch.set_num_threads(1)
sys.path.append({modules!r})
run = Run(RunConfig.model_validate_json({config!r}), Path({root!r}), memory=MemoryBudget({n}))
while run.next_experience < run.n_experiences:
    run.step()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # kilobytes
Path({answer!r}).write_text(json.dumps([peak, run.record().model_dump(mode="json")]))
"""


@pytest.fixture
def folder(tmp_path):
    """Two classes of noise, the second one brighter."""
    draw = np.random.default_rng(0)
    for n in range(N_IMAGES):
        pixels = draw.integers(0, 128, (SIDE, SIDE, 3), dtype=np.uint8) + np.uint8(64 * (n % 2))
        path = tmp_path / "images" / "ab"[n % 2] / f"{n}.ppm"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    load_data("folder:images", SIDE, tmp_path)  # decodes them
    return tmp_path


def peak_and_record(config, folder, n_bytes):
    """Of a process that trains; in kilobytes."""
    answer = folder / "answer.json"
    places = {"modules": str(folder), "root": str(folder), "answer": str(answer)}
    text = PROGRAM.format(config=config.model_dump_json(), n=n_bytes, **places)
    process = context().Process(target=exec, args=(text, {}))
    process.start()
    process.join(600)
    assert process.exitcode == 0
    return json.loads(answer.read_text())


@pytest.mark.slow  # ten thousand files
def test_from_files_a_process_is_smaller_by_the_images(folder, tiny):
    (folder / "pooled_network.py").write_text(NETWORK)
    config = tiny("fixed", epochs=1, eval_batch_size=64)
    stream = {"dataset": "folder:images", "size": SIDE, "n_experiences": 1}
    changes = {
        "network": config.network.model_copy(
            update={"name": "pooled_network:make", "width": 1.0}
        ),
        "stream": config.stream.model_copy(update=stream | {"n_train_per_class": None}),
        "training": config.training.model_copy(update={"batch_size": 64}),
    }
    config = config.model_copy(update=changes)

    size = N_IMAGES * SIDE * SIDE * 3
    less_kb = []
    for _ in range(3):  # pages of mapped files count while the system leaves them there
        files_kb, from_files = peak_and_record(config, folder, size // 4)
        memory_kb, from_memory = peak_and_record(config, folder, size)
        print(f"{files_kb} kB from files, {memory_kb} kB in memory")
        less_kb.append(memory_kb - files_kb)
        if less_kb[-1] > 0.5 * size / 1024:
            break
    assert max(less_kb) > 0.5 * size / 1024
    environments = [record.pop("environment") for record in (from_files, from_memory)]
    assert [one["images"] for one in environments] == ["in files", "in memory"]
    del from_files["timings"], from_memory["timings"]
    assert from_files == from_memory
