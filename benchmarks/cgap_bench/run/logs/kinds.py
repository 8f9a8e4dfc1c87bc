"""The loggers that `--log` knows; torch is not needed to look their names up."""

from enum import StrEnum
from importlib.util import find_spec

from cgap_bench.errors import UnknownNameError, UsageError


class LogKind(StrEnum):
    """A logger by its name in `--log`."""

    TENSORBOARD = "tensorboard"
    CSV = "csv"
    WANDB = "wandb"
    MLFLOW = "mlflow"


NEEDS = {kind: kind.value for kind in LogKind if kind is not LogKind.CSV}  # packages


def log_kinds(text: str | None) -> tuple[LogKind, ...]:
    """The loggers of a list with commas, each of which can be used here.

    Raises:
        UsageError: One is unknown, or its package is not installed.

    Example:
        >>> [kind.value for kind in log_kinds("csv, csv")]
        ['csv']
    """
    known = [kind.value for kind in LogKind]
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise UnknownNameError("logger", name, known)
    kinds = tuple(dict.fromkeys(map(LogKind, names)))
    for kind in kinds:
        if kind in NEEDS and find_spec(NEEDS[kind]) is None:
            raise UsageError(
                f"--log {kind} needs a package that is not installed here:"
                f" pip install 'cgap-cl[{kind}]'"
            )
    return kinds
