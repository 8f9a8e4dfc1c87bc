"""What `cgap-cl parquet` does: records in, a partitioned Parquet dataset out."""

from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

from cgap_bench.errors import UsageError
from cgap_bench.record.files import write_file
from cgap_bench.record.plain import printable
from cgap_bench.record.record import Record
from cgap_bench.record.store import read_records
from cgap_bench.show.comparison import comparisons
from cgap_bench.show.derive import Platform
from cgap_hw import load_board

FOLDER = "parquet"  # below the results folder
PARTITIONS = ["benchmark", "preset"]


def parquet_text(board: str, output: Path) -> str:
    """Write ``parquet/runs`` and ``parquet/tasks``; the files, one a line.

    Args:
        board: Name or TOML file that inference is priced on.
        output: Results folder.

    Raises:
        UsageError: pyarrow is not installed, there are no records, or a file cannot be written.
    """
    if find_spec("pyarrow") is None:
        raise UsageError("Parquet needs pyarrow: pip install 'cgap-cl[parquet]'")
    known = comparisons(read_records(output), Platform(load_board(board)))
    if not known:
        raise UsageError(f"no records of finished runs under {output / 'runs'}")

    paths = []
    for one in known:
        spent = {record.run_id: _trained_s(record) for record in one.records}
        runs = one.runs.assign(train_s=one.runs["run_id"].map(spent))
        for name, frame in (("runs", runs), ("tasks", one.tasks)):
            place = output / FOLDER / name / f"benchmark={one.benchmark}/preset={one.preset}"
            buffer = BytesIO()
            frame.drop(columns=PARTITIONS, errors="ignore").to_parquet(buffer, index=False)
            part = "-".join(["part", *(version.fingerprint for version in one.versions)])
            paths.append(write_file(place / f"{part}.parquet", buffer.getvalue(), output))
    return "\n".join(printable(str(path)) for path in paths)


def _trained_s(record: Record) -> float:
    return float(sum(record.timings.get("train_s", [])))
