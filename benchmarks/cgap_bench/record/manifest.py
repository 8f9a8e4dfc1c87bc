"""What a results folder held when its report was made, so that every later change is seen."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from cgap_bench.errors import UsageError
from cgap_bench.record.files import read_json, write_file

NAME = "manifest.json"
# What cannot be made anew from other files, or only with the same version of a library
FILES = ("runs/*/*.json", "measured/*", "tuning/*.*", "figures/*.svg", "report.html")


class Manifest(BaseModel):
    """Of one results folder.

    Attributes:
        files: Path below the folder -> SHA-256 of the file.
        figures: Path below the folder -> hash of the data that are drawn.
        pages: Page -> what its markers ask for, in order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: dict[str, str]
    figures: dict[str, str]
    pages: dict[str, list[str]]

    def differences(self, other: "Manifest") -> tuple[list[str], list[str], list[str]]:
        """Files, figures and pages that are not as in another."""
        return (
            _differing(self.files, other.files),
            _differing(self.figures, other.figures),
            _differing(self.pages, other.pages),
        )


def write_manifest(manifest: Manifest, output: Path) -> Path:
    """Keep it in the results folder.

    Raises:
        UsageError: It cannot be written.
    """
    return write_file(output / NAME, manifest.model_dump_json(indent=1) + "\n", output)


def read_manifest(output: Path) -> Manifest | None:
    """That of a results folder; None where none was kept.

    Raises:
        UsageError: It cannot be read.
    """
    path = output / NAME
    if not path.exists():
        return None
    try:
        return Manifest.model_validate(read_json(path))
    except ValidationError as error:
        raise UsageError(f"{path} is no manifest: {error.errors()[0]['msg']}") from error


def hashes(output: Path) -> dict[str, str]:
    """Path below a results folder -> SHA-256, of all `FILES`."""
    paths = (path for pattern in FILES for path in sorted(output.glob(pattern)))
    return {
        path.relative_to(output).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
        if path.is_file() and not path.name.startswith(".")  # those are being written
    }


def text_hash(text: str) -> str:
    """Of the data behind a figure."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _differing(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return sorted(key for key in then.keys() | now.keys() if then.get(key) != now.get(key))
