"""What `cgap-cl validate-counts` does: names of networks in, priced and counted MACs out."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from cgap_bench.shapes.counting import Count, count
from cgap_bench.shapes.torchvision_networks import torchvision_names
from cgap_bench.show.markers import fill_page
from cgap_bench.show.text_tables import aligned

MARKER = "counts"
COLUMNS = (
    "network",
    "image",
    "MACs priced",
    "torch's counter",
    "of constants",
    "",
    "not priced",
)


def counts_text(names: Sequence[str], *, as_json: bool) -> str:
    """Priced MACs of networks of torchvision against torch's counter.

    Args:
        names: Of networks; all by default.
        as_json: JSON instead of a table.

    Raises:
        UsageError: No network of a name.
    """
    counts = [count(name) for name in names or torchvision_names()]
    if as_json:
        return json.dumps([asdict(one) | {"agrees": one.agrees} for one in counts], indent=1)
    return f"{aligned([COLUMNS, *map(_row, counts)])}\n\n{summary(counts)}"


def page_text(names: Sequence[str], page: Path) -> str:
    """Rewrites the table of a page; its path.

    Raises:
        UsageError: No network of a name, or the page has no place for the table.
    """
    counts = [count(name) for name in names or torchvision_names()]
    lines = [COLUMNS, ("---", "--:", "--:", "--:", "--:", "---", "---"), *map(_row, counts)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    fill_page(page, MARKER, f"{summary(counts)}\n\n{table}")
    return str(page)


def summary(counts: Sequence[Count]) -> str:
    """How many agree, and which do not."""
    differ = [one.name for one in counts if not one.agrees]
    listed = sum(bool(one.unsupported) for one in counts)
    text = (
        f"{len(counts)} networks: {len(counts) - len(differ)} priced as torch counts them,"
        f" {len(differ)} otherwise; {listed} with operators that are listed as not priced."
    )
    return text + (f" DIFFERENT: {', '.join(differ)}." if differ else "")


def _row(one: Count) -> tuple[str, ...]:
    listed = ", ".join(f"{name} ({n}x)" for name, n in one.unsupported.items())
    numbers = (f"{n:,}" for n in (one.priced, one.counted, one.of_constants))
    return (one.name, str(one.image_size), *numbers, "=" if one.agrees else "DIFFERENT", listed)
