"""Networks of a finished run, kept beside its record: graph, weights, what they read."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from cgap_bench.errors import UsageError
from cgap_bench.record.files import write_file

BATCH = "batch"
N_IMAGES = 16  # of a task, kept beside its network
IMAGES = "images"
IMAGES_ENDING = ".images.safetensors"


@dataclass(frozen=True)
class Inputs:
    """What a network reads and tells.

    Attributes:
        shape: Channels, height and width of an image.
        mean: Per channel, in units of the pixel values; None where images differ in it.
        std: Likewise.
        classes: Class of the dataset for each output that is used, in order.
    """

    shape: tuple[int, ...]
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None
    classes: tuple[int, ...]

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """From JSON."""
        values: dict[str, Any] = {k: v if v is None else tuple(v) for k, v in facts.items()}
        return cls(**values)


def folder_of(record: Path) -> Path:
    """Where the networks of a record's run are."""
    return record.with_suffix(".networks")


def keep_network(
    network: nn.Module, inputs: Inputs, images: Tensor, folder: Path, task: int
) -> None:
    """Write the network of one task: graph (``.pt2``), weights, some images, inputs.

    Args:
        network: In evaluation mode; what one inference of the task executes.
        inputs: What it reads.
        images: Some of the task, ``(N, C, H, W)`` as it reads them: fixed-point words must
            hold what becomes of them.
        folder: See `folder_of`.
        task: Counted from 1.

    Raises:
        UsageError: A file cannot be written.
    """
    from safetensors.torch import save

    stem = folder / f"task-{task}"
    graph = io.BytesIO()
    torch.export.save(exported(network, inputs.shape), graph)
    write_file(stem.with_suffix(".pt2"), graph.getvalue(), folder)
    weights = {name: value.contiguous().clone() for name, value in _tensors(network).items()}
    write_file(stem.with_suffix(".safetensors"), save(weights), folder)
    seen = save({IMAGES: images.contiguous()})
    write_file(stem.with_suffix(IMAGES_ENDING), seen, folder)
    text = json.dumps(asdict(inputs), indent=1) + "\n"
    write_file(stem.with_suffix(".json"), text, folder)


def exported(network: nn.Module, shape: tuple[int, ...]) -> ExportedProgram:
    """The network as `torch.export` sees it, for batches of any size."""
    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    two = torch.zeros(2, *shape, device=device)  # one image would fix the size of the batch
    return torch.export.export(network, (two,), dynamic_shapes=({0: Dim(BATCH)},))


def load_network(record: Path, task: int) -> tuple[ExportedProgram, Inputs]:
    """The network of one task of a finished run, and what it reads.

    Args:
        record: The run's record.
        task: Counted from 1.

    Raises:
        UsageError: It was not kept, or there is no such task.
    """
    folder = folder_of(record)
    tasks = sorted(int(path.stem.partition("-")[2]) for path in folder.glob("task-*.pt2"))
    if not tasks:
        raise UsageError(
            f"no networks are kept beside {record}; run again with --keep-weights: it is made"
            " anew with the same numbers"
        )
    if task not in tasks:
        raise UsageError(f"no task {task} in {folder}; there are {', '.join(map(str, tasks))}")
    stem = folder / f"task-{task}"
    facts = json.loads(stem.with_suffix(".json").read_text(encoding="utf-8"))
    return torch.export.load(f"{stem}.pt2"), Inputs.of(facts)


def load_images(record: Path, task: int) -> Tensor:
    """Images of the task that were kept with its network, ``(N, C, H, W)`` as it reads them.

    Raises:
        UsageError: An older version kept the network without them.
    """
    from safetensors.torch import load_file

    path = folder_of(record) / f"task-{task}{IMAGES_ENDING}"
    if not path.is_file():
        raise UsageError(
            f"there is no {path}: an older version kept this network; remove {path.parent} and"
            " run again with --keep-weights"
        )
    return load_file(path)[IMAGES]


def example_of(inputs: Inputs, n: int = 1) -> Tensor:
    """A batch of noise as a network reads it, the same each time."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(n, *inputs.shape, generator=generator)


def some_of(images: Sequence[tuple[Any, ...]]) -> Tensor:
    """`N_IMAGES` of a dataset, from all over it; all of a smaller one."""
    places = torch.linspace(0, len(images) - 1, min(N_IMAGES, len(images))).long()
    return torch.stack([images[int(place)][0] for place in places])


def _tensors(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().cpu() for name, value in network.state_dict().items()}
