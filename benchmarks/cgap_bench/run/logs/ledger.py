"""What a logger has been given, so that a run that goes on gives it nothing twice."""

import json
import shutil
import uuid
from pathlib import Path
from typing import Any

from cgap_bench.record.files import write_atomically

NAME = "given.json"


class Ledger:
    """Counts what was given, in a file beside what the logger writes.

    A count is written before the values are given: a process that is killed in between costs
    the logger a value, and never makes it have one twice.

    Args:
        folder: Of one logger of one run; emptied where it was written under other conditions.
        bound_to: The conditions: the run, its code, its libraries.
        anew: The run begins again whatever there was.

    Attributes:
        identity: Of this log, for trackers that must find it again.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     first = Ledger(Path(folder) / "log", {"run": "a"})
        ...     first.reaches("epochs", 2), Ledger(Path(folder) / "log", {"run": "a"}).reaches(
        ...         "epochs", 2
        ...     )
        (True, False)
    """

    def __init__(self, folder: Path, bound_to: dict[str, Any], anew: bool = False) -> None:
        self._path, self._bound_to = folder / NAME, bound_to
        kept = _read(self._path)
        if anew or kept is None or kept["bound_to"] != bound_to:
            shutil.rmtree(folder, ignore_errors=True)
            kept = {"identity": uuid.uuid4().hex[:12], "counts": {}}
        self.identity: str = kept["identity"]
        self._counts: dict[str, int] = kept["counts"]
        self._write()

    def count(self, what: str) -> int:
        """How far it was given."""
        return self._counts.get(what, 0)

    def reaches(self, what: str, count: int) -> bool:
        """Whether that is further than ever; it counts as given then."""
        if count <= self.count(what):
            return False
        self._counts[what] = count
        self._write()
        return True

    def _write(self) -> None:
        content = {
            "bound_to": self._bound_to,
            "identity": self.identity,
            "counts": self._counts,
        }
        write_atomically(self._path, json.dumps(content).encode())


def _read(path: Path) -> dict[str, Any] | None:
    """None where there is none, or none that can be read."""
    try:
        kept: dict[str, Any] = json.loads(path.read_bytes())
        return kept if {"bound_to", "identity", "counts"} <= kept.keys() else None
    except (OSError, ValueError, AttributeError):
        return None
