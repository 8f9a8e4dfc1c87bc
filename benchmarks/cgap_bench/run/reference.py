"""What methods that are sized by a CGaP run need of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from cgap_bench.errors import UsageError
from cgap_bench.record.record import Record
from cgap_bench.shapes.tracing import total_macs


@dataclass(frozen=True)
class Reference:
    """The CGaP run that another run is sized by.

    Attributes:
        run_id: Its identity.
        macs: MACs of one inference after its last experience, mean over tasks.
        widths: Units per group that one inference of each task executes.
        stored: Parameters stored after its last experience; 0 where that is not known.
        peak: Largest price of a column while it was trained, of the reference network's; None
            where prices are not MACs.
        training_macs: Of all forward and backward passes; 0: its record is too old to say.
    """

    run_id: str
    macs: float
    widths: tuple[Mapping[str, int], ...] = ()
    stored: int = 0
    peak: float | None = None
    training_macs: int = 0


def reference_of(record: Record) -> Reference:
    """The reference that a finished CGaP run is.

    Raises:
        UsageError: Its history is not that of CGaP.
    """
    try:
        return _reference(record)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"run {record.run_id} is no run of CGaP to size others by: {error!r} in its history"
        ) from error


def _reference(record: Record) -> Reference:
    macs = [total_macs(record.networks[key]) for key in record.subnetworks[-1]]
    widths = tuple(step["executed"] for step in record.history if step["kind"] == "merge")
    reference = Reference(record.run_id, sum(macs) / len(macs), widths)
    return replace(
        reference,
        stored=record.stored_parameters[-1],
        training_macs=sum(record.training_macs),
        peak=_peak(record),
    )


def _peak(record: Record) -> float | None:
    """The largest price that training paid for an image."""
    if record.config.method_settings.get("price") != "macs":
        return None
    peak: float = max(step["price"] for step in record.history)
    return peak
