"""Loops over images that are cut short, and a clock that goes on as if they had not been."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils.data import DataLoader

from cgap_bench.learn.batches import TensorLoader

LOOP_S = 0.02  # of a loop, after its first batch
LONG_S = 0.3  # a batch that takes so long is not done twice
PATIENCE_S = 20.0

Loop = Callable[[Any], Iterator[Any]]


class TimeUpError(Exception):
    """What is timed takes too long."""


class Clock:
    """Seconds as they would be if no loop was cut short, on the images of a run.

    A loop over a loader, ours or torch's, ends after a few batches; those that it leaves out
    are taken to last as long as the median of those that it did, the first one aside. Loops
    may lie in each other.

    What looks at all images of an experience one by one, in no loop over a loader, is taken to
    last as much longer as there are more of them in a run.

    Args:
        device: Is waited for.
        n_images: Images of an experience of a run.
        most: Images of one here.

    Attributes:
        loop_s: Seconds of a loop after its first batch; 0: that batch is all.
    """

    def __init__(self, device: str, n_images: int, most: int) -> None:
        self.loop_s, self._cuda = LOOP_S, device == "cuda"
        self._n_images = min(n_images, most)
        self._ratio = n_images / self._n_images
        self._depth, self._left_out_s = 0, 0.0
        self._made_s = self._last_s = self._began_s = time.perf_counter()
        self._outside_s, self._n_read = 0.0, 0  # in no loop

    def begin(self) -> None:
        """What is to be timed begins."""
        self._began_s = self.now()
        self._outside_s, self._n_read = 0.0, 0

    def end(self) -> float:
        """Seconds that it took."""
        seconds = self.now() - self._began_s
        if self._n_read >= self._n_images:
            seconds += (self._ratio - 1) * self._outside_s
        return seconds

    def now(self) -> float:
        """Seconds, what was left out included."""
        if self._cuda:
            torch.cuda.synchronize()
        now = time.perf_counter()
        if not self._depth:
            self._outside_s += now - self._last_s
        self._last_s = now
        return now + self._left_out_s

    def check(self, n_read: int = 0) -> None:
        """Called where images are read.

        Args:
            n_read: Number of them.

        Raises:
            TimeUpError: It has taken too long.
        """
        if not self._depth:
            self._n_read += n_read
        if time.perf_counter() - self._made_s > PATIENCE_S:
            raise TimeUpError

    @contextmanager
    def short_loops(self) -> Iterator[None]:
        """Inside the context loops are cut short, whoever goes through them."""
        kinds: tuple[Any, ...] = (TensorLoader, DataLoader)
        whole = [kind.__iter__ for kind in kinds]
        try:
            for kind in kinds:
                kind.__iter__ = self._short(kind.__iter__)
            yield
        finally:
            for kind, loop in zip(kinds, whole):
                kind.__iter__ = loop

    def _short(self, loop: Loop) -> Loop:
        def short(loader: Any) -> Iterator[Any]:
            try:
                n = len(loader)
            except TypeError:  # a stream of unknown length
                return loop(loader)
            n_images, size = len(loader.dataset), loader.batch_size
            if size and n == math.ceil(n_images / size):
                n = n_images / size  # the last batch is a part of one
            ratio = self._ratio if n_images >= self._n_images else 1
            return self._through(loop(loader), n * ratio)

        return short

    def _through(self, batches: Iterator[Any], n: float) -> Iterator[Any]:
        """The first batches of a loop that has n in a run."""
        times: list[float] = []
        last_s, spent_s = self.now(), [self._last_s]
        self._depth += 1
        try:
            for batch in batches:
                yield batch
                self.check()
                now_s = self.now()
                times.append(now_s - last_s)
                last_s = now_s
                spent_s.append(self._last_s)
                if self._is_enough(spent_s):
                    break
            if times and n > len(times):
                self._left_out_s += (n - len(times)) * typical(times)
        finally:
            self.now()
            self._depth -= 1

    def _is_enough(self, at_s: list[float]) -> bool:
        """Whether a loop has told what its batches take.

        Args:
            at_s: When it began, and when each batch was done, with nothing left out.
        """
        began_s, first_s, *_ = at_s
        return first_s - began_s >= LONG_S or at_s[-1] - first_s >= self.loop_s


def typical(times: list[float]) -> float:
    """Median of all but the first, which warms up; of a single one that.

    Example:
        >>> typical([9.0, 1.0, 3.0, 2.0]), typical([9.0])
        (2.0, 9.0)
    """
    later = sorted(times[1:] or times)
    return later[len(later) // 2]
