"""GPUs of this machine: how many runs at a time, and which of them a run gets."""

import os
from collections.abc import Iterable, Sequence

CUDA = "cuda"
VISIBLE = "CUDA_VISIBLE_DEVICES"  # what a process may see; torch numbers these from 0

# Small networks leave a GPU idle while Python prepares the next step: a second run fills that.
# More than two share its memory for less and less. Chosen, not measured: no GPU was at hand.
RUNS_PER_GPU = 2


def default_jobs(device: str) -> int:
    """Runs at a time where nothing is asked for: one a core, on CUDA no more than two a GPU.

    Args:
        device: That of the runs.
    """
    cores = os.cpu_count() or 1
    if device != CUDA:
        return cores
    return max(1, min(cores, RUNS_PER_GPU * n_gpus()))


def n_gpus() -> int:
    """GPUs that this process may use."""
    import torch

    return int(torch.cuda.device_count())


def visible() -> list[str]:
    """Names of these GPUs, as `CUDA_VISIBLE_DEVICES` takes them."""
    n, named = n_gpus(), os.environ.get(VISIBLE)
    return named.split(",")[:n] if named else [str(i) for i in range(n)]


def least_used(gpus: Sequence[str], used: Iterable[str | None]) -> str | None:
    """The one that fewest runs are on.

    Args:
        gpus: All of them; of one or none there is no choice.
        used: That of each run under way.

    Example:
        >>> least_used(["0", "1"], ["0"]), least_used(["0"], [])
        ('1', None)
    """
    runs = list(used)
    return min(gpus, key=runs.count) if len(gpus) > 1 else None


def see_only(gpu: str | None) -> None:
    """Let this process see one GPU, before it has used any; it is `cuda:0` there.

    What a checkpoint keeps of random numbers then fits whichever GPU the run goes on.

    Args:
        gpu: Its name; None: all of them.
    """
    if gpu is not None:
        os.environ[VISIBLE] = gpu
