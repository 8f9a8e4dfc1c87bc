"""One finished run as a JSON file: raw results only, every metric is derived on reading."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from cgap_bench.errors import UsageError
from cgap_bench.record.configuration import RunConfig
from cgap_bench.record.retired import comparable

SCHEMA_VERSION = 3  # older ones are rewritten by `cgap_bench.record.migration`
NOT_COMPARED = {"environment", "timings"}


class Record(BaseModel):
    """One finished run over a stream of T experiences.

    Attributes:
        schema_version: Version of this layout.
        run_id: Identity of the run (`cgap_bench.record.identity`), also the file's name.
        config: The resolved configuration.
        environment: Versions, device, revision; not compared.
        timings: Seconds per experience and images per second; not compared.
        depends_on: `run_id` of the CGaP run whose MACs this run was sized by.
        accuracy: T x T; ``[i][j]`` is the test accuracy in [0, 1] on task j after experience
            i, None where nothing was evaluated (j > i, or the method learns only at the end).
        accuracy_8bit: The last row again, of the same networks with weights and maps rounded to
            8 bits (`cgap_bench.learn.quantise`); empty where it was not measured.
        n_test: Test images per task.
        networks: Content hash -> layer shapes (`cgap_hw.LayerShape` as JSON).
        subnetworks: ``[i][j]`` (j <= i): hash of what one inference of task j executes
            after experience i; an empty list where nothing was evaluated.
        stored_parameters: Everything stored for all tasks after experience i, heads included.
        training_macs: Multiply-adds of the forward and backward passes of each experience
            (`cgap_bench.learn.training_macs`); empty in records older than the count.
        history: What the method did to the structure, in order.
        extra: Plain facts of the method, for instance the width it chose.
        classes: Classes of each experience as the dataset counts, in the order learnt; empty
            in records from before this was written down.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA_VERSION
    run_id: str
    config: RunConfig
    environment: dict[str, Any]
    timings: dict[str, Any]
    depends_on: str | None = None
    accuracy: list[list[float | None]]
    accuracy_8bit: list[float | None] = []
    n_test: list[int]
    networks: dict[str, list[dict[str, Any]]]
    subnetworks: list[list[str]]
    stored_parameters: list[int]
    training_macs: list[int] = []
    history: list[dict[str, Any]] = []
    extra: dict[str, Any] = {}
    classes: list[list[int]] = []

    def __eq__(self, other: object) -> bool:
        """Two records are equal when everything but environment and timings is.

        Settings and notes that one of them lacks count as those of a run without them.
        """
        if not isinstance(other, Record):
            return NotImplemented
        return self._compared == other._compared

    __hash__ = None  # type: ignore[assignment]

    @property
    def _compared(self) -> dict[str, Any]:
        content = self.model_dump(mode="json", exclude=NOT_COMPARED)
        return content | comparable(self.config, content["history"])


def network_hash(layers: list[dict[str, Any]]) -> str:
    """Content hash of a list of layer shapes."""
    text = json.dumps(layers, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def record_path(output: Path, benchmark: str, run_id: str) -> Path:
    """Where the record of a run lies under the output folder."""
    return output / "runs" / benchmark / f"{run_id}.json"


def write_record(record: Record, output: Path) -> Path:
    """Write atomically: the file is there in full or not at all.

    Raises:
        UsageError: The folder cannot be written to.
    """
    path = record_path(output, record.config.benchmark, record.run_id)
    text = record.model_dump_json(indent=1)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        os.replace(temporary, path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
    return path


def read_record(path: Path) -> Record:
    """Read one record.

    Raises:
        UsageError: The file is missing, damaged, or of another schema.
    """
    content = read_content(path)
    _check_present(path, content["schema_version"])
    return validated(content, path)


def ensure_present_schema(output: Path, benchmark: str) -> None:
    """Fail before any work is done that an older record may hold already.

    Raises:
        UsageError: There are records of an older schema; they lie under other identities.
    """
    for path in record_paths(output, benchmark):
        try:
            version = json.loads(path.read_text(encoding="utf-8"))["schema_version"]
        except (OSError, ValueError, KeyError, TypeError):
            continue  # whoever needs it finds out
        if isinstance(version, int):
            _check_present(path, version)


def _check_present(path: Path, version: int) -> None:
    if version < SCHEMA_VERSION:
        raise UsageError(
            f"{path} is of schema version {version}, this program reads {SCHEMA_VERSION};"
            " `cgap-cl migrate FOLDER` rewrites the records of a results folder,"
            " every number stays"
        )


def read_content(path: Path) -> dict[str, Any]:
    """What a record of this schema or an older one holds, not yet validated.

    Raises:
        UsageError: The file is missing, damaged, or of a newer schema.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content["schema_version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} is not a readable record ({error}); delete it to run again"
        ) from error
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise UsageError(
            f"{path} has schema version {version!r}, this program reads up to {SCHEMA_VERSION};"
            " update cgap-cl to read it"
        )
    return dict(content)


def validated(content: Mapping[str, Any], path: Path) -> Record:
    """A record from what its file holds.

    Raises:
        UsageError: Something in it is not right.
    """
    try:
        return Record.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{path} is not a valid record: {where}: {first['msg']}") from error


def read_records(output: Path, benchmark: str | None = None) -> Iterator[Record]:
    """All records under an output folder, in the order of their paths."""
    for path in record_paths(output, benchmark):
        yield read_record(path)


def record_paths(output: Path, benchmark: str | None = None) -> list[Path]:
    """Files of all records under an output folder, sorted."""
    return sorted((output / "runs").glob(f"{benchmark or '*'}/*.json"))


def ensure_writable(output: Path) -> None:
    """Fail before any work is done when the output folder cannot be written to.

    Raises:
        UsageError: The folder cannot be made or written to.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output):
            pass
    except OSError as error:
        raise UsageError(
            f"cannot write to the output folder {output}: {error.strerror}"
        ) from error
