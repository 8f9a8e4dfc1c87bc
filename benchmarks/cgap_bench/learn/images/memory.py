"""How much memory images may take, and how much of it there is."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ByteSize, TypeAdapter, ValidationError

from cgap_bench.errors import UsageError

if TYPE_CHECKING:
    import torch

SHARE = 0.5  # of what is available: the rest is for networks, batches and other programs
OPTION = "--memory-budget"

# Limits of a control group: file with the limit, with what is used, and in `memory.stat` what
# the kernel can take back of that at once; of version 2, then of version 1.
_GROUPS = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


@dataclass(frozen=True)
class MemoryBudget:
    """What the images of one run may take on the device that it trains on.

    Attributes:
        n_bytes: None: half of what is available there when the run starts, shared out.
        sharing: Runs at a time between which it is shared out; they are spread over GPUs.
    """

    n_bytes: int | None = None
    sharing: int = 1

    def on(self, device: "torch.device") -> int:
        """Bytes."""
        if self.n_bytes is not None:
            return self.n_bytes
        sharing = self.sharing
        if device.type == "cuda":
            import torch

            sharing = math.ceil(sharing / max(1, torch.cuda.device_count()))
        return int(SHARE * available_bytes(device) / sharing)


def parse_bytes(text: str) -> int:
    """A size as people write it.

    Raises:
        UsageError: It is none.

    Example:
        >>> parse_bytes("1.5GB"), parse_bytes("64 MiB")
        (1500000000, 67108864)
    """
    try:
        return int(TypeAdapter(ByteSize).validate_python(text))
    except ValidationError as error:
        raise UsageError(
            f"{OPTION} {text!r} is no size; write for instance 4GB or 500MB"
        ) from error


def size_text(n_bytes: int) -> str:
    """For people.

    Example:
        >>> size_text(1_500_000_000)
        '1.5GB'
    """
    return ByteSize(n_bytes).human_readable(decimal=True)


def available_bytes(device: "torch.device") -> int:
    """What could be had now of a device's memory, or of the machine's."""
    if device.type == "cuda":
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    import psutil

    return min([int(psutil.virtual_memory().available), *_left_in_groups()])


def _left_in_groups() -> Iterator[int]:
    """Of each control group that the process is in: a container, a job of a scheduler."""
    for folder in _groups():
        for limit, used, reclaimable in _GROUPS:
            try:
                most, now = (int((folder / name).read_text()) for name in (limit, used))
                rows = (folder / "memory.stat").read_text().splitlines()
            except (OSError, ValueError):  # of the other version, or without a limit
                continue
            freed = dict(row.split(maxsplit=1) for row in rows).get(reclaimable, 0)
            yield max(0, most - now + int(freed))


def _groups() -> Iterator[Path]:
    """Folders of the control groups for memory, those around them too."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if kinds in ("", "memory"):
            root = Path("/sys/fs/cgroup") / kinds
            below = root / path.lstrip("/")
            yield from (below, *(one for one in below.parents if one.is_relative_to(root)))
