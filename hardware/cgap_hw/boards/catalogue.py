"""Arrays by name: that of a board, one of the published designs, or any M32P64."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from cgap_hw.arrays import AnyArray, Dpu, FlatArray
from cgap_hw.arrays.dpu_sizes import DPU_SIZES
from cgap_hw.boards.board import Board, board_names, load_board, read_toml
from cgap_hw.errors import CostModelError, UnknownNameError
from cgap_hw.layers.shapes import first_problem

FOLDER = Path(__file__).parent / "designs"
FLAT = re.compile(r"m(\d+)p(\d+)")
DPU = re.compile(r"dpu-(b\d+)")
FLAT_EXAMPLES = ("m32p32", "m32p64", "m32p96", "m64p64")
_ADAPTER: TypeAdapter[AnyArray] = TypeAdapter(Annotated[AnyArray, Field(discriminator="style")])


def array_names() -> list[str]:
    """Names of designs; ``mNpN`` stands for any size, and a board's name for its own array."""
    designs = {path.stem for path in FOLDER.glob("*.toml")} - {"flat"}
    dpus = {f"dpu-{size.lower()}" for size in DPU_SIZES}
    return sorted(designs | dpus | set(FLAT_EXAMPLES) | set(board_names()))


def load_array(name: str | Path) -> AnyArray:
    """An array by name, or from the ``[array]`` of a TOML file of one's own.

    Raises:
        UnknownNameError: Not a known name; the nearest is offered.
        CostModelError: A value in the file is wrong (named).

    >>> load_array("M32P64").dimensions, load_array("zcu102").dimensions
    ((32, 64), (8, 8, 24))
    """
    text = str(name)
    key = text.lower().replace("_", "-")
    size = FLAT.fullmatch(key)
    if size:
        return _flat(int(size[1]), int(size[2]))
    if text.endswith(".toml"):
        return _parse(Path(text))
    dpu = DPU.fullmatch(key)
    if dpu and dpu[1].upper() in DPU_SIZES:
        return _dpu(dpu[1].upper())
    if key not in array_names():
        raise UnknownNameError("array", text, array_names())
    path = FOLDER / f"{key}.toml"
    return _parse(path) if path.exists() else load_board(key).array


def on_board(name: str, board: Board | None = None) -> Board:
    """The board of that name, or a board (ZCU102 by default) with the array of that name.

    >>> on_board("pynq-z2").name, on_board("m32p64").name, on_board("m32p64").array.style
    ('PYNQ-Z2', 'ZCU102', 'flat')
    """
    if name.lower() in board_names():
        return load_board(name)
    if name.endswith(".toml") and "resources" in read_toml(Path(name), "board"):
        return load_board(name)
    return with_array(board or load_board("zcu102"), name)


def with_array(board: Board, name: str) -> Board:
    """A board with the array of that name, or of a TOML file of one's own.

    The port of a published DPU is that of another board: here it gets no more than a core's
    share of the DRAM.

    >>> round(with_array(load_board("ultra96"), "dpu-b1600").array.port_gbps, 3)  # 75 % of 4.3
    3.225
    """
    array = load_array(name)
    if isinstance(array, Dpu) and not name.endswith(".toml"):
        share = board.dram.bytes_per_ns / array.cores
        array = array.model_copy(update={"port_gbps": min(array.port_gbps, share)})
    return board.model_copy(update={"array": array})


def is_flat(name: str) -> bool:
    """Whether it is a name such as ``M32P64``."""
    return FLAT.fullmatch(name.lower()) is not None


def flat_size(name: str) -> tuple[int, int]:
    """(M, P) of ``M32P64``.

    Raises:
        CostModelError: Another kind of name.
    """
    match = FLAT.fullmatch(name.lower())
    if match is None:
        raise CostModelError(f"{name!r} is not the name of a flat array such as M32P64")
    return int(match[1]), int(match[2])


def _flat(m: int, p: int) -> FlatArray:
    path = FOLDER / "flat.toml"
    section = _section(read_toml(path, "array"), path)
    try:
        return FlatArray.model_validate({"m": m, "p": p} | section)
    except ValidationError as error:
        raise CostModelError(f"array m{m}p{p}: {first_problem(error)}") from error


def _dpu(name: str) -> Dpu:
    """A core at the clock and the port of the model zoo on the ZCU104."""
    size = DPU_SIZES[name]
    return Dpu(
        pixels=size.pixels,
        inputs=size.channels,
        outputs=size.channels,
        depthwise_pixels=size.pixels // 2,
        clock_mhz=300,
        port_gbps=6.0,
        error_pct=25.0 if name == "B4096" else 65.0,  # the only size of that release
        source=f"AMD PG338 v1.2, {name}; clock and port of the model zoo v2.5 on the ZCU104",
    )


def _parse(path: Path) -> AnyArray:
    try:
        return _ADAPTER.validate_python(_section(read_toml(path, "array"), path))
    except ValidationError as error:
        raise CostModelError(f"array {path}: {first_problem(error)}") from error


def _section(content: dict[str, Any], path: Path) -> dict[str, Any]:
    section = content.get("array")
    if not isinstance(section, dict):
        raise CostModelError(f"array {path}: expected an [array] section")
    return section
