"""Commands that read what runs have left."""

from pathlib import Path

import click

from cgap_bench.cli.options import BOARD, EXAMPLES, output


@click.command("list", epilog=EXAMPLES + "cgap-cl list boards\n  cgap-cl list cells")
@click.argument(
    "what", metavar="[benchmarks|methods|networks|boards|searched|cells]", required=False
)
@output("Results folder: its runs stand beside published numbers, its times beside presets.")
def list_(what: str | None, output: Path) -> None:
    """List what can be chosen; without a word, everything.

    `searched` are the ranges of `tune`, `cells` are published numbers: each with our runs of
    it, the verdict, and the command that makes what is missing. Beside the presets of
    `benchmarks` stands what all their runs took, one after the other.
    """
    from cgap_bench.commands.list import listing

    click.echo(listing(what, output))


@click.command(
    epilog=EXAMPLES
    + "cgap-cl report\n"
    + "  cgap-cl report --check\n"
    + "  cgap-cl report --output results/scratch/demo --board kv260",
)
@BOARD
@output("Results folder: its records are read, its tables and figures made anew.")
@click.option("--check", is_flag=True, help="Write nothing; fail if a number is out of date.")
def report(board: str, output: Path, check: bool) -> None:
    """Rebuild tables, figures and the numbers in README files from the records alone."""
    from cgap_bench.commands.report import check_text, report_text

    click.echo(check_text(board, output) if check else report_text(board, output))


@click.command(epilog=EXAMPLES + "cgap-cl parquet --output results")
@output("Results folder; the dataset is written into its folder `parquet`.")
@BOARD
def parquet(output: Path, board: str) -> None:
    """Write all records as two Parquet tables, one row a run and one a task.

    They are partitioned by benchmark and preset, for DuckDB, pandas and others to read.
    """
    from cgap_bench.commands.records.parquet import parquet_text

    click.echo(parquet_text(board, output))


@click.command(epilog=EXAMPLES + "cgap-cl show 177c2cefdb17")
@click.argument("run")
@output("Results folder.")
@BOARD
def show(run: str, output: Path, board: str) -> None:
    """Show one run: scores, costs of its tasks, growth, environment.

    RUN is a record's file, or the beginning of its identity.
    """
    from cgap_bench.commands.records.show import show_text

    click.echo(show_text(run, output, board))


@click.command(epilog=EXAMPLES + "cgap-cl compare results ../before/results")
@click.argument("first", type=Path)
@click.argument("second", type=Path)
@BOARD
def compare(first: Path, second: Path, board: str) -> None:
    """Compare two results folders, run by run of the same method, seed and order."""
    from cgap_bench.commands.records.compare import compare_text

    click.echo(compare_text(first, second, board))


@click.command(
    epilog=EXAMPLES
    + "cgap-cl run split-digits --keep-weights\n"
    + "  cgap-cl export results/runs/split-digits/177c2cefdb17.json --task 2 --to onnx,shapes"
)
@click.argument("record", type=Path)
@click.option(
    "--task",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Whose network, counted from 1 in the order learnt.",
)
@click.option(
    "--to",
    default="onnx",
    show_default=True,
    help="onnx, pt2, shapes, hls4ml, qonnx; with commas.",
)
@click.option("--out", type=Path, default=Path(), help="Folder; the present one by default.")
@click.option(
    "--bits", type=click.IntRange(2, 32), help="Fixed-point word of hls4ml and qonnx; 16."
)
def export(record: Path, task: int, to: str, out: Path, bits: int | None) -> None:
    """Write the network of one task of a finished run for other tools.

    RECORD is the file of a run that was made with --keep-weights.
    """
    from cgap_bench.commands.networks.export import export_text

    click.echo(export_text(record, task, to, out, bits))


@click.command(epilog=EXAMPLES + "cgap-cl predict 177c2cefdb17-task-2.onnx my-images")
@click.argument("network", type=Path)
@click.argument("images", type=Path)
def predict(network: Path, images: Path) -> None:
    """Tell the classes of a folder of images with an exported network.

    NETWORK is a .onnx or .pt2 file that `cgap-cl export` wrote.
    """
    from cgap_bench.commands.networks.predict import predict_text

    click.echo(predict_text(network, images))


@click.command(epilog=EXAMPLES + "cgap-cl migrate results")
@click.argument("folder", type=Path)
def migrate(folder: Path) -> None:
    """Rewrite the records of a results folder that an older version wrote.

    Every number stays; names of settings and identities of runs become the present ones.
    """
    from cgap_bench.commands.records.migrate import migrate_text

    click.echo(migrate_text(folder))
