"""The table of `README.md` in this folder, from what the scripts beside it measured.

The scripts keep their figures with `--output benchmarks/speed`; this reads them and writes the
table where the page has the marker ``speed``.

Run: `python benchmarks/speed/page.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cgap_bench.show.markers import fill_page
from cgap_bench.show.measurements import Measurements, read_measurements

HERE = Path(__file__).parent
LOOPS = {"bare": "a bare PyTorch loop", "avalanche": "plain Avalanche 0.6"}
METHODS = {"fixed": "naive", "ewc": "EWC"}
NETWORKS = {
    "mlp_128": "MLP, batch 128",
    "mlp_10": "MLP, batch 10",
    "alexnet_64": "AlexNet, batch 64",
    "resnet18_64": "reduced ResNet-18, batch 64",
}
CHANGED = {"mlp": "MLP", "alexnet": "AlexNet", "resnet18": "reduced ResNet-18"}
CHANGES = {
    "sprout": "a column begins",
    "grow": "a growth event",
    "prune": "a pruning step",
    "merge": "merging",
}
EXPERIENCES = (1, 5)
OF_BARE = 1.05
FORECASTS = {
    "split_digits": "split-digits",
    "split_cifar100": "split-cifar100 (quick, one experience)",
}


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        text: What was measured.
        script: Whose figure.
        figure: Its name.
        most: What it is to stay under; None: nothing was asked for.
        unit: Behind the number.
        least: What it is to reach.
    """

    text: str
    script: str
    figure: str
    most: float | None = None
    unit: str = ""
    least: float | None = None


def _loops() -> Iterator[Row]:
    for network, title in NETWORKS.items():
        for loop, other in LOOPS.items():
            for method, called in METHODS.items():
                for n in EXPERIENCES:
                    text = f"{title}, {called}, experience {n}, of {other}"
                    most = OF_BARE if loop == "bare" else 1.0
                    yield Row(text, "bare_loop", f"{network}_{method}_{loop}_{n}", most)


def _forecasts() -> Iterator[Row]:
    for key, benchmark in FORECASTS.items():
        for method in ("cgap", "fixed", "fixed-equal"):
            text = f"forecast of training, off by: {benchmark}, `{method}`"
            yield Row(text, "forecasts", f"{key}_{method}".replace("-", "_"), 0.25)


def _streams() -> Iterator[Row]:
    script = "long_streams"
    for n in (50, 100):
        yield Row(f"training at experience {n}, of the tenth", script, f"train_{n}", 1.3)
        yield Row(f"evaluating one task at experience {n}, of the tenth", script, f"eval_{n}")
    for network, title in CHANGED.items():
        for kind, called in CHANGES.items():
            text = f"{title}, {called}"
            yield Row(text, script, f"{network}_{kind}", unit=" training steps")


ROWS = (
    *_loops(),
    *_streams(),
    Row("CGaP of `fixed`, ten experiences", "whole_runs", "cgap_of_fixed", 0.5),
    Row("the same, first experience", "whole_runs", "cgap_of_fixed_first"),
    Row("the same, tenth experience", "whole_runs", "cgap_of_fixed_last"),
    Row("batches of mixed labels, of sorted ones", "whole_runs", "mixed_of_sorted", 1.2),
    Row("`cgap-cl --help`", "whole_runs", "help_s", 0.5, " s"),
    Row("an unknown method", "whole_runs", "mistake_s", 1.0, " s"),
    Row(
        "a run of split-digits but its training, by the clock",
        "whole_runs",
        "first_batch_s",
        6.0,
        " s",
    ),
    Row("runs an hour with two processes, of one", "two_jobs", "two_of_one", least=1.8),
    Row(
        "two loops of matrix products side by side, of one after the other", "two_jobs", "loops"
    ),
    Row("10,000 records: plan of all of them", "many_records", "plan_s", 10.0, " s"),
    Row("10,000 records: resume, all finished", "many_records", "resume_s", 10.0, " s"),
    Row("10,000 records: `cgap-cl report`", "many_records", "report_s", 10.0, " s"),
    *_forecasts(),
)


def table(measured: Measurements) -> str:
    """A line for each figure that there is, and whether it is what was asked for."""
    lines = ["| | measured | asked for | |", "|---|--:|--:|---|"]
    for row in ROWS:
        value = measured.get(row.script, {}).get(row.figure)
        if value is None:
            continue
        bar, met = "", None
        if row.most is not None:
            bar, met = f"at most {row.most:g}{row.unit}", value <= row.most
        elif row.least is not None:
            bar, met = f"at least {row.least:g}{row.unit}", value >= row.least
        said = "" if met is None else "met" if met else "**missed**"
        lines.append(f"| {row.text} | {value:.3g}{row.unit} | {bar} | {said} |")
    return "\n".join(lines)


if __name__ == "__main__":
    fill_page(HERE / "README.md", "speed", table(read_measurements(HERE)))
