"""Options that several commands have."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

EXAMPLES = "\b\nExamples:\n  "
DEFAULT_BOARD = "zcu104"

Option = Callable[[Any], Any]


def _board(_context: click.Context, _option: click.Parameter, value: str) -> str:
    """A board's name or file, looked up at once: what needs it may take seconds to import."""
    from cgap_hw import load_board

    load_board(value)
    return value


def output(text: str = "Folder for records, tables, figures and the report.") -> Option:
    """Where results are; the commands differ in what they do there."""
    return click.option(
        "--output", type=Path, default=Path("results"), show_default=True, help=text
    )


def jobs(text: str = "Processes; one per core by default.") -> Option:
    """Runs at a time."""
    return click.option("--jobs", type=click.IntRange(1, 1024), help=text)


BOARD = click.option(
    "--board",
    default=DEFAULT_BOARD,
    show_default=True,
    callback=_board,
    help="Name or TOML file.",
)
PRESET = click.option(
    "--preset", help="Variant of the benchmark; the recipe says which is the default."
)
METHODS = click.option("--methods", help="Comma-separated; the recipe's by default.")
SET = click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a setting."
)
DATA_ROOT = click.option(
    "--data-root", type=Path, help="Folder with datasets; else $CGAP_CL_DATA."
)
BITS = click.option(
    "--bits", type=click.IntRange(1, 32), help="Word width; a quantised file's own, or 8."
)
IMAGE_SIZE = click.option(
    "--image-size",
    type=click.IntRange(1, 16384),
    help="Height and width for a network of torchvision; its own by default.",
)
INPUT_SHAPE = click.option(
    "--input-shape",
    "input_shapes",
    multiple=True,
    metavar="NAME=1,3,224,224",
    help="Size of an input of an ONNX file, where it is open or another is wanted.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="JSON instead of tables.")
PAGE = click.option("--page", type=Path, help="Rewrite the generated tables of this page.")
