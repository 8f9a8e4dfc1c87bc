"""What `cgap-cl calibrate` does: timed layers in, a board file out."""

from pathlib import Path

from cgap_bench.record.files import write_file
from cgap_hw.boards.board_file import board_text
from cgap_hw.boards.catalogue import on_board
from cgap_hw.evidence.calibrate import Calibration, calibration, rows_of
from cgap_hw.evidence.measured import read_measured


def calibrate_text(measured: Path, array: str, out: Path) -> str:
    """Fits the constants of an array or board to timed layers and writes the board."""
    start = on_board(array)
    everything = read_measured(measured)
    rows = rows_of(everything, array, start)

    found = calibration(rows, start)
    said = _summary(found)
    write_file(out, board_text(found.board, said))

    others = len(everything) - len(rows)
    left_out = [f"{others} rows of other accelerators left out"] if others else []
    return "\n".join([f"{out}: {said}", *left_out, *_outliers(found)])


def _summary(found: Calibration) -> str:
    """What was fitted, and what to expect of a layer that nobody has timed."""
    constants = "constant" if found.n_constants == 1 else "constants"
    noise = ""
    if found.noise_pct is not None:
        noise = f", repeats differ by {found.noise_pct:.2f} %"
    return (
        f"{found.n_constants} {constants} fitted on {found.shapes} shapes{noise}; a layer that"
        f" was held out lies within +-{found.board.array.error_pct:g} % in 95 of 100 cases"
    )


def _outliers(found: Calibration) -> list[str]:
    return [
        f"left out: line {row.line}, {row.shape.name!r} took {row.latency_ns:g} ns,"
        f" {ratio:.3g} times what the others say"
        for row, ratio in found.outliers
    ]
