"""What becomes of a run that cannot be finished."""

import signal

import pytest
import torch

from cgap_bench.errors import RunError, UsageError
from cgap_bench.run.executors import workers
from cgap_bench.run.keeper import Checkpoints, Keeper


@pytest.fixture
def keeper(tmp_path):
    return Keeper(Checkpoints(tmp_path), "0123456789ab")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 TB"),
    ],
)
def test_no_memory_names_the_experience_and_what_to_lower(error, keeper):
    told = workers._told(error, keeper)
    assert isinstance(told, RunError)
    for part in ("no memory left in experience 0", "training.batch_size", "network.width"):
        assert part in str(told)


def test_torch_says_it_in_these_words():
    """When it does not any more, the test above tests nothing."""
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50)
    assert workers._no_memory(caught.value)


def test_other_errors_keep_their_trace(keeper):
    told = workers._told(KeyError("somewhere"), keeper)
    assert type(told) is RuntimeError
    assert "KeyError: 'somewhere'" in str(told)


def test_errors_of_own_code_are_a_line_with_their_trace_beside_it(keeper):
    try:
        raise KeyError("somewhere")  # in this file, which is nobody's library
    except KeyError as error:
        told = workers._told(error, keeper)
    assert type(told) is UsageError
    assert "test_workers.py, line " in str(told)
    assert str(told).endswith(": KeyError: 'somewhere'")
    assert told.__notes__[0].startswith("Traceback")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-signal.SIGKILL, "ended by SIGKILL; is there enough memory?"),
        (-signal.SIGSEGV, "ended by SIGSEGV"),
        (143, "ended with code 143"),
    ],
)
def test_a_process_that_is_gone_is_told_by_what_ended_it(code, words):
    assert workers._cause(code) == f"its process was {words}".replace(
        "was ended with", "ended with"
    )


def test_of_a_stop_the_first_signal_counts(monkeypatch):
    from cgap_bench.commands.during.stopping import stoppable
    from cgap_bench.errors import Stop

    before = signal.getsignal(signal.SIGTERM)

    def stopped_twice():
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)  # changes nothing any more

    with pytest.raises(Stop) as caught, stoppable():
        stopped_twice()
    assert caught.value.number == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_that_is_ignored_stays_so():
    from cgap_bench.commands.during.stopping import stoppable

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stoppable():
            signal.raise_signal(signal.SIGHUP)  # would end the test, were it watched
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
