"""A lock of a run: one holder, given back when it ends, however that is."""

import multiprocessing
import os
import signal
import time

from cgap_bench.run.locks import locked

RUN = "0123456789ab"


def test_one_holder_at_a_time_and_no_file_left(tmp_path):
    with locked(tmp_path, RUN) as first:
        assert first
        with locked(tmp_path, RUN, patience_s=0) as second:
            assert not second
        with locked(tmp_path, "ba9876543210", patience_s=0) as other:
            assert other
        assert (tmp_path / "unfinished" / f"{RUN}.lock").exists()
    assert not list((tmp_path / "unfinished").iterdir())
    with locked(tmp_path, RUN, patience_s=0) as again:
        assert again


def test_a_file_that_a_killed_holder_left_locks_nothing(tmp_path):
    path = tmp_path / "unfinished" / f"{RUN}.lock"
    path.parent.mkdir()
    path.touch()
    with locked(tmp_path, RUN, patience_s=0) as ours:
        assert ours


def test_a_holder_that_is_about_to_end_is_waited_for(tmp_path):
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)

    def hold():
        with locked(tmp_path, RUN):
            theirs.send("locked")
            time.sleep(600)

    holder = context.Process(target=hold)
    holder.start()
    assert ours.recv() == "locked"
    os.kill(holder.pid, signal.SIGKILL)
    with locked(tmp_path, RUN) as ours_now:
        assert ours_now
    holder.join()
