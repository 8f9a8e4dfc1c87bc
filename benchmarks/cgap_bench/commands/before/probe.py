"""Training steps of the very networks of a run, timed on this machine."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from cgap_bench.learn.batches import forward_in, laid_out
from cgap_bench.learn.images.memory import MemoryBudget
from cgap_bench.learn.loop.optimizers import optimizer_of
from cgap_bench.learn.network import build_network
from cgap_bench.learn.sizes import n_parameters
from cgap_bench.learn.streams.describing import described
from cgap_bench.record.configuration import (
    NetworkSettings,
    RunConfig,
    Scenario,
)
from cgap_bench.run.stream import stream_of

PROBE_S = 0.25  # of each network
NEXT_TO_NO_RATE = 1e-6  # what a step takes does not depend on it


@dataclass(frozen=True)
class Work:
    """What goes through the networks of a run.

    Attributes:
        trained: Images of one epoch of every experience together.
        evaluated: Images that fill the accuracy matrix, and its last row in 8 bits.
        input_shape: (C, H, W) of one.
        n_outputs: Classes of a head.
        n_experiences: In the stream.
        n_bytes: Of all images.
        contents: What is in it, for people.
    """

    trained: int
    evaluated: int
    input_shape: tuple[int, int, int]
    n_outputs: int
    n_experiences: int = 1
    n_bytes: int = 0
    contents: str = ""

    @classmethod
    def of(cls, config: RunConfig, root: Path, memory: MemoryBudget | None = None) -> "Work":
        """Cut the stream as the run will; loads the data.

        Args:
            config: The run.
            root: Data root.
            memory: What its images may take, else they stay in files, as in the run.

        Raises:
            UsageError: They cannot be read, or not even a few batches fit.
        """
        stream = stream_of(config, root, memory)
        experiences = stream.benchmark.train_stream
        # after experience k all tasks up to the k-th are scored, in the end again in 8 bits;
        # with one head for all also before any training, all but the first before their own
        ahead = stream.scenario is Scenario.DOMAIN
        scored = [
            len(dataset) * (stream.n_experiences - k + 1 + (1 + (k > 0)) * ahead)
            for k, dataset in enumerate(stream.scored)
        ]
        return cls(
            sum(len(experience.dataset) for experience in experiences),
            sum(scored),
            stream.input_shape,
            stream.n_outputs,
            stream.n_experiences,
            stream.n_bytes,
            described(stream),
        )


def step_seconds(config: RunConfig, work: Work, share: float) -> tuple[float, int]:
    """Time of a training step on one thread, and the parameters of the network.

    Args:
        config: Network, batch, precision and order in memory.
        work: Shape of an image, classes.
        share: Of the network's multiply-adds: its square root is taken off every width.
    """
    own = config.network.model_dump()
    settings = NetworkSettings(**(own | {"width": own["width"] * math.sqrt(share)}))
    with torch.random.fork_rng(devices=[]):
        network = build_network(settings, work.input_shape, work.n_outputs)
        step = training_step(network, config, work)
        return median_s(on_one_thread(step)), n_parameters(network)


def training_step(network: nn.Module, config: RunConfig, work: Work) -> Callable[[], None]:
    """Forward, backward and optimizer step on images of noise, on the device of a run.

    Args:
        network: Is moved there and trained.
        config: Batch, precision and order in memory.
        work: Shape of an image.
    """
    training = config.training
    images = noise(training.batch_size, work, config)
    targets = torch.zeros(len(images), dtype=torch.int64, device=config.device)
    network.to(config.device).train()
    optimizer = optimizer_of(network.parameters(), training, NEXT_TO_NO_RATE)

    def step() -> None:
        optimizer.zero_grad()
        logits = forward_in(training.precision, images.device, lambda: network(images))
        nn.functional.cross_entropy(logits, targets).backward()
        optimizer.step()
        if config.device == "cuda":
            torch.cuda.synchronize()

    return step


def noise(n: int, work: Work, config: RunConfig) -> Tensor:
    """Images (N, C, H, W) that have maxima and signs to look for, as those of data have.

    They are on the device, and in the order in memory, of a run.
    """
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(n, *work.input_shape, generator=generator).to(config.device)
    return laid_out(images, config.training.memory_format)


@contextmanager
def one_thread() -> Iterator[None]:
    """As in a worker process."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def on_one_thread(step: Callable[[], None]) -> Callable[[], float]:
    """The same step, which gives its seconds on one thread, as in a worker process."""

    def timed() -> float:
        with one_thread():
            start = time.perf_counter()
            step()
            return time.perf_counter() - start

    return timed


def median_s(timed: Callable[[], float], probe_s: float = PROBE_S) -> float:
    """Of three steps or more after one to warm up.

    Args:
        timed: Does a step and gives its seconds.
        probe_s: Steps are done until they took so long.
    """
    timed()
    times: list[float] = []
    while len(times) < 3 or (sum(times) < probe_s and len(times) < 50):
        times.append(timed())
    return sorted(times)[len(times) // 2]
