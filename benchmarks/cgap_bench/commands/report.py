"""What `cgap-cl report` does: records in, tables, figures and pages out."""

from pathlib import Path

from cgap_bench.errors import OutOfDateError
from cgap_bench.record.plain import printable
from cgap_bench.show.report import rebuild, stale


def report_text(board: str, output: Path) -> str:
    """Makes everything anew; the files written, one a line."""
    return "\n".join(printable(str(path)) for path in rebuild(board, output))


def check_text(board: str, output: Path) -> str:
    """Compares what there is with the records, and writes nothing.

    Raises:
        OutOfDateError: Something is not what the records say.
    """
    out_of_date = stale(board, output)
    if out_of_date:
        names = ", ".join(str(path) for path in out_of_date)
        raise OutOfDateError(
            f"not what the records say, or changed since the report: {names}; run `cgap-cl"
            " report`, or delete what no records are behind"
        )
    return "every generated number is what the records say"
