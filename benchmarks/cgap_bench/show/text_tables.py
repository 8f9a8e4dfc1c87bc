"""Plain text in columns, and times for people."""

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


def duration(seconds: float) -> str:
    """In the unit that fits.

    Example:
        >>> duration(42), duration(600), duration(3 * 3600), duration(90 * 3600)
        ('42 s', '10 min', '3.0 h', '3.8 days')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 2 * 86400 else f"{seconds / 86400:.1f} days"
