"""What `cgap-cl calibrate` does: timed layers in, a board file out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cgap_bench.errors import UsageError
from cgap_hw import Board
from cgap_hw.arrays import FlatArray
from cgap_hw.boards.board_file import write_board
from cgap_hw.boards.catalogue import flat_size, is_flat, on_board
from cgap_hw.evidence.calibrate import calibrate, rows_of
from cgap_hw.evidence.measured import MeasuredLayer, read_measured, unique
from cgap_hw.evidence.validate import PricedRow, price_rows, summary


def calibrate_text(measured: Path, array: str, out: Path) -> str:
    """Fits the constants of an array or board to timed layers and writes the board."""
    start = on_board(array)
    everything = read_measured(measured)
    rows = rows_of(everything, array, start)

    board = calibrate(rows, start)
    errors = summary(_price_on(board, rows))
    comment = f"Fitted on {len(unique(rows))} measured shapes: mean error {_percents(errors)}."
    try:
        write_board(board, out, comment)
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error}") from error

    others = len(everything) - len(rows)
    return (
        f"{out}: fitted on {len(unique(rows))} shapes; on these, mean error {_percents(errors)}"
        + (f"; {others} rows of other accelerators left out" if others else "")
    )


def _price_on(board: Board, rows: Sequence[MeasuredLayer]) -> list[PricedRow]:
    """Rows of flat arrays on the size they name, all others on the board as it is."""

    def board_of(name: str) -> Board:
        if not (isinstance(board.array, FlatArray) and is_flat(name)):
            return board
        m, p = flat_size(name)
        array = board.array.model_copy(update={"m": m, "p": p})
        return board.model_copy(update={"array": array})

    return price_rows(unique(rows), board_of)


def _percents(errors: Mapping[str, Any]) -> str:
    return f"{errors['mape_pct']:.2f} %, worst {errors['worst_pct']:.2f} %"
