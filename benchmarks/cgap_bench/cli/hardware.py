"""Commands that price networks on FPGAs."""

from pathlib import Path
from typing import Any

import click

from cgap_bench.cli.options import BITS, BOARD, EXAMPLES, IMAGE_SIZE, INPUT_SHAPE, JSON, PAGE

SOURCE_HELP = (
    "SOURCE is a record (results/runs/.../ID.json), a list of layers (.json), an ONNX file"
    " (.onnx) or torchvision:NAME."
)


@click.command(
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
@BITS
@IMAGE_SIZE
@INPUT_SHAPE
@click.option("--resident-weights", is_flag=True, help="Weights stay on chip between calls.")
@click.option("--resident-maps", is_flag=True, help="Maps that fit stay on chip.")
@click.option("--advice", is_flag=True, help="Also show the widths that fill the lanes.")
@click.option("--figure", type=Path, help="Draw the roofline of the first network.")
@JSON
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


@click.command(
    epilog=EXAMPLES + "cgap-cl explore torchvision:resnet50 --board zcu102 --top 10",
    help="Price every Pox x Poy x Pof array that fits a board.\n\n" + SOURCE_HELP,
)
@click.argument("source")
@BOARD
@BITS
@IMAGE_SIZE
@INPUT_SHAPE
@click.option("--array", help="Whose sizes are varied; rtl-4x4x4 for arrays of hardware/rtl.")
@click.option("--write", type=Path, help="Folder for the fastest design as files.")
@click.option(
    "--top", type=click.IntRange(1, 100_000), default=20, show_default=True, help="Rows."
)
@JSON
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


@click.command(
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


@click.command(
    "validate-hardware",
    epilog=EXAMPLES
    + "cgap-cl validate-hardware\n"
    + "  cgap-cl validate-hardware --measured my-layers.csv --json",
)
@click.option("--measured", type=Path, help="CSV of timed layers; cnn_accel by default.")
@JSON
@PAGE
def validate_hardware(measured: Path | None, as_json: bool, page: Path | None) -> None:
    """Compare predicted with measured layer times."""
    from cgap_bench.commands.validate import page_text, validate_text

    click.echo(page_text(page) if page else validate_text(measured, as_json=as_json))


@click.command(
    "validate-counts",
    epilog=EXAMPLES
    + "cgap-cl validate-counts\n"
    + "  cgap-cl validate-counts vit_b_16 swin_v2_t --json",
)
@click.argument("networks", nargs=-1)
@JSON
@PAGE
def validate_counts(networks: tuple[str, ...], as_json: bool, page: Path | None) -> None:
    """Compare priced multiply-adds with torch's own counter.

    NETWORKS are classification networks of torchvision, by name; without any, all of them (some
    minutes), each at its own image size.
    """
    from cgap_bench.commands.counts import counts_text, page_text

    click.echo(page_text(networks, page) if page else counts_text(networks, as_json=as_json))


@click.command("price-published", epilog=EXAMPLES + "cgap-cl price-published --json")
@JSON
@PAGE
def price_published(as_json: bool, page: Path | None) -> None:
    """Price the paper's networks at the sizes that it reports, without training."""
    from cgap_bench.commands.published import page_text, published_text

    click.echo(page_text(page) if page else published_text(as_json=as_json))
