"""Seeds as a user writes them."""

from cgap_bench.errors import UsageError


def parse_seeds(text: str) -> list[int]:
    """Seeds from ``"0"``, ``"0,3,7"``, ``"0-4"`` or a mix of these.

    >>> parse_seeds("7, 0-2")
    [7, 0, 1, 2]

    Raises:
        UsageError: The text is none of these.
    """
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UsageError(f"seeds {text!r} are not like 0, 0,3,7 or 0-4")
        upper = int(last) if dash else int(first)
        if upper < int(first):
            raise UsageError(f"seeds {text!r} count down; write {upper}-{first}")
        seeds.extend(range(int(first), upper + 1))
    return list(dict.fromkeys(seeds))
