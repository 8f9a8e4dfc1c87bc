"""Real processes, really killed: equal records, nothing left running, nothing left lying.

A sample in `make test`; all kinds of ends in `make test-all`; `make soak` raises CGAP_CL_KILLS
to 100.
"""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from cgap_bench.record.store import read_records

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="looks for processes in /proc"
)
slow = pytest.mark.slow  # minutes of processes that come and go
N_KILLS = int(os.environ.get("CGAP_CL_KILLS", "8"))
IMAGES = ["--set", "stream.n_train_per_class=60"] if N_KILLS < 100 else []
COMMAND = [
    *(sys.executable, "-m", "cgap_bench", "run", "split-digits", "--preset", "quick"),
    *("--methods", "cgap,ewc", "--jobs", "2", "--checkpoint-minutes", "0.005"),
]
SHORT = [  # runs of a second
    *("--methods", "cgap,fixed", "--set", "stream.n_train_per_class=10"),
    *("--set", "stream.n_experiences=2", "--checkpoint-minutes", "0.001"),
]
PATIENCE_S = 240  # machines may have other things to do


def allowed_s():
    """Two seconds on a machine that has nothing else to do."""
    return 2 * max(1.0, 3 * os.getloadavg()[0] / (os.cpu_count() or 1))


def _heed_signals():
    """What runs the tests may ignore some, as shells do in the background."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


class Session:
    """The command in a session of its own, as a terminal gives it one."""

    def __init__(self, output, *more):
        environment = os.environ | {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
        self.main = subprocess.Popen(
            [*COMMAND, *IMAGES, *more, "--output", str(output)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            start_new_session=True,
            preexec_fn=_heed_signals,  # noqa: PLW1509  no threads here
        )

    def processes(self):
        """Process -> parent, of all in the session that are not dead."""
        found = {}
        for entry in Path("/proc").iterdir():
            if not entry.name.isdecimal():
                continue
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended meanwhile
                continue
            state, parent, session = fields[0], int(fields[1]), int(fields[3])
            if session == self.main.pid and state not in "ZX":
                found[int(entry.name)] = parent
        return found

    def workers(self):
        """They are children of a server, which is a child of the main process."""
        processes = self.processes()
        return [pid for pid, parent in processes.items() if processes.get(parent) in processes]

    def wait(self, seconds):
        """Whether it ended meanwhile."""
        try:
            self.main.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def wait_for_workers(self, n=1):
        until = time.monotonic() + PATIENCE_S
        while len(workers := self.workers()) < n:
            assert self.main.poll() is None, self.main.stdout.read()
            assert time.monotonic() < until
            time.sleep(0.02)
        return workers

    def end(self):
        """What it printed, once nothing of it is left; fails if something stays."""
        text, _ = self.main.communicate(timeout=600)
        until = time.monotonic() + PATIENCE_S
        while self.processes():
            assert time.monotonic() < until, f"still running: {self.processes()}"
            time.sleep(0.02)
        return text


class Forked(Session):
    """The same command, of a server that has imported everything: its start costs no seconds.

    Its workers are forked as well.
    """

    PROGRAM = """
import multiprocessing, os, signal, sys
os.setsid()
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
log = os.open({log!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
os.dup2(log, 1)
os.dup2(log, 2)
from cgap_bench.run.executors import server, workers
from cgap_bench.show import report
report.show = lambda *_: None  # charts take seconds
workers.context = lambda: multiprocessing.get_context("fork")
server.begin = lambda: None
# the server of the real ones has no handlers of its own
os.register_at_fork(after_in_child=workers._heed_the_parent)
from cgap_bench.cli import main
main({arguments!r})
"""

    def __init__(self, output, *more):
        self.log = output.with_name(f"{output.name}-{time.monotonic_ns()}.log")
        arguments = [*COMMAND[3:], *SHORT, *more, "--output", str(output)]
        program = self.PROGRAM.format(log=str(self.log), arguments=arguments)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["cgap_bench.run.preload", "cgap_bench.show.report"])
        self.process = context.Process(target=exec, args=(program, {}))
        self.process.start()
        self.main = SimpleNamespace(
            pid=self.process.pid,
            kill=self.process.kill,
            terminate=self.process.terminate,
            send_signal=lambda number: os.kill(self.process.pid, number),
        )

    def workers(self):
        """They are children of the main process."""
        return [pid for pid, parent in self.processes().items() if parent == self.main.pid]

    def wait(self, seconds):
        self.process.join(seconds)
        return self.process.exitcode is not None

    def end(self):
        assert self.wait(PATIENCE_S)
        self.main.returncode = self.process.exitcode
        until = time.monotonic() + PATIENCE_S
        while self.processes():
            assert time.monotonic() < until, f"still running: {self.processes()}"
            time.sleep(0.02)
        return self.log.read_text() if self.log.exists() else ""


def kill_group(session):
    if session.processes():  # else it has not yet a group of its own, or none any more
        os.killpg(session.main.pid, signal.SIGKILL)


def kill_main(session):
    session.main.kill()


def terminate_main(session):
    session.main.terminate()


def interrupt_main(session):
    session.main.send_signal(signal.SIGINT)


def kill_worker(session):
    workers = session.workers()
    if workers:
        os.kill(random.choice(workers), signal.SIGKILL)


KILLS = (kill_group, kill_main, terminate_main, interrupt_main, kill_worker)


def records(output):
    return {record.run_id: record for record in read_records(output)}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    output = tmp_path_factory.mktemp("undisturbed")
    started = time.monotonic()
    session = Session(output)
    text = session.end()
    assert session.main.returncode == 0, text
    return records(output), time.monotonic() - started


def killed_at_random_points(kind, n_wanted, expected, duration_s, folder):
    """Kill runs so often; each must end in the expected records. The times it did."""
    points = random.Random(20)
    n_kills = n_equal = 0
    while n_kills < n_wanted:
        output = folder / str(n_kills)
        finished = False
        while not finished:
            session = kind(output)
            by_itself = session.wait(points.uniform(0, 0.7 * duration_s))
            if not by_itself:
                KILLS[n_kills % len(KILLS)](session)
                n_kills += 1
            text = session.end()
            finished = session.main.returncode == 0
            assert finished or not by_itself, text
            assert "Traceback" not in text or session.main.returncode in (-9, -15), text
        assert records(output) == expected
        assert not list((output / "unfinished").iterdir())
        n_equal += 1
    return n_kills, n_equal


def test_a_sample_of_kills_ends_in_equal_records(tmp_path):
    Forked(tmp_path / "first").end()  # its server imports everything
    started = time.monotonic()
    session = Forked(tmp_path / "undisturbed")
    text = session.end()
    assert session.main.returncode == 0, text
    expected = records(tmp_path / "undisturbed")
    assert len(expected) == 2
    duration_s = time.monotonic() - started
    n_kills, n_equal = killed_at_random_points(Forked, 8, expected, duration_s, tmp_path)
    assert n_kills >= 8
    assert n_equal >= 1


def readers(session):
    """Processes that read images are children of workers."""
    workers = session.workers()
    return [pid for pid, parent in session.processes().items() if parent in workers]


def test_processes_that_read_images_end_with_their_run(tmp_path):
    words = [
        *("--methods", "fixed", "--set", "training.epochs=20", "--set"),
        *("training.eval_batch_size=64", "--data-root", str(tmp_path / "data")),
        *("--set", "training.batch_size=4"),  # few batches are read without processes
    ]
    Forked(tmp_path / "memory", *words).end()
    ends = {
        "Ctrl-C": lambda session: os.killpg(session.main.pid, signal.SIGINT),
        "main": kill_main,
        "worker": lambda session: os.kill(session.workers()[0], signal.SIGKILL),
    }
    codes = {}
    for name, end in ends.items():
        session = Forked(tmp_path / "files", *words, "--memory-budget", "50KB")
        until = time.monotonic() + PATIENCE_S
        while not readers(session):
            assert time.monotonic() < until
            time.sleep(0.002)
        end(session)
        text = session.end()  # fails if something stays
        codes[name] = session.main.returncode
    assert codes == {"Ctrl-C": 130, "main": -signal.SIGKILL, "worker": 0}, text
    assert "it is tried once more" in text
    (expected,), (found,) = (records(tmp_path / name).values() for name in ("memory", "files"))
    assert found == expected
    assert found.environment["images"] == "in files"
    assert found.timings["checkpoints"]["resumed"] >= 1


@slow
def test_killed_at_random_points_it_ends_in_equal_records(undisturbed, tmp_path):
    n_kills, n_equal = killed_at_random_points(Session, N_KILLS, *undisturbed, tmp_path)
    print(f"{n_kills} kills, {n_equal} times equal records")
    assert n_kills >= N_KILLS
    assert n_equal >= 1


@slow
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=["SIGINT", "SIGTERM", "SIGHUP"],
)
def test_a_signal_to_the_main_process_alone_ends_all_and_says_what_is_kept(
    tmp_path, number, code
):
    session = Session(tmp_path)
    session.wait_for_workers()
    limit_s, sent = allowed_s(), time.monotonic()
    session.main.send_signal(number)
    session.main.wait()
    assert time.monotonic() - sent < limit_s
    text = session.end()
    assert session.main.returncode == code
    assert f"stopped by {number.name}: " in text
    assert "of 2 runs are finished and recorded" in text
    assert "Traceback" not in text


@slow
def test_a_stop_keeps_what_was_trained_since_the_last_checkpoint(tmp_path):
    """Without checkpoints inside an experience, but for the one on the way out."""
    session = Session(tmp_path, "--checkpoint-minutes", "0")
    session.wait_for_workers(2)
    until = time.monotonic() + PATIENCE_S
    while not list(tmp_path.glob("unfinished/*/between-*.pt")):
        assert time.monotonic() < until
        time.sleep(0.01)
    session.main.terminate()
    session.end()
    assert list(tmp_path.glob("unfinished/*/inside-*.pt"))
    text = Session(tmp_path).end()
    assert "goes on in experience" in text


@slow
def test_workers_end_when_the_main_process_is_killed(tmp_path):
    session = Session(tmp_path, "--set", "training.epochs=100000")  # not done by itself
    session.wait_for_workers(2)
    session.main.kill()
    try:
        session.end()
        assert not session.processes()
    finally:
        for pid in session.processes():
            os.kill(pid, signal.SIGKILL)


@slow
def test_a_dead_worker_costs_its_own_run_alone_and_is_tried_once_more(undisturbed, tmp_path):
    expected, _ = undisturbed
    session = Session(tmp_path)
    os.kill(session.wait_for_workers(2)[0], signal.SIGKILL)
    text = session.end()
    assert session.main.returncode == 0
    assert text.count("its process was ended by SIGKILL; is there enough memory?") == 1
    assert "it is tried once more" in text
    assert records(tmp_path) == expected


@slow
def test_two_processes_share_a_results_folder(undisturbed, tmp_path):
    """Each run is done once; what the other one does is skipped with a line."""
    expected, _ = undisturbed
    first = Session(tmp_path)
    first.wait_for_workers(2)
    second = Session(tmp_path)
    texts = [second.end(), first.end()]
    assert [s.main.returncode for s in (first, second)] == [0, 0], texts
    assert records(tmp_path) == expected
    trained = sum(text.count("checkpoints of up to") for text in texts)
    assert trained >= 2
    assert not list((tmp_path / "unfinished").iterdir())


ORPHAN = """
import multiprocessing, sys, time
from pathlib import Path
from types import SimpleNamespace
from cgap_bench.run.executors import workers
from cgap_bench.run.keeper import Checkpoints
workers.work = lambda *_: time.sleep(1000)  # says nothing, so that no broken pipe ends it
context = multiprocessing.get_context("fork")
ours, theirs = context.Pipe(duplex=False)
job = SimpleNamespace(run_id="0" * 12)
process = context.Process(
    target=workers._live, args=(theirs, None, job, Path(), None, Checkpoints(Path(sys.argv[1])))
)
process.start()
print(process.pid, flush=True)
time.sleep(1000)
"""


def _lives(process):
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def test_a_worker_that_says_nothing_ends_with_its_parent(tmp_path):
    command = [sys.executable, "-c", ORPHAN, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        worker = int(parent.stdout.readline())
        time.sleep(1)  # it is asleep
        parent.kill()
    until = time.monotonic() + 30 * allowed_s()
    while _lives(worker) and time.monotonic() < until:
        time.sleep(0.05)
    if _lives(worker):
        os.kill(worker, signal.SIGKILL)
        pytest.fail("it outlives its parent")


SIGNAL_IN_A_FORK = """
import multiprocessing, os, signal
from pathlib import Path
from types import SimpleNamespace
from cgap_bench.commands.during.stopping import stoppable
from cgap_bench.errors import Stop
from cgap_bench.run.executors import workers
workers.context = lambda: multiprocessing.get_context("fork")
workers._live = lambda *_: None
os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGTERM))
try:
    with stoppable(), workers.Crew(1, print) as crew:
        job = SimpleNamespace(config=SimpleNamespace(device="cpu"))
        crew.start(job, Path(), None, None)
    print("went on")
except Stop:
    print("stopped")
"""


def test_a_signal_while_a_worker_is_forked_is_not_lost():
    """What a handler raises inside a fork's hooks is swallowed by Python."""
    command = [sys.executable, "-c", SIGNAL_IN_A_FORK]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("stopped\n", "")
