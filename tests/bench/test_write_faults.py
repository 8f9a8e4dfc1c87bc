"""Every call that writes fails once: no torn file, no run lost, the table is printed."""

import errno
import io
import json
import os
from types import SimpleNamespace

import pytest
from rich.console import Console

from cgap_bench.errors import RunError, UsageError
from cgap_bench.record.store import read_records, record_path, write_record
from cgap_bench.run.checkpoints import CheckpointFiles
from cgap_bench.run.executors import workers
from cgap_bench.run.keeper import Checkpoints, Keeper
from cgap_bench.show import report
from cgap_bench.show.charts import drawing

BOARD = "zcu102"
FAULTS = ("ENOSPC", "EIO", "short write")
CALLS = ("open", "write", "fsync", "replace", "mkdir")


class Faulty:
    """Calls of the operating system that write below a folder; the n-th of them fails.

    A short write takes half of what it is given, and all writes after it fail.
    """

    def __init__(self, monkeypatch, folder, n, fault):
        self.folder, self.n, self.fault = str(folder), n, fault
        self.count, self.handles, self.full = 0, set(), False
        for name in CALLS:
            monkeypatch.setattr(os, name, self._wrapped(name, getattr(os, name)))

    def _wrapped(self, name, real):
        def call(first, *rest, **named):
            if not self._ours(name, first, rest):
                return real(first, *rest, **named)
            self.count += 1
            if self.full and name == "write":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if self.count == self.n and self.fault != "short write":
                number = getattr(errno, self.fault)
                raise OSError(number, os.strerror(number))
            if self.count == self.n and name == "write":
                self.full = True
                return real(first, rest[0][: len(rest[0]) // 2])
            done = real(first, *rest, **named)
            if name == "open":
                self.handles.add(done)
            return done

        return call

    def _ours(self, name, first, rest):
        if isinstance(first, int):
            return first in self.handles
        writing = name != "open" or rest[0] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        return bool(writing) and str(first).startswith(self.folder)


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def out(tmp_path, some_records):
    folder = tmp_path / "results"
    for record in some_records:
        write_record(record, folder)
    return folder


@pytest.fixture
def quick_figures(monkeypatch):
    """Nothing is drawn: what is written is what it is about."""
    monkeypatch.setattr(drawing, "drawn", lambda chart, _: {"svg": chart.name.encode()})
    monkeypatch.setattr(report, "html_page", lambda *_: "<html></html>")


def through_all_calls(monkeypatch, folder, action, faults=FAULTS):
    """Do something again and again, another of its calls failing each time."""
    for fault in faults:
        n = 0
        while True:
            n += 1
            with monkeypatch.context() as patch:
                faulty = Faulty(patch, folder, n, fault)
                try:
                    action()
                except (UsageError, RunError) as error:
                    failed = str(error)
                    assert os.strerror(errno.EIO if fault == "EIO" else errno.ENOSPC) in failed
                else:
                    failed = ""
            yield failed
            if faulty.count < n:
                break
        assert n > 5


def whole(path, content):
    """Of what depends on which figures there are."""
    return path.name == "manifest.json" and set(json.loads(content)) == {
        "files",
        "figures",
        "pages",
    }


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("end of a run", "ENOSPC"),
        pytest.param("end of a run", "EIO", marks=pytest.mark.slow),
        pytest.param("end of a run", "short write", marks=pytest.mark.slow),
        *(pytest.param("report", fault, marks=pytest.mark.slow) for fault in FAULTS),
    ],
)
def test_reports(some_records, out, monkeypatch, quick_figures, kind, fault):
    (out.parent / "README.md").write_text("<!-- generated: table toy-standard --><!-- end -->")
    known = report._read(out, report.Platform(report.load_board(BOARD)))
    monkeypatch.setattr(report, "_read", lambda *_: known)
    printed = io.StringIO()

    def act():
        printed.truncate(0)
        if kind == "report":
            report.rebuild(BOARD, out)
        else:
            report.show(some_records, BOARD, out, Console(file=printed, width=160))

    act()
    new = contents(out.parent)
    old = {path: b"old" for path in new if "runs" not in path.parts}
    n_failed = 0
    for failed in through_all_calls(monkeypatch, out.parent, act, [fault]):
        n_failed += bool(failed)
        for path, content in contents(out.parent).items():
            assert content in (new.get(path), old.get(path)) or whole(path, content), path
        assert {path for path in contents(out.parent) if "runs" in path.parts} == {
            path for path in new if "runs" in path.parts
        }
        if kind != "report":
            assert "91.00 ± 2.48" in printed.getvalue()
        for path, content in old.items():
            path.write_bytes(
                content if path.suffix != ".md" or "tables" in path.parts else new[path]
            )
    assert n_failed > (2 if fault == "short write" else 15)  # of which few write


class Training:
    """Stands for a run in the middle of which a checkpoint is written."""

    n_images, data_digest, n_experiences, next_experience = 0, "0", 2, 1

    def __init__(self):
        self.results = SimpleNamespace(timings={})

    def count_images(self, n):
        pass

    def state_dict(self):
        return {"weights": [1.0, 2.0]}

    def load_state_dict(self, saved):
        assert saved == self.state_dict()


def test_runs(make_record, tmp_path, monkeypatch):
    other, mine = make_record("fixed"), make_record("ewc")
    write_record(other, tmp_path)
    job = SimpleNamespace(config=mine.config, run_id=mine.run_id)
    told = []

    def train(config, root, reference, listener, keeper, networks):
        keeper.take_up(Training())
        keeper.after_experience()
        return mine

    def act():
        keeper = Keeper(Checkpoints(tmp_path), mine.run_id, told.append)
        outcome = workers.work(job, tmp_path, None, keeper, told.append)
        assert outcome.record == mine

    monkeypatch.setattr(workers, "train", train)
    path = record_path(tmp_path, "toy", mine.run_id)
    n_failed = 0
    for failed in through_all_calls(monkeypatch, tmp_path, act):
        n_failed += bool(failed)
        lines = []
        found = list(read_records(tmp_path, tell=lines.append))
        assert lines == []  # none is torn
        assert other in found
        assert (mine in found) == (not failed)
        for left in CheckpointFiles(tmp_path, mine.run_id, lines.append).newest():
            assert left is None or left["run"] == Training().state_dict()
        path.unlink(missing_ok=True)
    assert n_failed > 5
    assert any("no checkpoint: No space left on device; the run goes on" in x for x in told)


def test_a_file_that_may_not_grow_is_left_as_it_was(make_record, tmp_path):
    """The kernel itself writes less than it is given, and then nothing."""
    import resource
    import signal

    record = make_record("ewc")
    path = write_record(record, tmp_path)
    whole = path.read_bytes()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) // 2, limit[1]))
    try:
        with pytest.raises(UsageError, match="File too large"):
            write_record(record.model_copy(update={"timings": {"total_s": 2.0}}), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, before)
    assert contents(tmp_path) == {path: whole}
