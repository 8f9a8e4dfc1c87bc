"""A board: a chip with its DRAM, and the array that it is priced with."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError, model_validator

from cgap_hw import files
from cgap_hw.arrays import AnyArray
from cgap_hw.chips.chip import Chip
from cgap_hw.errors import CostModelError, UnknownNameError
from cgap_hw.layers.shapes import first_problem

FOLDER = Path(__file__).parent


class Board(Chip):
    """A board and the array that it is priced with unless another is named."""

    name: str
    description: str
    part: str
    array: AnyArray = Field(discriminator="style")

    @model_validator(mode="after")
    def _feeds_its_array(self) -> Self:
        self.array.refuse_on(self)
        return self


def board_names() -> list[str]:
    """Names of the boards that come with the package.

    >>> "zcu102" in board_names()
    True
    """
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load_board(name: str | Path) -> Board:
    """A board by name, or from a TOML file of one's own (any path that ends in ``.toml``).

    Raises:
        UnknownNameError: Not a known name; the nearest is offered.
        CostModelError: The file is missing, not TOML, or a value in it is wrong (named).

    >>> board = load_board("zcu102")
    >>> board.resources.dsp.count, board.dram.bandwidth_gbps.mid, board.array.n_macs
    (2520, 19.2, 1536)
    """
    text = str(name)
    if text.endswith(".toml"):
        return _read(Path(text))

    key = text.lower().replace("_", "-")
    if key not in board_names():
        raise UnknownNameError("board", text, board_names())
    return _shipped(key)


@cache
def _shipped(key: str) -> Board:
    return _read(FOLDER / f"{key}.toml")


def _read(path: Path) -> Board:
    content = read_toml(path, "board")
    try:
        return Board.model_validate(content)
    except ValidationError as error:
        raise CostModelError(f"board {path}: {first_problem(error)}") from error


def read_toml(path: Path, what: str) -> dict[str, object]:
    """The content of a TOML file.

    Raises:
        CostModelError: No such file, or not TOML.
    """
    try:
        return files.read_toml(path)
    except files.UnreadableError as error:
        raise CostModelError(f"{what} file: {error}") from error
