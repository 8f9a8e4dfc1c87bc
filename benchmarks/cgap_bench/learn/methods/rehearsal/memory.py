"""Images of old experiences, kept within a fixed budget."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Generator, Tensor


@dataclass(frozen=True)
class Examples:
    """Some images and what belongs to them, one row each.

    Attributes:
        x: (N, ...), as a model takes them.
        y: (N,), targets.
        labels: (N,), task labels.
        experiences: (N,), when they came, counted from 0.
        logits: (N, classes), outputs of a model that are to be matched; or (N, 0).
    """

    x: Tensor
    y: Tensor
    labels: Tensor
    experiences: Tensor
    logits: Tensor

    def __len__(self) -> int:
        return len(self.y)

    def rows(self, which: Tensor) -> "Examples":
        """Some rows, copied.

        Args:
            which: Positions, int64, or bool.
        """
        which = which.to(self.y.device)
        return Examples(**{name: column[which] for name, column in self.columns().items()})

    def columns(self) -> dict[str, Tensor]:
        """Tensors by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def joined(parts: Sequence[Examples]) -> Examples:
    """All rows, in order."""
    names = [field.name for field in fields(Examples)]
    return Examples(**{name: torch.cat([getattr(p, name) for p in parts]) for name in names})


def examples(
    batch: Sequence[Tensor], experience: int = 0, logits: Tensor | None = None
) -> Examples:
    """Images, targets and task labels of a batch as Avalanche has it, copied.

    Args:
        batch: Its first, second and last tensor are used.
        experience: When it came.
        logits: Outputs to keep beside.
    """
    x, y, labels = batch[0], batch[1], batch[-1]
    outputs = x.new_zeros(len(y), 0) if logits is None else logits.detach().clone()
    came = torch.full_like(y, experience)
    return Examples(x.detach().clone(), y.clone(), labels.clone(), came, outputs)


def read(dataset: Any, rows: Sequence[int], experience: int, device: Any) -> Examples:
    """Rows of an Avalanche dataset, whose items are images, targets and task labels."""
    items = [dataset[row] for row in rows]
    x = torch.stack([item[0] for item in items])
    y = torch.tensor([int(item[1]) for item in items])
    labels = torch.tensor([int(item[-1]) for item in items])
    return examples([x.to(device), y.to(device), labels.to(device)], experience)


def rows_by_class(dataset: Any) -> dict[tuple[int, int], list[int]]:
    """Task label and target -> rows of an Avalanche dataset."""
    found: dict[tuple[int, int], list[int]] = {}
    labels, targets = dataset.targets_task_labels, dataset.targets
    for row, key in enumerate(zip(map(int, labels), map(int, targets), strict=True)):
        found.setdefault(key, []).append(row)
    return found


def leading(keys: Sequence[Hashable], n: int) -> Tensor:
    """Positions of the first n rows of each key.

    Example:
        >>> leading(["a", "b", "a", "a"], 2).tolist()
        [0, 1, 2]
    """
    count: dict[Hashable, int] = {}
    kept = []
    for position, key in enumerate(keys):
        count[key] = count.get(key, 0) + 1
        if count[key] <= n:
            kept.append(position)
    return torch.tensor(kept, dtype=torch.int64)


class Memory:
    """Examples, and a generator that draws from them.

    Args:
        size: Examples in all.
        seed: Of its generator.

    Attributes:
        content: None while it is empty.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        if size < 1:
            raise ValueError(f"a memory of size={size} holds nothing")
        self.size = size
        self.generator = Generator().manual_seed(seed)
        self.content: Examples | None = None

    def __len__(self) -> int:
        return 0 if self.content is None else len(self.content)

    def draw(self, n: int) -> Examples:
        """So many different examples at random, or all if there are fewer."""
        assert self.content is not None
        return self.content.rows(torch.randperm(len(self), generator=self.generator)[:n])

    def state_dict(self) -> dict[str, Any]:
        """Content and generator."""
        content = None if self.content is None else self.content.columns()
        return {"content": content, "generator": self.generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`."""
        content = state["content"]
        self.content = None if content is None else Examples(**content)
        self.generator.set_state(state["generator"])


class BalancedMemory(Memory):
    """The same number of images of each class of each experience, drawn at random.

    When an experience is added those that are there give up their last images.
    """

    def add(self, dataset: Any, device: Any) -> None:
        """Take in the classes of an experience.

        Raises:
            ValueError: There are more classes than images to keep.
        """
        self.insert(dataset, device, self._shuffled)

    def _shuffled(self, rows: list[int], n: int) -> list[int]:
        order = torch.randperm(len(rows), generator=self.generator)[:n]
        return [rows[i] for i in order.tolist()]

    def insert(self, dataset: Any, device: Any, choose: Any) -> None:
        """Take in the classes of an experience, chosen by a rule.

        Args:
            dataset: Of the experience.
            device: Where images are kept.
            choose: Rows of a class, number to keep -> rows to keep, the best first.
        """
        new = rows_by_class(dataset)
        keys = self.keys()
        share = self.size // (len(set(keys)) + len(new))
        if share == 0:
            n = len(set(keys)) + len(new)
            raise ValueError(f"{n} classes do not fit in a memory of size={self.size}")

        experience = max((came for came, *_ in keys), default=-1) + 1
        parts = [read(dataset, choose(r, share), experience, device) for r in new.values()]
        if self.content is not None:
            parts.insert(0, self.content.rows(leading(keys, share)))
        self.content = joined(parts)

    def keys(self) -> list[tuple[int, int, int]]:
        """Experience, task label and target of each example."""
        if self.content is None:
            return []
        content = self.content
        columns = (content.experiences, content.labels, content.y)
        return list(zip(*(column.tolist() for column in columns), strict=True))


class Reservoir(Memory):
    """Every image of a stream is in the memory with equal probability (Vitter 1985, R)."""

    def __init__(self, size: int, seed: int = 0) -> None:
        super().__init__(size, seed)
        self.n_seen = 0

    def see(self, batch: Examples) -> None:
        """The next examples of the stream."""
        n_free = min(len(batch), self.size - len(self))
        if n_free:
            new = batch.rows(torch.arange(n_free))
            self.content = new if self.content is None else joined([self.content, new])
        assert self.content is not None

        position = self.n_seen + torch.arange(n_free, len(batch))
        chance = torch.rand(len(position), generator=self.generator, dtype=torch.float64)
        place = (chance * (position + 1)).long()  # uniform in 0 ... position
        for row, target in zip(range(n_free, len(batch)), place.tolist(), strict=True):
            if target < self.size:
                for name, column in self.content.columns().items():
                    column[target] = batch.columns()[name][row]
        self.n_seen += len(batch)

    def state_dict(self) -> dict[str, Any]:
        """Also how many were seen."""
        return {**super().state_dict(), "n_seen": self.n_seen}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`."""
        super().load_state_dict(state)
        self.n_seen = state["n_seen"]
