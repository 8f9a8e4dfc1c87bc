"""What `cgap-cl migrate` does: records of older schemas are rewritten in place."""

from pathlib import Path

from cgap_bench.errors import UsageError
from cgap_bench.record.migration import migrate


def migrate_text(folder: Path) -> str:
    """Rewrite the records of a results folder; a line on what was done.

    Raises:
        UsageError: The folder holds no records, or one of them cannot be read.
    """
    if not (folder / "runs").is_dir():
        raise UsageError(f"{folder} holds no records: there is no folder {folder / 'runs'}")
    names = migrate(folder)
    if not names:
        return f"every record of {folder} is of the present schema"
    n = f"{len(names)} record{'s' if len(names) > 1 else ''}"
    return f"{n} of {folder} rewritten; `cgap-cl report` renews the tables"
