"""Seeds as a user writes them."""

from cgap_bench.errors import UsageError
from cgap_bench.record.configuration import LAST_SEED

MOST_SEEDS = 10_000


def parse_seeds(text: str) -> list[int]:
    """Seeds from ``"0"``, ``"0,3,7"``, ``"0-4"`` or a mix of these.

    >>> parse_seeds("7, 0-2")
    [7, 0, 1, 2]

    Raises:
        UsageError: The text is none of these, or names too many or too large ones.
    """
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UsageError(f"seeds {text[:80]!r} are not like 0, 0,3,7 or 0-4")
        if any(len(number) > 10 or int(number) > LAST_SEED for number in (first, last or "0")):
            raise UsageError(f"seeds {text[:80]!r}: each is 0 to {LAST_SEED}")
        upper = int(last) if dash else int(first)
        if upper < int(first):
            raise UsageError(f"seeds {text!r} count down; write {upper}-{first}")
        if len(seeds) + upper - int(first) >= MOST_SEEDS:
            raise UsageError(f"seeds {text[:80]!r}: at most {MOST_SEEDS:,} at a time")
        seeds.extend(range(int(first), upper + 1))
    return list(dict.fromkeys(seeds))
