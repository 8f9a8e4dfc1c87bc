"""Records as files of a results folder: written whole, read only if they are what they say."""

import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cgap_bench.errors import InvalidRecordError, UsageError
from cgap_bench.record.configuration import (
    Claims,
    NetworkSettings,
    Origin,
    Settings,
    StreamSettings,
    TrainingSettings,
    Tuning,
)
from cgap_bench.record.files import read_json, write_file
from cgap_bench.record.plain import as_bytes, from_bytes
from cgap_bench.record.record import SCHEMA_VERSION, Record
from cgap_bench.record.validity import problem

_FIRST_KEY = re.compile(rb'\s*\{\s*"schema_version": (\d{1,9}),')
_SECTIONS: dict[str, type[Settings]] = {
    "network": NetworkSettings,
    "stream": StreamSettings,
    "training": TrainingSettings,
    "claims": Claims,
    "origin": Origin,
    "tuning": Tuning,
}

# Content hash -> layers: ten thousand records have some hundred networks between them.
_NETWORKS: dict[str, list[dict[str, Any]]] = {}


def record_path(output: Path, benchmark: str, run_id: str) -> Path:
    """Where the record of a run lies under the output folder."""
    return output / "runs" / benchmark / f"{run_id}.json"


def write_record(record: Record, output: Path) -> Path:
    """Write atomically: the file is there in full or not at all.

    Raises:
        UsageError: The folder cannot be written to.
    """
    path = record_path(output, record.config.benchmark, record.run_id)
    return write_file(path, record.model_dump_json(indent=1) + "\n", output)


def read_record(path: Path, named: bool = True) -> Record:
    """Read one record, bound to its identity: the run is the one that it says it is.

    Args:
        path: Of the file.
        named: Whether the file must be called after the run.

    Raises:
        InvalidRecordError: The file is missing, damaged, of a newer schema, or what it holds
            is not the run that it is called after, out of range, or contradicts itself.
        UsageError: It is of an older schema.
    """
    content = read_content(path)
    _check_present(path, content["schema_version"])
    record = validated(content, path)
    said = problem(record)
    if named and path.stem != record.run_id:
        said = f"run_id: is {record.run_id}, but the file is called {path.name}"
    if said:
        raise InvalidRecordError(f"{path} is not a valid record: {said}")
    for key, layers in record.networks.items():  # runs of a kind have them in common
        record.networks[key] = _NETWORKS.setdefault(key, layers)
    return record


def ensure_present_schema(output: Path, benchmark: str) -> None:
    """Fail before any work is done that an older record may hold already.

    Raises:
        UsageError: There are records of an older schema; they lie under other identities.
    """
    for path in record_paths(output, benchmark):
        version = _version(path)
        if version is not None:
            _check_present(path, version)


def _version(path: Path) -> int | None:
    """Schema of a file, first in what we write; None: whoever needs it finds out."""
    try:
        with path.open("rb") as file:
            first = _FIRST_KEY.match(file.read(64))
        version = int(first[1]) if first else read_json(path)["schema_version"]
    except (OSError, UsageError, KeyError, TypeError):
        return None
    return version if isinstance(version, int) else None


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
        InvalidRecordError: The file is missing, damaged, or of a newer schema.
    """
    try:
        content = read_json(path)
    except UsageError as error:
        raise InvalidRecordError(f"{path} is not a readable record: {error}") from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise InvalidRecordError(f"{path} is not a valid record: schema_version: missing")
    if version > SCHEMA_VERSION:
        raise InvalidRecordError(
            f"{path} has schema version {version!r}, this program reads up to {SCHEMA_VERSION};"
            " update cgap-cl to read it"
        )
    return dict(content)


def validated(content: Mapping[str, Any], path: Path) -> Record:
    """A record from what its file holds.

    Raises:
        InvalidRecordError: Something in it is not right.
    """
    try:
        return Record.model_validate({**content, "config": _shared(content.get("config"))})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        raise InvalidRecordError(f"{path} is not a valid record: {where}: {said}") from error


def _shared(config: Any) -> Any:
    """A configuration whose sections are those of earlier records where they are the same.

    Thousands of runs have a few sections between them, and checking one takes a while.
    """
    if not isinstance(config, dict):
        return config
    written = {name: as_bytes(config[name]) for name in _SECTIONS if name in config}
    known = {name: _section(name, content) for name, content in written.items()}
    return config | {name: section for name, section in known.items() if section is not None}


@lru_cache(maxsize=1000)
def _section(name: str, content: bytes) -> Settings | None:
    """A section from its bytes; None where something in it is not right."""
    try:
        return _SECTIONS[name].model_validate(from_bytes(content))
    except ValidationError:
        return None


def read_records(
    output: Path, benchmark: str | None = None, tell: Callable[[str], None] | None = None
) -> Iterator[Record]:
    """All records under an output folder, in the order of their paths, each run once.

    Args:
        output: Results folder.
        benchmark: Those of one benchmark only.
        tell: Told a line on each file that is left out; None: they go to standard error.

    Raises:
        UsageError: Records are of an older schema.
    """
    tell = tell or _to_standard_error
    known: dict[str, Record] = {}
    for path in record_paths(output, benchmark):
        try:
            record = read_record(path)
        except InvalidRecordError as error:
            tell(f"left out: {error}")
            continue
        if record.run_id not in known:
            known[record.run_id] = record
            yield record
        elif record != known[record.run_id]:
            tell(f"left out: {path} holds other numbers of a run that another file holds")


def _to_standard_error(line: str) -> None:
    print(line, file=sys.stderr)


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
