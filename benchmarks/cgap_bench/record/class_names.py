"""Which classes a task has, by name where names are known, by number where not."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cgap_bench.record.record import Record

MOST_NAMES = 5  # of a task, in a line
MOST_TASKS = 6
MOST_LETTERS = 24


def tasks_of(record: "Record") -> list[str]:
    """The classes of each task of a run, in its order; empty in records that do not say."""
    names = record.extra.get("class_names", [])
    return [of_task(group, names) for group in record.classes]


def joined_tasks(classes: Sequence[Sequence[int]], names: Sequence[str] = ()) -> str:
    """All tasks in a line, shortened where there are many.

    Args:
        classes: Numbers of the classes of each task.
        names: Of all classes; empty: they have none.

    Example:
        >>> joined_tasks([[0, 1], [2, 3]], ["ash", "beech", "cedar", "fir"])
        'ash beech | cedar fir'
        >>> joined_tasks([range(50), range(50, 100)])
        '0-49 | 50-99'
    """
    if len(classes) > 1 and len({tuple(sorted(group)) for group in classes}) == 1:
        return "all classes in each"
    parts = [of_task(group, names, MOST_NAMES, " ") for group in classes[:MOST_TASKS]]
    return " | ".join([*parts, "..."] if len(classes) > MOST_TASKS else parts)


def of_task(
    group: Sequence[int], names: Sequence[str] = (), most: int = 50, between: str = ", "
) -> str:
    """The classes of one task.

    Args:
        group: Their numbers.
        names: Of all classes; empty: they have none.
        most: Beyond, they are counted.
        between: Stands between them.

    Example:
        >>> of_task([3, 0, 1], ["ash", "beech", "cedar", "fir"])
        'fir, ash, beech'
    """
    if not names and len(group) > 2 and all(b == a + 1 for a, b in pairwise(group)):
        return f"{group[0]}-{group[-1]}"
    shown = [_short(names[n]) if names else str(n) for n in group[:most]]
    rest = len(group) - len(shown)
    return between.join(shown) + (f" ... ({rest} more)" if rest else "")


def _short(name: str) -> str:
    return name if len(name) <= MOST_LETTERS else f"{name[: MOST_LETTERS - 3]}..."
