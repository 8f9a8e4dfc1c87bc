"""The generated validation tables of hardware/README.md."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from cgap_bench.show.markers import fill_page
from cgap_hw.evidence.ma import MaRow, ma_rows
from cgap_hw.evidence.measured import data_folder, read_measured
from cgap_hw.evidence.published import (
    dpu_rows,
    first_layer_ms,
    yolo_measured,
    yolo_port_gbps,
    yolo_savings,
)
from cgap_hw.evidence.releases import (
    ReleaseRow,
    layer_constants,
    other_rows,
    zoo_release_rows,
)
from cgap_hw.evidence.validate import Errors, leave_one_out, network_errors, price_rows

MARKER = "validation"


def write_page(path: Path) -> None:
    """Rewrites the tables where a page has the marker ``<!-- generated: validation -->``.

    Raises:
        UsageError: The page has no such marker, or cannot be written.
    """
    fill_page(path, MARKER, tables())


def tables() -> str:
    """All tables as Markdown; the measured rows themselves are not in them."""
    return "\n\n".join((_layers(), _dpu(), _releases(), _yolo(), _ma()))


def _layers() -> str:
    rows = read_measured(data_folder() / "cnn_accel" / "layers_dev.csv")
    priced = price_rows(rows)
    lines = [
        "| cnn_accel, layers | rows | mean % | worst % | bias % |",
        "|---|--:|--:|--:|--:|",
    ]
    for kind in ("conv", "linear", "pool", "add"):
        some = Errors.of(p.error_pct for p in priced if p.row.kind == kind)
        lines.append(_line(f"{kind}, in sample", some))
    lines.append(_line("whole networks, in sample", network_errors(priced)))
    for what in ("network", "accelerator"):
        for name, errors in leave_one_out(rows, what).items():
            lines.append(_line(f"{name}, one {what} left out of the fit", errors))
    return "\n".join(lines)


def _line(name: str, e: Errors) -> str:
    numbers = f"{e.mape_pct:.2f} | {e.worst_pct:.2f} | {e.mean_error_pct:+.2f}"
    return f"| {name} | {e.rows} | {numbers} |"


def _dpu() -> str:
    found = {
        b: dpu_rows(data_folder() / "boards.csv", b) for b in ("KV260", "ZCU104", "ZCU102")
    }
    ports = ", ".join(f"{board} {port:g} GB/s" for board, (port, _) in found.items())

    lines = [
        f"DPU B4096, cores x 1000 / fps, measured by the vendor; fitted: {ports}.",
        "",
        "| network as published | board | measured ms | predicted ms | error % | fitted |",
        "|---|---|--:|--:|--:|---|",
    ]
    lines += [
        f"| {r.published} | {board} | {r.measured_ms:.2f} | {r.predicted_ms:.2f} |"
        f" {r.error_pct:+.1f} | {'yes' if r.fitted else ''} |"
        for board, (_, rows) in found.items()
        for r in rows
    ]
    return "\n".join([*lines, "", *_first_layer(list(found))])


def _releases() -> str:
    """Rows of other releases and boards, each group in one line, and those of others singly."""
    path = data_folder() / "boards.csv"
    zoo, others = zoo_release_rows(path), other_rows(path)
    groups: dict[tuple[str, str], list[ReleaseRow]] = defaultdict(list)
    for row in zoo:
        groups[row.release, row.board].append(row)

    lines = [
        "The DPU in other releases: the port fitted on ResNet-18, ResNet-50 and VGG-16 of each"
        " release and board, all other networks predicted.",
        "",
        "| release | board | networks predicted | mean error % | from % | to % | mean with a"
        " constant a layer, fitted too | that constant, us |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    constants = layer_constants(path)
    for (release, board), rows in groups.items():
        errors = [row.error_pct for row in rows if not row.fitted]
        mean = sum(map(abs, errors)) / len(errors)
        lines.append(
            f"| {release} | {board} | {len(errors)} | {mean:.1f} | {min(errors):+.1f} |"
            f" {max(errors):+.1f} | {constants[release, board].mean_error_pct:.1f} |"
            f" {constants[release, board].constant_us:g} |"
        )

    lines += [
        "",
        "Measured by others (QuTiBench states neither release nor clock): port fitted on the"
        " whole ResNet-50 of a board, or the vendor's; in pruned ones, added maps stay wide.",
        "",
        "| source | board | network | measured ms | predicted ms | error % | fitted |",
        "|---|---|---|--:|--:|--:|---|",
    ]
    lines += [
        f"| {r.release} | {r.board} | {r.name} | {r.measured_ms:.2f} | {r.predicted_ms:.2f} |"
        f" {r.error_pct:+.1f} | {'yes' if r.fitted else ''} |"
        for r in others
    ]
    return "\n".join(lines)


def _first_layer(boards: Sequence[str]) -> list[str]:
    """What the depthwise first layer of Inception v2 costs."""
    lines = [
        "Inception v2 with its depthwise first layer minus with a dense one, ms (release 1.4).",
        "",
        "| board | measured | predicted |",
        "|---|--:|--:|",
    ]
    for board in boards:
        measured, modelled = first_layer_ms(data_folder() / "boards.csv", board)
        lines.append(f"| {board} | {measured:.2f} | {modelled:.2f} |")
    return lines


def _yolo() -> str:
    lines = [
        "Pruned YOLOv2, latency saved in % (widths not published: scaled uniformly).",
        "",
        "| board | G ops | measured | predicted |",
        "|---|--:|--:|--:|",
    ]
    path = data_folder() / "boards.csv"
    for board in ("ZCU102", "ZCU104", "Ultra96"):
        mine = yolo_savings(board, yolo_port_gbps(path, board))
        theirs = yolo_measured(path, board)
        for gops, a, b in zip((34.0, 11.56, 9.86, 7.82), theirs, mine, strict=True):
            lines.append(f"| {board} | {gops:g} | {100 * (1 - a):.1f} | {100 * (1 - b):.1f} |")
    return "\n".join(lines)


def _ma() -> str:
    rows = ma_rows(data_folder() / "boards.csv")
    return "\n".join(
        [
            "Ma et al., whole networks at 16 bits, nothing fitted; the clocks are recalled.",
            "",
            *_ma_table([row for row in rows if not row.recalled]),
            "",
            "The same from memory, unverified: these rows prove nothing.",
            "",
            *_ma_table([row for row in rows if row.recalled]),
        ]
    )


def _ma_table(rows: Sequence[MaRow]) -> list[str]:
    lines = [
        "| design | network | provenance | reported ms | predicted ms | rest | GOP/s % |",
        "|---|---|---|--:|--:|--:|--:|",
    ]
    for r in rows:
        design = f"{r.board}, {'x'.join(map(str, r.size))}, {r.clock_mhz:g} MHz"
        rest = r.measured_ms - r.predicted_ms
        lines.append(
            f"| {design} | {r.network} | {r.provenance} | {r.measured_ms:.2f} |"
            f" {r.predicted_ms:.2f} | {rest:+.2f} | {r.error_pct:+.1f} |"
        )
    return lines
