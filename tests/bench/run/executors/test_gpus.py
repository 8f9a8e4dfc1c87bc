"""How many runs share the GPUs of a machine, and which of them a run sees; none is at hand."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from cgap_bench.commands.run import Request
from cgap_bench.learn.images import memory
from cgap_bench.learn.images.memory import SHARE, MemoryBudget
from cgap_bench.run.executors import gpus, workers
from cgap_bench.run.executors.gpus import RUNS_PER_GPU, VISIBLE
from cgap_bench.run.jobs import Job
from cgap_bench.run.keeper import Checkpoints


@pytest.fixture
def machine(monkeypatch):
    """So many cores and GPUs, of which the process may see those named, if any are."""

    def make(n_cores, n_gpus, named=""):
        monkeypatch.setattr(os, "cpu_count", lambda: n_cores)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: n_gpus)
        monkeypatch.setenv(VISIBLE, named)

    return make


@pytest.mark.parametrize(
    ("device", "n_cores", "n_gpus", "n"),
    [
        ("cpu", 16, 1, 16),
        ("cuda", 16, 1, RUNS_PER_GPU),
        ("cuda", 16, 4, 4 * RUNS_PER_GPU),
        ("cuda", 3, 4, 3),  # a run needs a core
        ("cuda", 16, 0, 1),  # that there is none is said in words of its own
    ],
)
def test_runs_at_a_time_where_nothing_is_asked_for(device, n_cores, n_gpus, n, machine):
    machine(n_cores, n_gpus)
    assert Request("split-digits", device=device).options().jobs == n
    assert Request("split-digits", device=device, jobs=7).options().jobs == 7


class Started:
    """Instead of processes: which GPU each was given."""

    def __init__(self) -> None:
        self.gpus = []

    def Pipe(self, duplex):
        return _Connection(), _Connection()

    def Process(self, args, **_):
        self.gpus.append(args[1])
        return self

    def start(self):
        pass


class _Connection:
    def close(self):
        pass


@pytest.mark.parametrize(
    ("gpus_seen", "expected"),
    [
        ((3, ""), ["0", "1", "2", "0", "1"]),
        ((2, "5,GPU-8f"), ["5", "GPU-8f", "5", "GPU-8f", "5"]),
        ((1, ""), [None] * 5),  # as it is
        ((0, ""), [None] * 5),
    ],
)
def test_runs_are_spread_over_gpus(gpus_seen, expected, machine, tiny, tmp_path, monkeypatch):
    machine(16, *gpus_seen)
    started = Started()
    monkeypatch.setattr(workers, "context", lambda: started)
    crew = workers.Crew(9, lambda *_: None)
    job = Job(tiny("fixed").model_copy(update={"device": "cuda"}))
    for _ in range(5):
        crew.start(job, tmp_path, None, Checkpoints(tmp_path))
    assert started.gpus == expected

    crew._busy.pop(list(crew._busy)[1])  # the second has ended
    crew.start(job, tmp_path, None, Checkpoints(tmp_path))
    assert started.gpus[-1] == expected[1]
    crew.start(Job(tiny("fixed")), tmp_path, None, Checkpoints(tmp_path))
    assert started.gpus[-1] is None  # of the CPU


def test_a_worker_sees_its_gpu_alone(machine):
    machine(16, 4)
    gpus.see_only(None)
    assert not os.environ[VISIBLE]
    gpus.see_only("3")
    assert os.environ[VISIBLE] == "3"


def test_the_memory_of_a_gpu_is_shared_by_its_own_runs(machine, monkeypatch):
    machine(16, 4)
    monkeypatch.setattr(memory, "available_bytes", lambda _device: 1000)
    budget = MemoryBudget(sharing=8)
    assert budget.on(torch.device("cuda")) == SHARE * 1000 / 2
    assert budget.on(torch.device("cpu")) == int(SHARE * 1000 / 8)


class _BegunError(Exception):
    """A worker would begin its run now."""


def test_a_worker_sees_its_gpu_before_it_does_anything(machine, monkeypatch):
    def begin(*_):
        raise _BegunError

    machine(16, 3, "0,1,2")
    monkeypatch.setattr(workers, "_heed_the_parent", lambda: None)
    monkeypatch.setattr(workers, "Keeper", begin)
    job = SimpleNamespace(run_id="a run")
    with pytest.raises(_BegunError):
        workers._live(SimpleNamespace(send=None), "2", job, Path(), None, None)
    assert os.environ[VISIBLE] == "2"
