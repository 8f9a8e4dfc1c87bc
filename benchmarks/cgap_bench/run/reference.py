"""What methods that are sized by a CGaP run need of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from cgap_bench.record.record import Record
from cgap_bench.shapes.tracing import total_macs


@dataclass(frozen=True)
class Reference:
    """The CGaP run that another run is sized by.

    Attributes:
        run_id: Its identity.
        macs: MACs of one inference after its last experience, mean over tasks.
        widths: Units per group that one inference of each task executes.
    """

    run_id: str
    macs: float
    widths: tuple[Mapping[str, int], ...] = ()


def reference_of(record: Record) -> Reference:
    """The reference that a finished CGaP run is."""
    macs = [total_macs(record.networks[key]) for key in record.subnetworks[-1]]
    widths = tuple(step["executed"] for step in record.history if step["kind"] == "merge")
    return Reference(record.run_id, sum(macs) / len(macs), widths)
