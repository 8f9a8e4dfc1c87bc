"""Batches cut from images in memory or in files, augmented a whole batch at a time."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from avalanche.training.supervised import Naive
from torch import Generator, Tensor
from torch.nn import functional

from cgap_bench.errors import DivergedError
from cgap_bench.learn.loop.plugin_calls import PluginCalls
from cgap_bench.learn.state import (
    check_stateful,
    optimizer_state,
    packed,
    state_of,
    take_up,
    take_up_optimizer,
)
from cgap_bench.learn.streams.store import ImageStore
from cgap_bench.record.configuration import Augmentation, MemoryFormat, Precision

CROP_PADDING = 4  # pixels, the usual choice for 32x32 images


def crop_and_flip(images: Tensor, generator: Generator) -> Tensor:
    """Random crop after zero padding, and horizontal flip of every other image on average.

    Args:
        images: (N, C, H, W).
        generator: On the CPU, so that every device draws the same numbers.
    """
    n, channels, height, width = images.shape
    top, left = torch.randint(0, 2 * CROP_PADDING + 1, (2, n, 1), generator=generator)
    flip = torch.rand(n, 1, generator=generator) < 0.5
    columns = torch.arange(width)
    columns = left + torch.where(flip, width - 1 - columns, columns)
    rows = top + torch.arange(height)
    device = images.device
    padded = functional.pad(images, (CROP_PADDING,) * 4)
    return padded[
        torch.arange(n, device=device).view(n, 1, 1, 1),
        torch.arange(channels, device=device).view(1, channels, 1, 1),
        rows.to(device).view(n, 1, height, 1),
        columns.to(device).view(n, 1, 1, width),
    ]


def laid_out(images: Tensor, order: MemoryFormat) -> Tensor:
    """The same images (N, C, H, W), in that order in memory."""
    if order is MemoryFormat.CHANNELS_LAST:
        return images.contiguous(memory_format=torch.channels_last)
    return images.contiguous()


def forward_in(
    precision: Precision, device: torch.device, forward: Callable[[], Tensor]
) -> Tensor:
    """What a forward pass in a number format gives, as float32.

    Args:
        precision: Of the pass; parameters are float32.
        device: Where it runs.
        forward: The pass.
    """
    if precision is Precision.FLOAT32:
        return torch.as_tensor(forward())
    with torch.autocast(device.type, torch.bfloat16):
        return torch.as_tensor(forward()).float()


@dataclass(frozen=True)
class BatchSource:
    """Where a strategy's batches come from.

    Attributes:
        store: What the rows of an Avalanche dataset of ours refer to, for the device.
        augment: What is done to training batches.
        generator: Draws shuffling and augmentation, on the CPU.
        memory_format: Order of a batch in memory.
    """

    store: ImageStore
    augment: Augmentation
    generator: Generator
    memory_format: MemoryFormat = MemoryFormat.CONTIGUOUS


class TensorLoader:
    """Iterates over batches ``(x, y, task_labels)`` of an Avalanche dataset of ours.

    A last training batch of a single image is left out: batch norm cannot use it.

    Args:
        dataset: An Avalanche dataset of ours.
        source: Where its rows lead to.
        batch_size: Images.
        train: Whether batches are shuffled and augmented.
        before_batch: Called before each batch is cut; `state_dict` then says where we are.

    Attributes:
        dataset: The same; it and `batch_size` are called so by torch's loader too.
    """

    def __init__(
        self,
        dataset: Any,
        source: BatchSource,
        batch_size: int,
        train: bool,
        before_batch: Callable[[], None] = lambda: None,
    ) -> None:
        self.dataset, device = dataset, source.store.device
        self._rows = torch.tensor(list(dataset.rows.data), device=device)
        self._tasks = torch.tensor(list(dataset.targets_task_labels.data), device=device)
        self._source, self.batch_size, self._train = source, batch_size, train
        self._before_batch = before_batch
        self._epoch, self._n_done = torch.empty(0, dtype=torch.int64), 0  # of the present one
        self._taken_up: Tensor | None = None

    def __len__(self) -> int:
        return math.ceil(self._n_used() / self.batch_size)

    def _n_used(self) -> int:
        n = len(self._rows)
        return n - 1 if self._train and n % self.batch_size == 1 and n > 1 else n

    def __iter__(self) -> Iterator[list[Tensor]]:
        """All batches, or what was left of them where a state was loaded."""
        left, self._taken_up = self._taken_up, None
        self._epoch, self._n_done = self._order() if left is None else left, 0
        if not len(self._epoch):
            return

        store, size, rows = self._source.store, self.batch_size, self._rows[self._epoch]
        batches, targets = rows.split(size), store.targets[rows].split(size)
        pixels = store.pixels_in_turn(batches)
        for chosen, y, tasks in zip(batches, targets, self._tasks[self._epoch].split(size)):
            self._before_batch()
            yield [self._finished(next(pixels), chosen), y, tasks]
            self._n_done += len(y)

    def _order(self) -> Tensor:
        """Places in the dataset in the order of one epoch."""
        n = len(self._rows)
        order = torch.arange(n)
        if self._train:
            order = torch.randperm(n, generator=self._source.generator)
        return order[: self._n_used()].to(self._rows.device)

    def _finished(self, images: Tensor, rows: Tensor) -> Tensor:
        """Pixels (n, C, H, W) of some rows as a network takes them."""
        source = self._source
        if self._train and source.augment is Augmentation.CROP_FLIP:
            images = crop_and_flip(images, source.generator)
        return laid_out(source.store.normalise(images, rows), source.memory_format)

    def state_dict(self) -> dict[str, Any]:
        """Inside an epoch: what is left of it, the batch that comes next first."""
        return {"left": self._epoch[self._n_done :]}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """The next iteration goes on in the middle of an epoch."""
        self._taken_up = saved["left"]


class TensorStrategy(PluginCalls, Naive):  # type: ignore[misc]
    """Avalanche's plain strategy, fed with our batches; plugins may still adapt its dataset.

    Those of Avalanche work as they are: one that brings a loader of its own (replay) trains on
    that. Where a watch may keep the state, each plugin must say what its own is.

    Args:
        source: Where batches come from.
        precision: Number format of the forward pass in training.
        watch: Who may keep the state of the training, and put it into one.
        arguments: Those of `avalanche.training.Naive`.

    Raises:
        TypeError: There is a watch, and a plugin does not say what its state is.
    """

    def __init__(
        self,
        *,
        source: BatchSource,
        precision: Precision,
        watch: "TrainingWatch | None" = None,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments)
        self._source, self._precision = source, precision
        self._watch = watch or TrainingWatch()
        self._evaluated: tuple[ImageStore, ImageStore] | None = None  # as it is, and moved
        for plugin in self.plugins if watch else ():
            check_stateful(plugin)

    def forward(self) -> Tensor:
        """Called by Avalanche; logits (N, classes), float32."""
        if self._precision is Precision.FLOAT32:
            return super().forward()  # type: ignore[no-any-return]
        return forward_in(self._precision, self.device, super().forward)

    def backward(self) -> None:
        """Called by Avalanche.

        Raises:
            DivergedError: The loss is no number any more: nothing that follows would be one.
        """
        if not math.isfinite(self.loss.item() if isinstance(self.loss, Tensor) else self.loss):
            raise self.diverged()
        super().backward()

    def diverged(self) -> DivergedError:
        """That training diverged where it is now."""
        clock = self.clock
        return DivergedError(clock.train_exp_epochs + 1, clock.train_epoch_iterations + 1)

    def _unpack_minibatch(self) -> None:
        """Called by Avalanche; our batches are lists, and where they are needed."""
        if not isinstance(self.dataloader, TensorLoader):
            super()._unpack_minibatch()

    def make_train_dataloader(self, **_: Any) -> None:
        """Called by Avalanche after `self.adapted_dataset` is set."""
        self.dataloader = TensorLoader(
            self.adapted_dataset,
            self._source,
            self.train_mb_size,
            train=True,
            before_batch=lambda: self._watch.before_batch(self),
        )

    def make_eval_dataloader(self, **options: Any) -> None:
        """Called by Avalanche after `self.adapted_dataset` is set; of any split."""
        dataset, size = self.adapted_dataset, self.eval_mb_size
        stores = {id(part): part for part in dataset._datasets}
        store, *others = stores.values()
        if others or not isinstance(store, ImageStore):
            super().make_eval_dataloader(**options)
            return
        if self._evaluated is None or self._evaluated[0] is not store:
            self._evaluated = store, store.to(self.device)
        source = replace(self._source, store=self._evaluated[1])
        self.dataloader = TensorLoader(dataset, source, size, train=False)

    def _train_exp(self, *_: Any, **options: Any) -> None:
        """Avalanche's loop over epochs, which may also go on in the middle of one."""
        inside = self._watch.begin(self)
        for _epoch in range(self.clock.train_exp_epochs, self.train_epochs):
            if not inside:
                self._before_training_epoch(**options)
            inside = False
            if self._stop_training:
                self._stop_training: bool = False
                break
            self.training_epoch(**options)
            self._after_training_epoch(**options)

    def state_dict(self) -> dict[str, Any]:
        """Before a training batch, or between experiences: all that comes after depends on it.

        Without generators, which are not the strategy's.
        """
        inside = isinstance(self.dataloader, TensorLoader)
        return {
            "model": packed(self.model.state_dict()),
            "optimizer": optimizer_state(self.optimizer, self.model),
            "plugins": [state_of(plugin) for plugin in self.plugins],
            "loader": state_of(self.dataloader) if inside else None,
            "begun": self.optimized_param_id is not None,
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Counterpart of `state_dict`, for a strategy that was set up as that one was.

        Inside an experience: after Avalanche has prepared it, before its first epoch.
        """
        take_up(self.model, saved["model"])
        take_up_optimizer(self.optimizer, self.model, saved["optimizer"])
        for plugin, theirs in zip(self.plugins, saved["plugins"], strict=True):
            take_up(plugin, theirs, self.model)
        if saved["loader"] is not None:
            take_up(self.dataloader, saved["loader"])
        # what the optimizer holds, as Avalanche remembers it: structure may be another now
        named = dict(self.model.named_parameters())
        self.optimized_param_id = named if saved["begun"] else None


class TrainingWatch:
    """Looks on while a strategy trains; this one does nothing."""

    def begin(self, strategy: TensorStrategy) -> bool:
        """Before the first epoch of an experience, all plugins set up.

        Returns:
            Whether the strategy was put before a batch in the middle of an epoch.
        """
        return False

    def before_batch(self, strategy: TensorStrategy) -> None:
        """Before each training batch."""
