"""The loggers of one run, made in its process."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from avalanche.logging import TensorboardLogger, WandBLogger

from cgap_bench.record.configuration import RunConfig
from cgap_bench.run.locks import locked
from cgap_bench.run.logs.kinds import LogKind
from cgap_bench.run.logs.mlflow_logger import MLflowLogger
from cgap_bench.run.logs.sinks import CsvFiles, Metrics, Sink

MLFLOW_PATIENCE_S = 120.0  # its database is made by one process at a time


def log_folder(output: Path, kind: LogKind, config: RunConfig, run_id: str) -> Path:
    """Where the log of one run lies, or what is remembered of it.

    Runs of all benchmarks lie side by side, under names that tell them apart in a viewer.
    """
    name = f"{config.benchmark}-{config.method}-seed-{config.seed}-{run_id}"
    return output / "logs" / kind / name


def open_sink(kind: LogKind, folder: Path, config: RunConfig, identity: str) -> Sink:
    """A logger of one run.

    Args:
        kind: Which.
        folder: Its own.
        config: The run.
        identity: Of the log, the same whenever it is gone on with.
    """
    return OPENERS[kind](folder, config, identity)


def _tensorboard(folder: Path, _config: RunConfig, _identity: str) -> Sink:
    logger = TensorboardLogger(folder)
    return Metrics(logger, logger.writer.flush, logger.writer.close)


def _csv(folder: Path, _config: RunConfig, _identity: str) -> Sink:
    return CsvFiles(folder)


def _wandb(folder: Path, config: RunConfig, identity: str) -> Sink:
    """Nothing leaves the machine unless `WANDB_MODE` says so: `wandb sync` sends it later."""
    from wandb import Settings

    mode = os.environ.get("WANDB_MODE", "offline")
    # parts of a run that was killed are joined by its identity; offline, when they are sent
    again = {} if mode == "offline" else {"resume": "allow"}
    # W&B names a part by its second: one that soon follows another would write over it
    part = folder / f"part-{len(list(folder.glob('part-*'))) + 1}"
    part.mkdir(parents=True)
    logger = _Numbers(
        project_name="cgap-cl",
        run_name=folder.name,
        save_code=False,
        config=config.model_dump(mode="json"),
        dir=str(part),
        params={"id": identity, "mode": mode, "settings": Settings(silent=True), **again},
    )
    return Metrics(logger, end=logger.wandb.finish)


class _Numbers(WandBLogger):  # type: ignore[misc]
    """Avalanche 0.6 asks every value whether it is a chart of a module that W&B has no more."""

    def log_single_metric(self, name: str, value: float, x_plot: int) -> None:
        """Numbers alone, which is what there is."""
        self.wandb.log({name: value}, step=x_plot)


def _mlflow(folder: Path, config: RunConfig, identity: str) -> Sink:
    """On the server of `MLFLOW_TRACKING_URI`, else in a database among the logs."""
    from mlflow import MlflowClient

    database = folder.parent / "mlflow.db"
    address = os.environ.get("MLFLOW_TRACKING_URI", f"sqlite:///{database.resolve()}")
    with locked(folder.parents[2], "mlflow", MLFLOW_PATIENCE_S):
        logger = MLflowLogger(
            MlflowClient(address),
            f"cgap-cl {config.benchmark}",
            folder.name,
            identity,
            _flat(config.model_dump(mode="json")),
        )
    return Metrics(logger, end=logger.close)


OPENERS: dict[LogKind, Callable[[Path, RunConfig, str], Sink]] = {
    LogKind.TENSORBOARD: _tensorboard,
    LogKind.CSV: _csv,
    LogKind.WANDB: _wandb,
    LogKind.MLFLOW: _mlflow,
}


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings of settings under names with dots."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        inner = isinstance(value, Mapping)
        flat |= _flat(value, f"{prefix}{name}.") if inner else {prefix + name: value}
    return flat
