"""Runs on a Ray cluster: the same records, whatever is lost on the way."""

import importlib.util
import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from cgap_bench.cli import main
from cgap_bench.commands.run import Request
from cgap_bench.errors import UsageError
from cgap_bench.learn.dataset import data_root
from cgap_bench.record.store import read_records
from cgap_bench.run.checkpoints import CheckpointFiles
from cgap_bench.run.execution import Options, execute
from cgap_bench.run.executors import ray_cluster
from cgap_bench.run.executors.ray_cluster import Mail, RayCluster, RayCrew
from cgap_bench.run.experiences import train
from cgap_bench.run.jobs import jobs_of
from cgap_bench.run.recipe import load_recipe
from cgap_bench.run.resolver import resolve

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs ray: pip install 'cgap-cl[ray]'"
)
OBJECTS_BYTES = 100 * 2**20
BOUND_S = 300  # of a test: whatever is awaited in vain ends in an error, not in a hang


def call(*words):
    return CliRunner().invoke(main, ["run", "split-digits", *words])


def test_without_ray_a_line_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setattr(ray_cluster, "find_spec", lambda _name: None)
    result = call("--executor", "ray", "--output", str(tmp_path / "out"))
    assert result.exit_code == 2
    assert result.output == "Error: --executor ray needs ray: pip install 'cgap-cl[ray]'\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--executor", "rai"], "unknown executor 'rai'; did you mean 'ray'?"),
        (["--address", "head:6379"], "--address head:6379 is of a cluster: add --executor ray"),
        (["--gpu-share", "0.5"], "--gpu-share 0.5 is of a cluster: add --executor ray"),
    ],
)
def test_what_is_of_a_cluster_wants_one(words, message):
    result = call(*words)
    assert result.exit_code == 2
    assert message in result.output


def test_letters_are_taken_once():
    mail = Mail()
    mail.put("a", 3)
    mail.put("b", "line")
    assert mail.taken() == [("a", 3), ("b", "line")]
    assert mail.taken() == []


@pytest.fixture
def bounded():
    """Raises in whatever waits longer than the bound."""

    def too_long(*_):
        raise TimeoutError(f"more than {BOUND_S} s")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(BOUND_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def cluster(bounded):
    """A head that only directs, and two workers of one core each."""
    import ray
    from ray.cluster_utils import Cluster

    size = {"object_store_memory": OBJECTS_BYTES, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **size})
    nodes = [made.add_node(num_cpus=1, object_store_memory=OBJECTS_BYTES) for _ in range(2)]
    try:
        yield made, nodes
    finally:
        ray.shutdown()
        made.shutdown()


def todo():
    name, recipe = load_recipe("split-digits")
    sets = ["stream.n_train_per_class=60", "training.epochs=20"]
    config = resolve(name, recipe, "quick", sets).config
    return jobs_of(config, ["fixed", "ewc", "si"], [0])


def children(node):
    """Of the process that directs a node."""
    raylet = node.all_processes["raylet"][0].process.pid
    return Path(f"/proc/{raylet}/task/{raylet}/children").read_text().split()


def host(nodes, run):
    """The node of whoever holds the lock of a run, its checkpoints given; None: nobody does."""
    run_id, _ = run.name.split("-")
    lock = (run.parent / f"{run_id}.lock").resolve()
    for node in nodes:
        for pid in children(node):
            with suppress(OSError):  # it may be gone meanwhile
                if lock in [path.resolve() for path in Path(f"/proc/{pid}/fd").iterdir()]:
                    return node
    return None


def lose(cluster, node):
    """All of a node at once, as when its machine is gone."""
    pids = children(node)
    cluster.remove_node(node, allow_graceful=False)
    for pid in map(int, pids):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@needs_ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of Ray's own
def test_a_lost_worker_costs_nothing_but_time(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_cluster, "POLL_S", 0.1)  # the runs are short
    made, nodes = cluster
    jobs = todo()
    expected = {job.run_id: train(job.config, data_root()) for job in jobs}
    executor = RayCluster(made.address)
    assert executor.n_processes == 2
    options = Options(tmp_path, data_root(), executor=executor, checkpoint_minutes=0.001)
    lines, images, gone = [], [], []

    def watch(_run_id, what):
        (images if isinstance(what, int) else lines).append(what)
        begun = {path.parent for path in options.output.glob("unfinished/*/between-*.pt")}
        hosts = [] if gone else [node for run in begun if (node := host(nodes, run))]
        for node in hosts[:1]:
            gone.append(node)
            lose(made, node)

    assert {job.run_id: record for job, record in execute(jobs, options, watch)} == expected
    assert {record.run_id: record for record in read_records(tmp_path)} == expected
    assert gone
    said = [line for line in lines if isinstance(line, str)]
    assert any("its worker was lost" in line and "once more" in line for line in said), said
    assert any(line.startswith("goes on in experience") for line in said), said
    assert sum(images) > 0
    assert not list((tmp_path / "unfinished").iterdir())


@needs_ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_stop_keeps_what_was_trained(cluster, tmp_path):
    made, _ = cluster
    job, *_ = todo()
    options = Options(tmp_path, data_root(), executor=RayCluster(made.address, limit=1))
    stopped = KeyboardInterrupt()

    def stop(_run_id, what):
        raise stopped

    with pytest.raises(KeyboardInterrupt):
        list(execute([job], options, stop))
    between, inside = CheckpointFiles(tmp_path, job.run_id, pytest.fail).newest()
    assert between or inside


@needs_ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_errors_come_back_as_they_are(cluster, tmp_path, monkeypatch):
    made, _ = cluster
    job, *_ = todo()
    options = Options(tmp_path, tmp_path / "nothing", executor=RayCluster(made.address))
    broken = job.config.model_copy(
        update={"stream": job.config.stream.model_copy(update={"dataset": "cifar100"})}
    )
    with pytest.raises(UsageError, match="cifar"):
        list(execute([type(job)(broken)], options, lambda *_: None))
    monkeypatch.setattr(ray_cluster, "code_hash", lambda: "other")
    with pytest.raises(UsageError, match="a node runs another version of cgap-cl"):
        list(execute([job], options, lambda *_: None))
    with pytest.raises(UsageError, match=r"--gpu-share 0\.5: no node of the cluster has a GPU"):
        RayCluster(made.address, gpu_share=0.5)


@needs_ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_runs_go_on_when_nobody_hears_of_them(cluster, tmp_path, monkeypatch):
    """The actor that takes what workers say is killed again and again."""
    import ray

    made, _ = cluster
    job, *_ = todo()
    killed = []
    letters = RayCrew._letters

    def without(crew):
        got = letters(crew)
        if got:  # a run is under way
            ray.kill(crew._mail, no_restart=len(killed) > 1)
            killed.append(got)
        return got

    monkeypatch.setattr(RayCrew, "_letters", without)
    options = Options(tmp_path, data_root(), executor=RayCluster(made.address))
    ((_, record),) = execute([job], options, lambda *_: None)
    assert killed
    assert record == train(job.config, data_root())


@needs_ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_no_cluster_is_one_line():
    with pytest.raises(UsageError, match=r"no Ray cluster at '127.0.0.1:1': start one with"):
        RayCluster("127.0.0.1:1")


def test_the_request_makes_what_is_asked_for(monkeypatch):
    seen = []
    monkeypatch.setattr("cgap_bench.commands.run.RayCluster", lambda *what: seen.append(what))
    Request("split-digits", executor="ray", jobs=3, gpu_share=0.25).options()
    Request("split-digits", executor="ray", address="head:6379").options()
    assert seen == [("auto", 3, 0.25), ("head:6379", None, 0.0)]
    assert Request("split-digits", jobs=3).options().workers.n_processes == 3
