"""What `cgap-cl show` does: one run on the terminal."""

import math
from pathlib import Path

from cgap_bench.errors import UsageError
from cgap_bench.record.class_names import tasks_of
from cgap_bench.record.plain import printable
from cgap_bench.record.record import Record
from cgap_bench.record.store import read_record, record_paths
from cgap_bench.show import metrics
from cgap_bench.show.derive import Platform, forward_transfer
from cgap_bench.show.text_tables import aligned
from cgap_hw import load_board


def show_text(run: str, output: Path, board: str) -> str:
    """What a run was, what it scored, what its tasks cost, how it grew, where it ran.

    Args:
        run: The record's file, or the beginning of its identity.
        output: Results folder that identities are looked up in.
        board: Board name or TOML file.

    Raises:
        UsageError: There is no such run, or several.
    """
    record = read_record(_path(run, output))
    platform = Platform(load_board(board))
    parts = [_head(record), _accuracies(record), _costs(record, platform)]
    if record.history:
        parts.append(_growth(record))
    parts.append(_environment(record))
    return "\n\n".join(parts)


def _path(run: str, output: Path) -> Path:
    if Path(run).is_file():
        return Path(run)
    found = [path for path in record_paths(output) if path.stem.startswith(run)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(
            f"no run {run!r} under {output / 'runs'}; name its file or its identity"
        )
    names = ", ".join(path.stem for path in found[:5])
    raise UsageError(f"{len(found)} runs under {output / 'runs'} begin with {run!r}: {names}")


def _head(record: Record) -> str:
    config, matrix = record.config, record.accuracy
    variant = f" ({config.variant})" if config.variant else ""
    tasks = (f"task {i}: {said}" for i, said in enumerate(tasks_of(record), start=1))
    lines = [
        f"{record.run_id}: {config.benchmark}, preset {config.preset},"
        f" {config.method}{variant}, seed {config.seed}",
        f"accuracy {100 * metrics.mean_accuracy(matrix):.2f} %,"
        f" forgetting {100 * metrics.forgetting(matrix):.2f} points,"
        f" {record.stored_parameters[-1]:,} parameters stored",
    ]
    forward = forward_transfer(record)
    if not math.isnan(forward):
        lines.append(f"forward transfer {100 * forward:.2f} points")
    if record.timings.get("train_s"):
        lines.append(f"trained {sum(record.timings['train_s']):.0f} s")
    return "\n".join([*lines, *map(printable, tasks)])


def _accuracies(record: Record) -> str:
    n = len(record.n_test)
    rows: list[tuple[str, ...]] = [("accuracy [%] after", *(f"task {j + 1}" for j in range(n)))]
    ahead = metrics.with_ahead(record.accuracy, record.accuracy_before)
    named = [(f"experience {i + 1}", row) for i, row in enumerate(ahead)]
    if record.accuracy_untrained:
        named.insert(0, ("no training", record.accuracy_untrained))
    rows += [
        (name, *("-" if a is None else f"{100 * a:.1f}" for a in row)) for name, row in named
    ]
    return aligned(rows)


def _costs(record: Record, platform: Platform) -> str:
    rows: list[tuple[str, ...]] = [(platform.title, "MACs", "weights", "ms", "mJ")]
    for task, key in enumerate(record.subnetworks[-1]):
        price = platform.price(record.networks[key])
        rows.append(
            (
                f"task {task + 1}",
                f"{price['macs']:,.0f}",
                f"{price['weights']:,.0f}",
                f"{price['latency_ms']:.4f}",
                f"{price['energy_mj']:.4f}",
            )
        )
    return aligned(rows)


def _growth(record: Record) -> str:
    layers = list(dict.fromkeys(name for event in record.history for name in event["widths"]))
    rows: list[tuple[str, ...]] = [("event", "iteration", *layers)]
    rows += [
        (
            f"{event.get('label', '')} {event['kind']}".strip(),
            str(event.get("iteration", "-")),
            *(str(event["widths"].get(name, "-")) for name in layers),
        )
        for event in record.history
    ]
    return aligned(rows)


def _environment(record: Record) -> str:
    facts = record.environment
    packages = facts.get("packages") or {}
    parts = [f"{key} {value}" for key, value in facts.items() if key != "packages"]
    parts += [f"{name} {value}" for name, value in packages.items()]
    return "made with " + ", ".join(parts)
