"""What `cgap-cl compare` does: two results folders side by side, pair by pair."""

from collections import Counter
from pathlib import Path

import pandas as pd

from cgap_bench.errors import UsageError
from cgap_bench.record.store import read_records
from cgap_bench.show import stats
from cgap_bench.show.comparison import Comparison, comparisons
from cgap_bench.show.derive import Platform
from cgap_bench.show.tables import format_estimate
from cgap_bench.show.text_tables import aligned
from cgap_hw import load_board

COLUMNS = {  # key -> title, factor, decimals
    "accuracy": ("accuracy [points]", 100.0, 2),
    "forgetting": ("forgetting [points]", 100.0, 2),
}
RATIOS = {
    "macs": "MACs [%]",
    "parameters": "parameters [%]",
    "latency_ms": "latency [%]",
    "latency_max_ms": "max latency [%]",
    "energy_mj": "energy [%]",
}


def compare_text(left: Path, right: Path, board: str) -> str:
    """What changes from the first folder to the second, for every comparison that both have.

    Differences and changes are paired by seed and order of classes.

    Args:
        left: Results folder.
        right: Another.
        board: Board name or TOML file that both are priced on.

    Raises:
        UsageError: They have no benchmark and preset in common.
    """
    platform = Platform(load_board(board))
    both = [
        {one.name: one for one in comparisons(read_records(folder), platform)}
        for folder in (left, right)
    ]
    shared = sorted(both[0].keys() & both[1].keys())
    if not shared:
        raise UsageError(
            f"{left} and {right} have no benchmark and preset in common:"
            f" {', '.join(both[0]) or 'no records'}; {', '.join(both[1]) or 'no records'}"
        )
    parts = [_section(both[0][name], both[1][name]) for name in shared]
    lacking = [
        f"only in {folder}: {', '.join(sorted(own.keys() - set(shared)))}"
        for folder, own in zip((left, right), both, strict=True)
        if own.keys() - set(shared)
    ]
    return "\n\n".join([*parts, *lacking])


def _section(left: Comparison, right: Comparison) -> str:
    runs = [one.runs.set_index(["method", "seed", "order"]) for one in (left, right)]
    methods = dict.fromkeys([*left.summary["method"], *right.summary["method"]])
    keys = [key for key in (*COLUMNS, *RATIOS) if all(key in one for one in runs)]
    titles = [COLUMNS[key][0] if key in COLUMNS else RATIOS[key] for key in keys]
    rows: list[tuple[str, ...]] = [("second minus first", "pairs", *titles)]
    rows += [_row(method, runs[0], runs[1], keys) for method in methods]
    return f"{left.title}\n{aligned(rows)}\n{_same(left, right)}"


def _row(
    method: str, left: pd.DataFrame, right: pd.DataFrame, keys: list[str]
) -> tuple[str, ...]:
    pairs = [index for index in left.index if index[0] == method and index in right.index]
    cells = []
    for key in keys:
        a, b = left.loc[pairs, key], right.loc[pairs, key]
        if not pairs:
            cells.append("-")
        elif key in COLUMNS:
            _, factor, digits = COLUMNS[key]
            cells.append(_signed([factor * float(v) for v in b - a], digits))
        else:
            cells.append(_signed([100 * (float(v) - 1) for v in b / a], 1))
    return (str(method), str(len(pairs)), *cells)


def _signed(values: list[float], digits: int) -> str:
    estimate = stats.estimate(values)
    text = format_estimate(estimate.mean, estimate.half_width, digits)
    return f"+{text}" if estimate.mean > 0 and not text.startswith("0.0 ") else text


def _same(left: Comparison, right: Comparison) -> str:
    """How many runs are the very same, and with what code each folder was made."""
    own = {one.run_id: one for one in left.records}
    shared = [(own[one.run_id], one) for one in right.records if one.run_id in own]
    equal = sum(a == b for a, b in shared)
    revisions = [
        ", ".join(Counter(str(r.environment.get("revision")) for r in one.records))
        for one in (left, right)
    ]
    return (
        f"{equal} of {len(shared)} runs with the same settings have the same numbers; code"
        f" {revisions[0]} and {revisions[1]}"
    )
