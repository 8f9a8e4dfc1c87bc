"""The command line: parse, one call, print."""

import os
import signal
import sys
from dataclasses import fields
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import click

from cgap_bench.errors import OutOfDateError, RunError, Stop, UsageError
from cgap_bench.record.plain import printable

DEFAULT_BOARD = "zcu104"
DEFAULT_OUTPUT = Path("results")
JOBS, ROWS = click.IntRange(1, 1024), click.IntRange(1, 100_000)
SIGNALLED = 128  # shells add the signal's number
EXAMPLES = "\b\nExamples:\n  "


class _WrongInput(click.ClickException):
    exit_code = 2


class _Commands(click.Group):
    """Turns errors that a user can act on into one line and an exit code.

    2: something asked for cannot be done; 1: a run was not finished, or a number is out of
    date; 128 and the number of the signal that ended it.
    """

    def __call__(self, *args: Any, **options: Any) -> Any:
        """As a program: ended by a signal nothing is tidied up: torch takes seconds."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, TextIOWrapper):  # names and signs that the locale lacks
                stream.reconfigure(errors="backslashreplace")
        try:
            return self.main(*args, **options)
        except OSError as error:
            if error.filename is not None:  # of files each command tells
                raise
            print(f"Error: cannot write the output: {error.strerror}", file=sys.stderr)
            _without_output()
            sys.exit(1)
        except SystemExit as end:
            if isinstance(end.code, int) and end.code > SIGNALLED:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(end.code)
            raise

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UsageError as error:
            raise _WrongInput(printable(str(error))) from error
        except (OutOfDateError, RunError) as error:
            raise click.ClickException(printable(str(error))) from error
        except (Stop, KeyboardInterrupt) as stop:
            number = getattr(stop, "number", signal.SIGINT)
            kept = getattr(stop, "kept", "")
            line = f"stopped by {signal.Signals(number).name}"
            click.echo(printable(f"{line}: {kept}" if kept else line), err=True)
            ctx.exit(SIGNALLED + number)
        except ValueError as error:
            from cgap_hw import CostModelError

            if isinstance(error, CostModelError):
                raise _WrongInput(printable(str(error))) from error
            raise


def _without_output() -> None:
    """Python writes what is left in its buffer when it ends, and would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _board(_context: click.Context, _option: click.Parameter, value: str) -> str:
    """A board's name or file, looked up at once: what needs it may take seconds to import."""
    from cgap_hw import load_board

    load_board(value)
    return value


BOARD = click.option(
    "--board",
    default=DEFAULT_BOARD,
    show_default=True,
    callback=_board,
    help="Name or TOML file.",
)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EXAMPLES + "cgap-cl run split-digits",
)
@click.version_option(package_name="cgap-cl")
def main() -> None:
    """Compare continual-learning methods by what they remember and what they cost."""


@main.command(
    epilog=EXAMPLES
    + "cgap-cl run split-digits\n"
    + "  cgap-cl run split-cifar100 --preset quick --data-root ~/data\n"
    + "  cgap-cl run split-digits --methods cgap,ewc --seeds 0-4 --set ewc.strength=1e6",
)
@click.argument("benchmark")
@click.option(
    "--preset", help="Variant of the benchmark; the recipe says which is the default."
)
@click.option(
    "--network", help="From `list networks`, torchvision:NAME, timm:NAME or module:function."
)
@click.option("--methods", help="Comma-separated; the recipe's by default.")
@click.option("--seeds", help="Like 0, 0,3,7 or 0-4; the recipe's by default.")
@click.option("--orders", help="Shuffled orders of classes, each with every seed: like 0-4.")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a setting."
)
@click.option("--tuned", type=Path, help="Settings that `cgap-cl tune` wrote, under --set.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@BOARD
@click.option("--data-root", type=Path, help="Folder with datasets; else $CGAP_CL_DATA.")
@click.option(
    "--output",
    type=Path,
    default=DEFAULT_OUTPUT,
    show_default=True,
    help="Folder for records, tables, figures and the report.",
)
@click.option("--jobs", type=JOBS, help="Processes; one per core by default.")
@click.option(
    "--dry-run",
    is_flag=False,
    flag_value="table",
    type=click.Choice(["table", "json"]),
    help="Print the plan only; =json: the resolved configuration of every run.",
)
@click.option("--force", is_flag=True, help="Run again what has a record, from the start.")
@click.option(
    "--checkpoint-minutes",
    type=click.FloatRange(min=0),
    default=5.0,
    show_default=True,
    help="Training between two checkpoints; 0: only after each experience.",
)
@click.option("--keep-weights", is_flag=True, help="Keep each task's network: `export`.")
def run(benchmark: str, **options: Any) -> None:
    """Run a benchmark: train, record, and print the comparison.

    BENCHMARK is a name from `cgap-cl list benchmarks` or a recipe of your own (a TOML file).
    """
    from cgap_bench.commands.before.first_look import Words

    typed = [field.name for field in fields(Words) if field.name in options]
    Words(benchmark, **{name: options[name] for name in typed}).check()
    from cgap_bench.commands.run import Request, dry_run, run_benchmark

    request = Request(benchmark, **options)
    if request.dry_run:
        click.echo(dry_run(request))
    else:
        run_benchmark(request)


@main.command(
    epilog=EXAMPLES
    + "cgap-cl tune split-cifar100 --preset quick --methods ewc,si --trials 12\n"
    + "  cgap-cl run split-cifar100 --preset quick"
    + " --tuned results/tuning/split-cifar100-quick.toml",
)
@click.argument("benchmark")
@click.option("--preset", help="Variant of the benchmark; the recipe's default one.")
@click.option("--methods", help="Comma-separated; the recipe's by default.")
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    default=16,
    show_default=True,
    help="For every method, the recipe's own settings first.",
)
@click.option("--seeds", default="100-101", show_default=True, help="Runs of each trial.")
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a setting."
)
@click.option("--data-root", type=Path, help="Folder with datasets; else $CGAP_CL_DATA.")
@click.option(
    "--output",
    type=Path,
    default=DEFAULT_OUTPUT,
    show_default=True,
    help="Folder in which `tuning` is made.",
)
@click.option("--jobs", type=click.IntRange(min=1), help="Processes; one per core by default.")
def tune(benchmark: str, **options: Any) -> None:
    """Search for each method's learning rate and own settings on held-out images.

    Every method gets as many trials, in orders of classes of their own; test images are not
    looked at. What was best is written as tables of a recipe that `cgap-cl run --tuned` takes.
    """
    from cgap_bench.commands.tune import TuneRequest, tune_text

    click.echo(tune_text(TuneRequest(benchmark, **options)))


@main.command(epilog=EXAMPLES + "cgap-cl reproduce hsu-mnist/task/ewc --seeds 0-9")
@click.argument("cell")
@click.option("--seeds", help="Like 0, 0,3,7 or 0-4; as published by default.")
@click.option("--data-root", type=Path, help="Folder with datasets; else $CGAP_CL_DATA.")
@click.option(
    "--output",
    type=Path,
    default=DEFAULT_OUTPUT,
    show_default=True,
    help="Folder for records, tables, figures and the report.",
)
@click.option("--jobs", type=JOBS, help="Processes; one per core by default.")
def reproduce(cell: str, **options: Any) -> None:
    """Make the runs behind a published number and say whether ours agrees.

    CELL is a name from `cgap-cl list cells`.
    """
    from cgap_bench.commands.reproduce import reproduce_text

    click.echo(reproduce_text(cell, **options))


@main.command("list", epilog=EXAMPLES + "cgap-cl list boards")
@click.argument("what", metavar="[benchmarks|methods|networks|boards|cells]", required=False)
def list_(what: str | None) -> None:
    """List what can be chosen; without a word, everything."""
    from cgap_bench.commands.list import listing

    click.echo(listing(what))


@main.command(
    epilog=EXAMPLES
    + "cgap-cl report\n"
    + "  cgap-cl report --check\n"
    + "  cgap-cl report --output results/scratch/demo --board kv260",
)
@BOARD
@click.option(
    "--output",
    type=Path,
    default=DEFAULT_OUTPUT,
    show_default=True,
    help="Results folder: its records are read, its tables and figures made anew.",
)
@click.option("--check", is_flag=True, help="Write nothing; fail if a number is out of date.")
def report(board: str, output: Path, check: bool) -> None:
    """Rebuild tables, figures and the numbers in README files from the records alone."""
    from cgap_bench.commands.report import check_text, report_text

    click.echo(check_text(board, output) if check else report_text(board, output))


@main.command(epilog=EXAMPLES + "cgap-cl show 76247eb2d20a")
@click.argument("run")
@click.option("--output", type=Path, default=DEFAULT_OUTPUT, help="Results folder.")
@click.option("--board", default=DEFAULT_BOARD, show_default=True, help="Name or TOML file.")
def show(run: str, output: Path, board: str) -> None:
    """Show one run: scores, costs of its tasks, growth, environment.

    RUN is a record's file, or the beginning of its identity.
    """
    from cgap_bench.commands.records.show import show_text

    click.echo(show_text(run, output, board))


@main.command(epilog=EXAMPLES + "cgap-cl compare results ../before/results")
@click.argument("first", type=Path)
@click.argument("second", type=Path)
@click.option("--board", default=DEFAULT_BOARD, show_default=True, help="Name or TOML file.")
def compare(first: Path, second: Path, board: str) -> None:
    """Compare two results folders, run by run of the same method, seed and order."""
    from cgap_bench.commands.records.compare import compare_text

    click.echo(compare_text(first, second, board))


@main.command(
    epilog=EXAMPLES
    + "cgap-cl run split-digits --keep-weights\n"
    + "  cgap-cl export results/runs/split-digits/76247eb2d20a.json --task 2 --to onnx,shapes"
)
@click.argument("record", type=Path)
@click.option(
    "--task",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Whose network, counted from 1 in the order learnt.",
)
@click.option("--to", default="onnx", show_default=True, help="onnx, pt2, shapes; with commas.")
@click.option("--out", type=Path, default=Path(), help="Folder; the present one by default.")
def export(record: Path, task: int, to: str, out: Path) -> None:
    """Write the network of one task of a finished run for other tools.

    RECORD is the file of a run that was made with --keep-weights.
    """
    from cgap_bench.commands.networks.export import export_text

    click.echo(export_text(record, task, to, out))


@main.command(epilog=EXAMPLES + "cgap-cl predict 76247eb2d20a-task-2.onnx my-images")
@click.argument("network", type=Path)
@click.argument("images", type=Path)
def predict(network: Path, images: Path) -> None:
    """Tell the classes of a folder of images with an exported network.

    NETWORK is a .onnx or .pt2 file that `cgap-cl export` wrote.
    """
    from cgap_bench.commands.networks.predict import predict_text

    click.echo(predict_text(network, images))


@main.command(epilog=EXAMPLES + "cgap-cl migrate results")
@click.argument("folder", type=Path)
def migrate(folder: Path) -> None:
    """Rewrite the records of a results folder that an older version wrote.

    Every number stays; names of settings and identities of runs become the present ones.
    """
    from cgap_bench.commands.records.migrate import migrate_text

    click.echo(migrate_text(folder))


SOURCE_HELP = (
    "SOURCE is a record (results/runs/.../ID.json), a list of layers (.json), an ONNX file"
    " (.onnx) or torchvision:NAME."
)


@main.command(
    epilog=EXAMPLES
    + "cgap-cl cost torchvision:resnet18 --board zcu102\n"
    + "  cgap-cl cost model.onnx --board kv260 --bits 16 --figure roofline.svg\n"
    + "  cgap-cl cost torchvision:vgg16 --array M32P64",
    help="Price one inference, layer by layer.\n\n" + SOURCE_HELP,
)
@click.argument("source")
@BOARD
@click.option(
    "--array", help="Array or design by name or TOML file; the board's own otherwise."
)
@click.option(
    "--bits", type=click.IntRange(1, 32), help="Word width; a quantised file's own, or 8."
)
@click.option(
    "--image-size",
    type=click.IntRange(1, 16384),
    help="Height and width for a network of torchvision; its own by default.",
)
@click.option(
    "--input-shape",
    "input_shapes",
    multiple=True,
    metavar="NAME=1,3,224,224",
    help="Size of an input of an ONNX file, where it is open or another is wanted.",
)
@click.option("--resident-weights", is_flag=True, help="Weights stay on chip between calls.")
@click.option("--resident-maps", is_flag=True, help="Maps that fit stay on chip.")
@click.option("--advice", is_flag=True, help="Also show the widths that fill the lanes.")
@click.option("--figure", type=Path, help="Draw the roofline of the first network.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of tables.")
def cost(
    source: str,
    image_size: int | None,
    input_shapes: tuple[str, ...],
    figure: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Price one inference, layer by layer."""
    from cgap_bench.commands.cost import cost_text
    from cgap_bench.commands.target import Target
    from cgap_bench.shapes.sources import InputSizes

    sizes = InputSizes.of(image_size, input_shapes)
    click.echo(cost_text(source, Target(**options), sizes, as_json=as_json, figure=figure))


@main.command(
    epilog=EXAMPLES + "cgap-cl explore torchvision:resnet50 --board zcu102 --top 10",
    help="Price every Pox x Poy x Pof array that fits a board.\n\n" + SOURCE_HELP,
)
@click.argument("source")
@BOARD
@click.option(
    "--bits", type=click.IntRange(1, 32), help="Word width; a quantised file's own, or 8."
)
@click.option(
    "--image-size",
    type=click.IntRange(1, 16384),
    help="Height and width for a network of torchvision; its own by default.",
)
@click.option(
    "--input-shape",
    "input_shapes",
    multiple=True,
    metavar="NAME=1,3,224,224",
    help="Size of an input of an ONNX file, where it is open or another is wanted.",
)
@click.option("--array", help="Whose sizes are varied; rtl-4x4x4 for arrays of hardware/rtl.")
@click.option("--write", type=Path, help="Folder for the fastest design as files.")
@click.option("--top", type=ROWS, default=20, show_default=True, help="Rows.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")
def explore(
    source: str,
    image_size: int | None,
    input_shapes: tuple[str, ...],
    top: int,
    write: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Price every Pox x Poy x Pof array that fits a board."""
    from cgap_bench.commands.explore import explore_text
    from cgap_bench.commands.target import Target
    from cgap_bench.shapes.sources import InputSizes

    sizes = InputSizes.of(image_size, input_shapes)
    target = Target(**options)
    click.echo(explore_text(source, target, sizes, top, as_json=as_json, write=write))


@main.command(
    epilog=EXAMPLES + "cgap-cl calibrate my-layers.csv --array zcu102 --out my-board.toml"
)
@click.argument("measured", type=Path)
@click.option("--array", required=True, help="Array or board that the layers were timed on.")
@click.option("--out", type=Path, required=True, help="Board file to write.")
def calibrate(measured: Path, array: str, out: Path) -> None:
    """Fit the free constants of an array to layers timed on it.

    MEASURED is a CSV with the columns described in hardware/README.md.
    """
    from cgap_bench.commands.calibrate import calibrate_text

    click.echo(calibrate_text(measured, array, out))


@main.command(
    "validate-hardware",
    epilog=EXAMPLES
    + "cgap-cl validate-hardware\n"
    + "  cgap-cl validate-hardware --measured my-layers.csv --json",
)
@click.option("--measured", type=Path, help="CSV of timed layers; cnn_accel by default.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of tables.")
@click.option("--page", type=Path, help="Rewrite the validation tables of this page.")
def validate_hardware(measured: Path | None, as_json: bool, page: Path | None) -> None:
    """Compare predicted with measured layer times."""
    from cgap_bench.commands.validate import page_text, validate_text

    click.echo(page_text(page) if page else validate_text(measured, as_json=as_json))


@main.command(
    "validate-counts",
    epilog=EXAMPLES
    + "cgap-cl validate-counts\n"
    + "  cgap-cl validate-counts vit_b_16 swin_v2_t --json",
)
@click.argument("networks", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")
@click.option("--page", type=Path, help="Rewrite the table of this page.")
def validate_counts(networks: tuple[str, ...], as_json: bool, page: Path | None) -> None:
    """Compare priced multiply-adds with torch's own counter.

    NETWORKS are classification networks of torchvision, by name; without any, all of them (some
    minutes), each at its own image size.
    """
    from cgap_bench.commands.counts import counts_text, page_text

    click.echo(page_text(networks, page) if page else counts_text(networks, as_json=as_json))


@main.command("price-published", epilog=EXAMPLES + "cgap-cl price-published --json")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of a table.")
@click.option("--page", type=Path, help="Rewrite the table of this page.")
def price_published(as_json: bool, page: Path | None) -> None:
    """Price the paper's networks at the sizes that it reports, without training."""
    from cgap_bench.commands.published import page_text, published_text

    click.echo(page_text(page) if page else published_text(as_json=as_json))
