"""Processes of torch's that read batches of images ahead, in the order of their use."""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from threading import Thread

from torch import Generator, Tensor
from torch.utils.data import DataLoader, Dataset

from cgap_bench.errors import UsageError
from cgap_bench.learn.images.memory import OPTION, size_text
from cgap_bench.learn.images.stored import Images

N_READERS = 2  # processes: one waits for the disk while the other one hands over
N_AHEAD = 2  # batches that each of them has ready, torch's own choice
N_HELD = N_READERS * N_AHEAD + 1  # batches in memory at a time, that in use included


class _Batches(Dataset[Tensor | UsageError]):
    """Images by rows of a batch; an error is a value: torch would put its trace into it."""

    def __init__(self, images: Images) -> None:
        self._images = images

    def __getitem__(self, rows: Tensor) -> Tensor | UsageError:
        try:
            return self._images[rows]
        except UsageError as error:
            return error


def read_ahead(images: Images, batches: Sequence[Tensor], pinned: bool) -> Iterator[Tensor]:
    """Batches of images (n, C, H, W), uint8, on the CPU; draws no random numbers.

    The processes end with the iterator, and with this process, whatever ends it.

    Args:
        images: Where they are read from.
        batches: Rows of each, (n,), int64, on the CPU.
        pinned: Whether they go on to a GPU.

    Raises:
        UsageError: They cannot be read.
    """
    # a few batches are read sooner than processes are forked
    n_readers = N_READERS if len(batches) > N_HELD else 0
    loader = DataLoader(
        _Batches(images),
        batch_size=None,
        sampler=batches,
        num_workers=n_readers,
        prefetch_factor=N_AHEAD if n_readers else None,
        pin_memory=pinned,
        worker_init_fn=_begin,
        generator=Generator(),  # else it would draw from torch's global one
    )
    for content in loader:
        if isinstance(content, UsageError):
            raise content
        yield content


def ensure_room(most: int, image_bytes: int, batch_size: int) -> None:
    """See to it that the batches fit that are in memory at a time.

    Args:
        most: Bytes that they may take.
        image_bytes: Of one image.
        batch_size: Images of the largest batch.

    Raises:
        UsageError: They do not.
    """
    needed = N_HELD * batch_size * image_bytes
    if needed > most:
        raise UsageError(
            f"batches of {batch_size} images that are read ahead take {size_text(needed)}, more"
            f" than the memory budget of a run, {size_text(most)}; lower training.batch_size"
            f" and training.eval_batch_size, or raise {OPTION}"
        )


def _begin(_number: int) -> None:
    """Torch's own watch would take five seconds, in which a lock of the run is not free."""
    Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    """End this process when its parent has, whatever ended that."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
