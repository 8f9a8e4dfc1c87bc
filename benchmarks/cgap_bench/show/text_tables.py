"""Plain text in columns."""

from collections.abc import Sequence


def aligned(rows: Sequence[tuple[str, ...]]) -> str:
    """Columns under each other: the first to the left, numbers to the right.

    Example:
        >>> print(aligned([("layer", "ms"), ("conv1", "12.5"), ("head", "3.0")]))
        layer    ms
        conv1  12.5
        head    3.0
    """
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
