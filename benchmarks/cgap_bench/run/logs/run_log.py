"""Hears of a run and gives each value to each logger once, however often it was killed."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cgap_bench.errors import UsageError
from cgap_bench.learn.telling.standing import Standing
from cgap_bench.record.configuration import RunConfig
from cgap_bench.run.checkpoints import binding
from cgap_bench.run.logs.kinds import LogKind
from cgap_bench.run.logs.ledger import Ledger
from cgap_bench.run.logs.listener import History, Pipe, Scores
from cgap_bench.run.logs.loggers import log_folder, open_sink
from cgap_bench.run.logs.sinks import Sink

IMAGES, EVENTS, EXPERIENCES = "images", "events", "experiences"  # what a ledger counts

Send = Callable[[int | str | Standing], None]
Give = Callable[["Log"], None]


@dataclass(frozen=True)
class LogPlace:
    """Which logs a run writes, and where.

    Attributes:
        kinds: The loggers.
        output: Folder that records go to; logs lie in `logs/` below it.
        anew: The run begins again whatever there was.
    """

    kinds: Sequence[LogKind]
    output: Path
    anew: bool = False


@dataclass(frozen=True)
class Log:
    """One logger at work, and what it has been given."""

    kind: LogKind
    ledger: Ledger
    sink: Sink


class RunLog(Pipe):
    """Gives the loggers of one run what they have not been given.

    A run that goes on goes through some epochs again. They come out the same to the last bit,
    so it is enough to count. A logger that fails is left out from then on: the run goes on.

    Args:
        send: Called with images, standings, and a line where a logger fails.
        config: The run.
        run_id: Its identity.
        place: Which logs, and where.

    Raises:
        UsageError: A logger cannot begin.
    """

    wants_means = True

    def __init__(self, send: Send, config: RunConfig, run_id: str, place: LogPlace) -> None:
        super().__init__(send)
        self._say, self._logs = send, list[Log]()
        for kind in place.kinds:
            folder = log_folder(place.output, kind, config, run_id)
            try:
                ledger = Ledger(folder, binding(run_id), place.anew)
                sink = open_sink(kind, folder, config, ledger.identity)
            except Exception as error:  # of another's code; no time has gone into the run yet
                raise UsageError(f"--log {kind} cannot begin: {error}") from error
            self._logs.append(Log(kind, ledger, sink))

    def epoch(self, where: Standing, n_images: int, history: History) -> None:
        """What was done to the structure, then the epoch's means."""

        def give(log: Log) -> None:
            begun = log.ledger.count(EVENTS)
            if log.ledger.reaches(EVENTS, len(history)):
                for event in history[begun:]:
                    then = where.images_at(event.get("iteration", 0), n_images)
                    log.sink.event(event, where.experience - 1, then)
            if log.ledger.reaches(IMAGES, n_images):
                log.sink.epoch(where, n_images)

        self._to_all(give)

    def experience(self, scores: Scores, n_images: int, history: History) -> None:
        """What was done last, and what was measured."""

        def give(log: Log) -> None:
            begun = log.ledger.count(EVENTS)
            if log.ledger.reaches(EVENTS, len(history)):
                for event in history[begun:]:
                    log.sink.event(event, scores.experience, n_images)
            if log.ledger.reaches(EXPERIENCES, scores.experience + 1):
                log.sink.scores(scores, n_images)

        self._to_all(give)

    def close(self) -> None:
        """The run is over, or its process ends."""
        self._to_all(lambda log: log.sink.close())

    def _to_all(self, give: Give) -> None:
        for log in list(self._logs):
            try:
                give(log)
            except Exception as error:  # of another's code: a server is gone, a disk is full
                self._logs.remove(log)
                with suppress(Exception):  # it has failed already
                    log.sink.close()
                self._say(f"--log {log.kind} failed: {error}; the run goes on without")
