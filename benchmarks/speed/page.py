"""The table of `README.md` in this folder, from what the scripts beside it measured.

The scripts keep their figures with `--output benchmarks/speed`; this reads them and writes the
table where the page has the marker ``speed``.

Run: `python benchmarks/speed/page.py`.
"""

import re
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cgap_bench.run.recipe import recipe_names
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
SHORT = {"cgap": "CGaP", "fixed": "`fixed`", "ewc": "EWC"}
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
        figure: Its name; of a figure kept turn by turn (`NAME_turn_1` and so on), the median
            is shown with the range.
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


def _per_experience() -> Iterator[Row]:
    script, pairs = "per_experience", (("cgap", "fixed"), ("cgap", "ewc"), ("ewc", "fixed"))
    for one, other in pairs:
        for n in EXPERIENCES:
            text = f"{SHORT[one]} of {SHORT[other]}, experience {n}"
            yield Row(text, script, f"{one}_of_{other}_{n}")
    for method, called in SHORT.items():
        text = f"five experiences of {called}, most memory beside images and imports"
        yield Row(text, script, f"{method}_mb", unit=" MB")


def _compiled() -> Iterator[Row]:
    script = "compiled"
    titles = {"mlp": "mlp_128", "alexnet": "alexnet_64", "resnet18": "resnet18_64"}
    for key, title in titles.items():
        text = f"{NETWORKS[title]}, `torch.compile`"
        yield Row(f"{text}: a compiled step, of a plain one", script, f"{key}_step")
        yield Row(f"{text}: compiling", script, f"{key}_compile_s", unit=" s")
        earned = f"{key}_steps_to_earn_it"
        yield Row(f"{text}: steps until that is earned", script, earned, unit=" steps")
    text = "MLP, a column of 80 steps of CGaP, `torch.compile`"
    yield Row(f"{text}: graphs compiled", script, "column_graphs")
    yield Row(f"{text}: compiling", script, "column_compile_s", unit=" s")
    yield Row(f"{text}: compiling", script, "column_compile_steps", unit=" of its steps")


def _presets() -> Iterator[Row]:
    for name in recipe_names():
        for source, called in (("records", "by its records"), ("plan", "by its plan")):
            text = f"default preset of {name}, two processes, {called}"
            figure = f"{name}_{source}".replace("-", "_")
            yield Row(text, "default_presets", figure, 20.0, " min")


def _two_jobs() -> Iterator[Row]:
    script = "two_jobs"
    yield Row("runs an hour with two processes, of one", script, "two_of_one", least=1.8)
    for key, called in (("one", "one process"), ("two", "two processes")):
        text = f"runs an hour with {called}, five methods on split-digits"
        yield Row(text, script, f"{key}_per_hour")
    text = "two loops of matrix products side by side, of one after the other"
    yield Row(text, script, "loops")


ROWS = (
    *_loops(),
    *_streams(),
    *_per_experience(),
    *_compiled(),
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
    *_two_jobs(),
    *_presets(),
    Row("10,000 records: plan of all of them", "many_records", "plan_s", 10.0, " s"),
    Row("10,000 records: resume, all finished", "many_records", "resume_s", 10.0, " s"),
    Row("10,000 records: `cgap-cl report`", "many_records", "report_s", 10.0, " s"),
    *_forecasts(),
)


def turns_of(figures: Mapping[str, float], name: str) -> list[float]:
    """The values of a figure: one, or one of each turn that was kept.

    Example:
        >>> turns_of({"a": 1.0, "b_turn_1": 2.0, "b_turn_2": 3.0}, "b")
        [2.0, 3.0]
    """
    turn = re.compile(rf"{re.escape(name)}(_turn_\d+)?")
    return [value for key, value in figures.items() if turn.fullmatch(key)]


def _number(value: float) -> str:
    """To three digits; thousands in full."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def table(measured: Measurements) -> str:
    """A line for each figure that there is, and whether it is what was asked for."""
    lines = ["| | measured | asked for | |", "|---|--:|--:|---|"]
    for row in ROWS:
        turns = turns_of(measured.get(row.script, {}), row.figure)
        if not turns:
            continue
        value, span = statistics.median(turns), ""
        if len(turns) > 1:
            span = f" ({_number(min(turns))} to {_number(max(turns))})"
        bar, met = "", None
        if row.most is not None:
            bar, met = f"at most {row.most:g}{row.unit}", value <= row.most
        elif row.least is not None:
            bar, met = f"at least {row.least:g}{row.unit}", value >= row.least
        said = "" if met is None else "met" if met else "**missed**"
        lines.append(f"| {row.text} | {_number(value)}{span}{row.unit} | {bar} | {said} |")
    return "\n".join(lines)


if __name__ == "__main__":
    fill_page(HERE / "README.md", "speed", table(read_measurements(HERE)))
