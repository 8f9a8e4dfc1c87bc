"""Loggers get each value once, however often the run is killed, and change no number."""

import csv
from importlib.util import find_spec

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cgap_bench.errors import UsageError
from cgap_bench.learn.dataset import data_root
from cgap_bench.record.identity import run_id
from cgap_bench.run.experiences import train
from cgap_bench.run.keeper import Checkpoints, Keeper
from cgap_bench.run.logs import run_log
from cgap_bench.run.logs.kinds import LogKind, log_kinds
from cgap_bench.run.logs.run_log import LogPlace, RunLog

N_EXPERIENCES, N_EPOCHS = 5, 2
FILES = ("training_results.csv", "eval_results.csv", "structure.csv")


class KilledError(Exception):
    """What ends a process in these tests."""


class Mortal(Keeper):
    """Lives for so many training batches, each of which can be gone on with."""

    lifetime = -1

    def before_batch(self, strategy):
        if self.lifetime == 0:
            raise KilledError
        self.lifetime -= 1
        if self.lifetime % 3 == 0:  # others are gone through again
            super().before_batch(strategy)


@pytest.fixture(scope="module")
def config(tiny):
    plain = tiny("cgap", epochs=N_EPOCHS)
    changes = {"n_experiences": N_EXPERIENCES, "n_train_per_class": 15}
    stream = plain.stream.model_copy(update=changes)
    return plain.model_copy(update={"stream": stream})


def _logged(config, output, kinds, lifetime=-1):
    """The record of a run, and how often it was killed before it was finished."""
    n_killed, identity = 0, run_id(config)
    while True:
        keeper = Mortal(Checkpoints(output, None if lifetime < 0 else 0.0), identity)
        keeper.lifetime = lifetime
        log = RunLog(lambda _what: None, config, identity, LogPlace(kinds, output))
        try:
            return train(config, data_root(), None, log, keeper), n_killed
        except KilledError:
            n_killed += 1
        finally:
            log.close()


@pytest.fixture(scope="module")
def undisturbed(config, tmp_path_factory):
    """Folder and record of a run that was left alone."""
    output = tmp_path_factory.mktemp("undisturbed")
    record, _ = _logged(config, output, [LogKind.CSV, LogKind.TENSORBOARD])
    return output, record


def _rows(output, name):
    (path,) = (output / "logs" / "csv").glob(f"*/{name}")
    return list(csv.DictReader(path.read_text().splitlines()))


def _scalars(output):
    (folder,) = (output / "logs" / "tensorboard").iterdir()
    events = EventAccumulator(str(folder)).Reload()
    return {
        name: [(event.step, event.value) for event in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }


def test_a_record_does_not_depend_on_loggers(undisturbed, config):
    _, record = undisturbed
    assert record == train(config, data_root())


def test_csv_files_hold_every_epoch_every_score_and_every_event(undisturbed):
    output, record = undisturbed
    epochs = [(int(r["training_exp"]), int(r["epoch"])) for r in _rows(output, FILES[0])]
    assert epochs == [(n, e) for n in range(N_EXPERIENCES) for e in range(N_EPOCHS)]

    scores = {(int(r["training_exp"]), int(r["eval_exp"])): r for r in _rows(output, FILES[1])}
    for n, row in enumerate(record.accuracy):
        for task in range(n + 1):
            accuracy = float(scores[n, task]["eval_accuracy"])
            assert accuracy == pytest.approx(row[task], abs=1e-4)
            assert float(scores[n, task]["forgetting"]) == 0
    assert len(scores) == N_EXPERIENCES * (N_EXPERIENCES + 1) / 2

    events = _rows(output, FILES[2])
    assert [e["event"] for e in events] == [e["kind"] for e in record.history]
    assert [float(e["price"]) for e in events] == [e["price"] for e in record.history]
    grown = next(e for e in record.history if e["kind"] == "grow")
    told = next(e for e in events if e["event"] == "grow")
    assert int(told["units"]) == sum(grown["changed"].values())
    images = [int(e["images"]) for e in events]
    assert images == sorted(images)
    assert images[0] == 0
    assert len(set(images)) > N_EXPERIENCES  # at their own batches, not all at one end


def test_tensorboard_shows_curves_events_and_prices(undisturbed):
    output, record = undisturbed
    scalars = _scalars(output)
    for n in range(N_EXPERIENCES):
        assert len(scalars[f"Loss_Epoch/train_phase/train_stream/Exp{n:03d}"]) == N_EPOCHS
        last = scalars[f"Top1_Acc_Exp/eval_phase/test_stream/Task{n:03d}/Exp{n:03d}"][-1][1]
        assert last == pytest.approx(record.accuracy[-1][n])
    prices = [v for name, curve in scalars.items() if "CGaP_Price" in name for _, v in curve]
    assert sorted(prices) == pytest.approx(sorted(e["price"] for e in record.history))
    assert scalars["Stored_Parameters"][-1][1] == record.stored_parameters[-1]


def test_a_run_that_is_killed_again_and_again_logs_nothing_twice(undisturbed, config, tmp_path):
    output, record = undisturbed
    again, n_killed = _logged(config, tmp_path, [LogKind.CSV, LogKind.TENSORBOARD], lifetime=4)
    assert n_killed > 3
    assert again == record
    for name in FILES:
        assert _rows(tmp_path, name) == _rows(output, name)
    assert _scalars(tmp_path) == _scalars(output)


def test_a_run_that_begins_anew_has_a_log_of_its_own(config, tmp_path):
    place = LogPlace([LogKind.CSV], tmp_path)
    for anew in (False, True):
        place = LogPlace([LogKind.CSV], tmp_path, anew)
        log = RunLog(print, config, "0123456789ab", place)
        log.epoch(_end(0), 95, [])
        log.close()
    assert len(_rows(tmp_path, FILES[0])) == 1


def _end(experience):
    from cgap_bench.learn.telling.standing import Standing

    return Standing(1, 1, 0.5, 0.9, experience=experience + 1, n_images=95, n_batches=6)


def test_a_logger_that_fails_is_left_out(config, tmp_path, monkeypatch):
    lines = []
    place = LogPlace([LogKind.CSV, LogKind.TENSORBOARD], tmp_path)
    log = RunLog(lines.append, config, "0123456789ab", place)

    def fail(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(run_log.open_sink.__globals__["CsvFiles"], "epoch", fail)
    log.epoch(_end(0), 95, [])
    log.epoch(_end(1), 190, [])
    log.close()
    assert lines == ["--log csv failed: No space left on device; the run goes on without"]
    assert len(_scalars(tmp_path)) == 4


def test_one_that_cannot_begin_is_told_before_the_run(config, tmp_path):
    (tmp_path / "logs").write_text("")
    with pytest.raises(UsageError, match="--log csv cannot begin"):
        RunLog(print, config, "0123456789ab", LogPlace([LogKind.CSV], tmp_path))


def test_unknown_and_missing_loggers_are_named(monkeypatch):
    with pytest.raises(UsageError, match=r"logger 'tensorbord'.*tensorboard"):
        log_kinds("csv,tensorbord")
    monkeypatch.setattr("cgap_bench.run.logs.kinds.find_spec", lambda _name: None)
    with pytest.raises(UsageError, match=r"pip install 'cgap-cl\[mlflow\]'"):
        log_kinds("mlflow")
    assert log_kinds("csv") == (LogKind.CSV,)
    assert log_kinds(None) == ()


# -- trackers that take seconds to begin -----------------------------------------------------


def _records_of(path):
    """Entries of an offline file of W&B: blocks of 32 KiB, 7 bytes before each piece."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, place, parts = path.read_bytes(), 7, b""
    while place + 7 < len(data):
        left = 2**15 - place % 2**15
        if left < 7:
            place += left
            continue
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        parts += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield Record.FromString(parts)
            parts = b""


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_weights_and_biases_offline(undisturbed, config, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    record, n_killed = _logged(config, tmp_path, [LogKind.WANDB], lifetime=12)
    assert n_killed > 0
    assert record == undisturbed[1]

    losses, prices, names = [], {}, set()
    for path in sorted(tmp_path.glob("logs/wandb/*/part-*/wandb/offline-run-*/*.wandb")):
        names.add(path.name)
        for entry in _records_of(path):
            for item in entry.history.item:
                name = item.key or item.nested_key[0]
                if name.startswith("Loss_Epoch"):
                    losses.append((name, float(item.value_json)))
                if name.startswith("CGaP_Price"):
                    prices.setdefault(name, []).append(float(item.value_json))
    assert len(names) == 1  # however many parts, of one run
    assert len(losses) == len(set(losses)) == N_EXPERIENCES * N_EPOCHS
    assert len({name for name, _ in losses}) == N_EXPERIENCES
    # of events at the same batch W&B keeps the last
    assert len(prices) == N_EXPERIENCES
    kept = {price for curve in prices.values() for price in curve}
    assert kept <= {event["price"] for event in record.history}
    merged = [event["price"] for event in record.history if event["kind"] == "merge"]
    assert [prices[name][-1] for name in sorted(prices)] == merged


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.skipif(find_spec("mlflow") is None, reason="mlflow is not installed")
def test_mlflow_in_a_database(undisturbed, config, tmp_path, monkeypatch):
    from mlflow import MlflowClient

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    record, n_killed = _logged(config, tmp_path, [LogKind.MLFLOW], lifetime=12)
    assert n_killed > 0
    assert record == undisturbed[1]

    client = MlflowClient(f"sqlite:///{tmp_path / 'logs' / 'mlflow' / 'mlflow.db'}")
    place = client.get_experiment_by_name("cgap-cl tiny").experiment_id
    (run,) = client.search_runs([place])
    assert run.info.status == "FINISHED"
    assert run.data.params["training.epochs"] == str(N_EPOCHS)
    for n in range(N_EXPERIENCES):
        name = f"Loss_Epoch/train_phase/train_stream/Exp{n:03d}"
        assert len(client.get_metric_history(run.info.run_id, name)) == N_EPOCHS
    prices = [
        metric.value
        for n in range(N_EXPERIENCES)
        for metric in client.get_metric_history(
            run.info.run_id, f"CGaP_Price/train_phase/Exp{n:03d}"
        )
    ]
    assert sorted(prices) == pytest.approx(sorted(e["price"] for e in record.history))
