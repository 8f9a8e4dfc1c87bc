"""Checkpoints of unfinished runs as files: whole or not there, bound to their run, two kept."""

import hashlib
import io
import json
import pickle
import platform
import shutil
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import torch

from cgap_bench.record.files import write_atomically

SCHEMA = 1  # of what is in a checkpoint
KEPT = 2  # of each kind; where the newest is damaged, the one before it is used
BETWEEN, INSIDE = "between", "inside"  # experiences; one

# Whatever a number of a run can depend on.
CODE = ("cgap_cl", "cgap_hw", "cgap_bench/learn", "cgap_bench/run", "cgap_bench/shapes")
LIBRARIES = ("torch", "numpy", "avalanche-lib", "torch-pruning")

State = dict[str, Any]


class CheckpointFiles:
    """The checkpoints of one run under an output folder.

    A file is called after its place in the run and after the hash of what it holds, which is
    how damage is seen. The folder is called after all that a checkpoint is bound to: it goes
    on only in the same run, with the same code and libraries.

    Args:
        output: Folder that records go to.
        run_id: Identity of the run.
        tell: Told a line when something is not used.
    """

    def __init__(self, output: Path, run_id: str, tell: Callable[[str], None]) -> None:
        self._binding = binding(run_id)
        self._all, self._run_id, self._tell = output / "unfinished", run_id, tell
        self.folder = self._all / f"{run_id}-{_digest(json.dumps(self._binding).encode())}"

    def write(self, kind: str, n_finished: int, n_batches: int, state: State) -> int:
        """Keep a state; older ones are removed. Returns its size in bytes.

        Args:
            kind: `BETWEEN` or `INSIDE`.
            n_finished: Experiences that are finished.
            n_batches: Training batches of the present experience that are done.
            state: Tensors and plain values.

        Raises:
            OSError: The file cannot be written.
        """
        buffer = io.BytesIO()
        torch.save({"bound_to": self._binding, "state": state}, buffer)
        content = buffer.getvalue()
        name = f"{kind}-{n_finished:04}-{n_batches:09}-{_digest(content)}.pt"
        write_atomically(self.folder / name, content)
        for path in self._newest_first(kind)[KEPT:]:
            path.unlink(missing_ok=True)
        return len(content)

    def newest(self) -> tuple[State | None, State | None]:
        """The furthest state between experiences, and inside the one that comes after it."""
        self._tell_others()
        for rest in self.folder.glob(".*.tmp"):  # of a writer that was killed
            rest.unlink()
        between, n_finished = None, 0
        for path, state in self._readable(self._newest_first(BETWEEN)):
            between, n_finished = state, _n_finished(path)
            break
        inside = [p for p in self._newest_first(INSIDE) if _n_finished(p) == n_finished]
        for _, state in self._readable(inside):
            return between, state
        return between, None

    def remove(self) -> None:
        """Of this run, whatever they are bound to."""
        for folder in self._all.glob(f"{self._run_id}-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def _newest_first(self, kind: str) -> list[Path]:
        return sorted(self.folder.glob(f"{kind}-*.pt"), reverse=True)

    def _readable(self, paths: list[Path]) -> Iterator[tuple[Path, State]]:
        """Those that are whole; others are told and removed."""
        for path in paths:
            state = self._read(path)
            if state is not None:
                yield path, state
            else:
                self._tell(f"checkpoint {path} is damaged and removed")
                path.unlink(missing_ok=True)

    def _read(self, path: Path) -> State | None:
        """What a file holds; None where it is damaged."""
        try:
            content = path.read_bytes()
            if path.stem.rpartition("-")[2] != _digest(content):
                return None
            held = torch.load(io.BytesIO(content), weights_only=True)
            if held["bound_to"] != self._binding:
                return None
        except (OSError, RuntimeError, ValueError, LookupError, TypeError, EOFError):
            return None
        except (pickle.UnpicklingError, zipfile.BadZipFile):
            return None
        state: State = held["state"]
        return state

    def _tell_others(self) -> None:
        for folder in self._all.glob(f"{self._run_id}-*"):
            if folder != self.folder:
                self._tell(
                    f"{folder} is not used: another version of cgap-cl or of its libraries"
                    " wrote it"
                )


def binding(run_id: str) -> dict[str, Any]:
    """What a checkpoint is bound to, as plain values."""
    return {
        "run_id": run_id,
        "schema": SCHEMA,
        "code": code_hash(),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in LIBRARIES},
    }


@cache
def code_hash() -> str:
    """Hash of the code, and of the board files, that the numbers of a run can depend on."""
    digest = hashlib.sha256()
    for name in CODE:
        package, *rooms = name.split("/")
        for path, content in _sources(files(package).joinpath(*rooms), name):
            digest.update(path.encode() + b"\0" + content + b"\0")
    return digest.hexdigest()[:12]


def _sources(folder: Traversable, name: str) -> Iterator[tuple[str, bytes]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        path = f"{name}/{entry.name}"
        if entry.is_dir():
            yield from _sources(entry, path)
        elif entry.name.endswith((".py", ".toml")):
            yield path, entry.read_bytes()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _n_finished(path: Path) -> int:
    return int(path.name.split("-")[1])
