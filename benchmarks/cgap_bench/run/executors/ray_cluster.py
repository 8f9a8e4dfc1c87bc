"""Runs on a Ray cluster; data and results lie in folders that every node sees.

A run is one Ray task in a process of its own. What it has to say goes through an actor beside
the command that started it. Ray itself retries nothing: a run whose worker or node is lost is
begun again by `execute`, and goes on from its last checkpoint.
"""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cgap_bench.errors import RunError, UsageError
from cgap_bench.learn.telling.standing import Standing
from cgap_bench.run.checkpoints import code_hash
from cgap_bench.run.executors.interface import Outcome, Report
from cgap_bench.run.executors.workers import lived
from cgap_bench.run.jobs import Job
from cgap_bench.run.keeper import Checkpoints, Keeper
from cgap_bench.run.reference import Reference

POLL_S = 0.5
GRACE_S = 5.0  # from the wish that runs end to their end: the wish travels
RETRIES = 3  # nodes that are lent come and go
PATIENCE_S = 10.0  # for the head of a cluster to answer
ANY = "auto"  # a cluster that this machine belongs to


@dataclass(frozen=True)
class RayCluster:
    """An existing cluster, which is connected to at once.

    Args:
        address: Of its head, ``HOST:6379`` or ``ray://HOST:10001``.
        limit: Runs at a time; None: as many as it has room for.
        gpu_share: Of a GPU, for each run; 0: none.

    Raises:
        UsageError: Ray is not installed, there is no cluster, or it has no GPU to share.
    """

    address: str = ANY
    limit: int | None = None
    gpu_share: float = 0.0

    def __post_init__(self) -> None:
        if find_spec("ray") is None:
            raise UsageError("--executor ray needs ray: pip install 'cgap-cl[ray]'")
        import ray

        # else a task without a share would see no GPU only after a warning
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        if not ray.is_initialized():
            self._connect()
        # a run that wants what no node has would wait for ever
        if self.gpu_share and not ray.cluster_resources().get("GPU"):
            raise UsageError(f"--gpu-share {self.gpu_share}: no node of the cluster has a GPU")

    def _connect(self) -> None:
        import ray

        try:
            _reach(self.address)
            ray.init(address=self.address, log_to_driver=False, configure_logging=False)
        except (OSError, ValueError, RuntimeError) as error:
            raise UsageError(
                f"no Ray cluster at {self.address!r}: start one with `ray start --head` and"
                f" name it with --address ({str(error)[:200]})"
            ) from error

    @property
    def n_processes(self) -> int:
        """Runs that there is room for now, or as many as asked for."""
        if self.limit is not None:
            return self.limit
        import ray

        has = ray.cluster_resources()
        room = has.get("CPU", 0.0)
        if self.gpu_share:
            room = min(room, has.get("GPU", 0.0) / self.gpu_share)
        return max(1, int(room))

    def crew(self, report: Report) -> "RayCrew":
        """See `Executor`."""
        return RayCrew(self, report)


class RayCrew:
    """See `Crew`.

    Args:
        cluster: Connected.
        report: Called while runs are going on.
    """

    def __init__(self, cluster: RayCluster, report: Report) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        # soft, an actor that needs no resources may lie on any node, and be lost with it
        here = NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        mail = {"num_cpus": 0, "scheduling_strategy": here, "max_restarts": -1}
        self.retries = RETRIES
        self._ray, self._cluster, self._report = ray, cluster, report
        self._mail = ray.remote(**mail)(Mail).remote()
        # a process for each run, as on one machine: nothing is left over from the run before
        task = {"num_cpus": 1, "num_gpus": cluster.gpu_share, "max_retries": 0, "max_calls": 1}
        self._task = ray.remote(**task)(_live)
        self._busy: dict[Any, Job] = {}

    def __len__(self) -> int:
        return len(self._busy)

    @property
    def n_free(self) -> int:
        """How many can be started now; nodes may have come or gone."""
        return max(0, self._cluster.n_processes - len(self._busy))

    def start(
        self, job: Job, root: Path, reference: Reference | None, checkpoints: Checkpoints
    ) -> None:
        """Begin a run on any node that has room."""
        checkpoints = replace(checkpoints, output=checkpoints.output.resolve())
        task = self._task.remote(
            self._mail, code_hash(), job, root.resolve(), reference, checkpoints
        )
        self._busy[task] = job

    def ended(self) -> Iterator[tuple[Job, Outcome]]:
        """See `Crew`."""
        ready, _ = self._ray.wait(list(self._busy), num_returns=1, timeout=POLL_S)
        for run_id, what in self._letters():
            if any(job.run_id == run_id for job in self._busy.values()):
                self._report(run_id, what)
        for task in ready:
            job = self._busy.pop(task)
            yield job, self._outcome(task)

    def _letters(self) -> list[tuple[str, int | str | Standing]]:
        """What workers have said; without the actor runs go on all the same, unheard."""
        try:
            return list(self._ray.get(self._mail.taken.remote(), timeout=PATIENCE_S))
        except self._ray.exceptions.RayError:
            return []

    def _outcome(self, task: Any) -> Outcome:
        exceptions = self._ray.exceptions
        try:
            outcome: Outcome = self._ray.get(task)
        except exceptions.RayTaskError as error:  # what a run raises comes as an outcome
            hint = "is the same version of cgap-cl installed on every node?"
            return Outcome(error=RunError(f"a worker could not begin; {hint} {error}"))
        except exceptions.RayError as error:
            line = " ".join(str(error).split())[:200]
            return Outcome(error=RunError(f"its worker was lost ({line})"), died=True)
        return outcome

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """See `Crew`."""
        for force in (False, True):
            for task in self._busy:
                self._ray.cancel(task, force=force)
            if self._busy:
                tasks = list(self._busy)
                self._ray.wait(tasks, num_returns=len(tasks), timeout=GRACE_S)
        self._busy.clear()
        self._ray.kill(self._mail)


class Mail:
    """An actor: what workers say, until it is taken."""

    def __init__(self) -> None:
        self._letters: list[tuple[str, int | str | Standing]] = []

    def put(self, run_id: str, what: int | str | Standing) -> None:
        """Something of a run."""
        self._letters.append((run_id, what))

    def taken(self) -> list[tuple[str, int | str | Standing]]:
        """All since the last call."""
        letters, self._letters = self._letters, []
        return letters


def _reach(address: str) -> None:
    """Raises `OSError` where nobody listens: Ray would wait long, and end the process."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), PATIENCE_S).close()


def _live(
    mail: Any,
    code: str,
    job: Job,
    root: Path,
    reference: Reference | None,
    checkpoints: Checkpoints,
) -> Outcome:
    """The life of a worker process."""
    import ray

    if code != code_hash():
        text = "a node runs another version of cgap-cl; install the same one on all"
        return Outcome(error=UsageError(text))
    sent: list[Any] = []

    def tell(what: int | str | Standing) -> None:
        sent[:] = [mail.put.remote(job.run_id, what)]

    keeper = Keeper(checkpoints, job.run_id, tell)
    before = signal.signal(signal.SIGINT, lambda *_: keeper.end())  # Ray cancels with it
    try:
        outcome = lived(job, root, reference, keeper, tell)
    except SystemExit:
        outcome = Outcome(error=RunError("it was ended"))
    finally:
        signal.signal(signal.SIGINT, before)
    with suppress(ray.exceptions.RayError):  # the actor is gone: it is only not heard
        ray.get(sent, timeout=PATIENCE_S)  # nothing is said of a run after its outcome
    return outcome
