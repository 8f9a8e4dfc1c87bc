"""Figures that a script measured, kept beside the records so that pages can quote them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from cgap_bench.errors import UsageError
from cgap_bench.record.files import read_json, write_file

Measurements: TypeAlias = dict[str, dict[str, float]]  # script -> name of a figure -> value


def write_measurements(
    script: str, figures: Mapping[str, float], environment: Mapping[str, Any], output: Path
) -> Path:
    """Keep the figures of a script, and where they were measured.

    Args:
        script: Name of the script, without its ending.
        figures: Name -> value.
        environment: Where it was, see `cgap_bench.record.environment`.
        output: Results folder.

    Returns:
        The file.
    """
    path = output / "measured" / f"{script}.json"
    content = {"figures": dict(figures), "environment": dict(environment)}
    return write_file(path, json.dumps(content, indent=1) + "\n", output)


def read_measurements(output: Path) -> Measurements:
    """All figures under a results folder.

    Raises:
        UsageError: A file is damaged.
    """
    found: Measurements = {}
    for path in sorted((output / "measured").glob("*.json")):
        try:
            figures = read_json(path)["figures"]
            found[path.stem] = {name: float(value) for name, value in figures.items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"{path} holds no measured figures: {error}") from error
    return found
