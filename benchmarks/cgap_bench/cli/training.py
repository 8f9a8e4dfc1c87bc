"""Commands that train."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from cgap_bench.cli.options import (
    BOARD,
    DATA_ROOT,
    EXAMPLES,
    METHODS,
    PRESET,
    SET,
    jobs,
    output,
)


@click.command(
    epilog=EXAMPLES
    + "cgap-cl run split-digits\n"
    + "  cgap-cl run split-cifar100 --preset quick --data-root ~/data\n"
    + "  cgap-cl run split-digits --methods cgap,ewc --seeds 0-4 --set ewc.strength=1e6",
)
@click.argument("benchmark")
@PRESET
@click.option(
    "--network", help="From `list networks`, torchvision:NAME, timm:NAME or module:function."
)
@METHODS
@click.option("--seeds", help="Like 0, 0,3,7 or 0-4; the recipe's by default.")
@click.option("--orders", help="Shuffled orders of classes, each with every seed: like 0-4.")
@click.option(
    "--variants",
    default="all",
    show_default=True,
    metavar="WHICH",
    help="Of the preset: all beside the plain runs, none, or only them.",
)
@SET
@click.option("--tuned", type=Path, help="Settings that `cgap-cl tune` wrote, under --set.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option(
    "--precision",
    help="float32, bfloat16, or auto: the faster one here by a probe; the recipe's by default.",
)
@BOARD
@DATA_ROOT
@output()
@jobs("Processes; by default one per core, on cuda two per GPU and no more than cores.")
@click.option("--executor", default="local", show_default=True, help="local or ray.")
@click.option("--address", help="Of a Ray cluster: HOST:6379; by default the one we are in.")
@click.option(
    "--gpu-share",
    type=click.FloatRange(0, 1, min_open=True),
    help="Of a GPU, for each run on a Ray cluster: 0.25 puts four side by side.",
)
@click.option(
    "--dry-run",
    is_flag=False,
    flag_value="table",
    type=click.Choice(["table", "json"]),
    help="Print the plan only; =json: with every setting of every run, as one document.",
)
@click.option(
    "--memory-budget",
    metavar="SIZE",
    help="For the images of each run, like 4GB: more of them are read from files as they are"
    " needed; by default half of what is available, shared by the processes.",
)
@click.option("--force", is_flag=True, help="Run again what has a record, from the start.")
@click.option(
    "--checkpoint-minutes",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    help="Training between two checkpoints; 0: only after each experience.",
)
@click.option(
    "--records-only", is_flag=True, help="No tables and figures: `report` makes them."
)
@click.option("--keep-weights", is_flag=True, help="Keep each task's network: `export`.")
@click.option("--log", metavar="NAMES", help="tensorboard, csv, wandb, mlflow; with commas.")
@click.option("--quiet", is_flag=True, help="Show the table and errors only.")
def run(benchmark: str, **options: Any) -> None:
    """Run a benchmark: train, record, and print the comparison.

    BENCHMARK is a name from `cgap-cl list benchmarks` or a recipe of your own (a TOML file).
    """
    from cgap_bench.commands.before.first_look import Words

    typed = [field.name for field in fields(Words) if field.name in options]
    Words(benchmark, **{name: options[name] for name in typed}).check()
    if options["executor"] == "local" and not options["dry_run"]:
        from cgap_bench.record.store import record_paths
        from cgap_bench.run.executors.server import begin

        if not record_paths(options["output"]):  # else all may be finished
            begin()
    from cgap_bench.commands.run import Request, dry_run, run_benchmark

    request = Request(benchmark, **options)
    if request.dry_run:
        click.echo(dry_run(request))
    else:
        run_benchmark(request)


@click.command(
    epilog=EXAMPLES
    + "cgap-cl tune split-cifar100 --preset quick --methods ewc,si --trials 12\n"
    + "  cgap-cl run split-cifar100 --preset quick"
    + " --tuned results/tuning/split-cifar100-quick.toml",
)
@click.argument("benchmark")
@PRESET
@METHODS
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    default=16,
    show_default=True,
    help="For every method, the recipe's own settings first.",
)
@click.option("--seeds", default="100-101", show_default=True, help="Runs of each trial.")
@SET
@DATA_ROOT
@output("Folder in which `tuning` is made.")
@jobs()
def tune(benchmark: str, **options: Any) -> None:
    """Search for each method's learning rate and own settings on held-out images.

    Every method gets as many trials, in orders of classes of their own; test images are not
    looked at. What was best is written as tables of a recipe that `cgap-cl run --tuned` takes.
    """
    from cgap_bench.run.executors.server import begin

    begin()
    from cgap_bench.commands.tune import TuneRequest, tune_text

    click.echo(tune_text(TuneRequest(benchmark, **options)))


@click.command(epilog=EXAMPLES + "cgap-cl reproduce hsu-mnist/task/ewc --seeds 0-9")
@click.argument("cell")
@click.option("--seeds", help="Like 0, 0,3,7 or 0-4; as published by default.")
@DATA_ROOT
@output()
@jobs()
def reproduce(cell: str, **options: Any) -> None:
    """Make the runs behind a published number and say whether ours agrees.

    CELL is a name from `cgap-cl list cells`.
    """
    from cgap_bench.commands.reproduce import reproduce_text

    click.echo(reproduce_text(cell, **options))
