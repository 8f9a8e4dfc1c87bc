"""What runs will take: from a probe, or from finished runs of their kind."""

from dataclasses import replace

import pytest

from cgap_bench.commands.before import forecast as forecast_module
from cgap_bench.commands.before.column_probe import ColumnCost, ColumnCosts
from cgap_bench.commands.before.forecast import INFERENCE, Forecast
from cgap_bench.commands.before.method_probe import Learnt, Training
from cgap_bench.commands.before.probe import Work, step_seconds
from cgap_bench.learn.dataset import data_root
from cgap_bench.learn.datasets.named import load_data
from cgap_bench.learn.images.memory import MemoryBudget
from cgap_bench.learn.images.resizing import ResizedImages
from cgap_bench.learn.images.stored import FileImages, JoinedImages, in_parts, kept_in
from cgap_bench.learn.streams import build
from cgap_bench.record.configuration import Cut
from cgap_bench.run.experiences import train
from cgap_bench.run.jobs import Job, jobs_of
from cgap_bench.run.logs.listener import Pipe
from cgap_bench.run.recipe import load_recipe, recipe_names
from cgap_bench.run.resolver import resolve


@pytest.fixture(scope="module")
def digits():
    name, recipe = load_recipe("split-digits")
    return resolve(name, recipe, "quick").config


def test_images_are_those_of_the_stream(digits):
    """Told before, counted by the run itself after."""
    config = digits("fixed", 0)
    config = config.model_copy(
        update={
            "training": config.training.model_copy(update={"epochs": 2}),
            "stream": config.stream.model_copy(update={"n_train_per_class": 10}),
        }
    )
    told = []
    record = train(config, data_root(), listener=Pipe(told.append))
    forecast = Forecast(data_root(), lambda _job: None)
    assert forecast.images(config) == sum(what for what in told if isinstance(what, int))
    scored = sum(n * (5 - task + 1) for task, n in enumerate(record.n_test))
    assert forecast.work(config).evaluated == scored


@pytest.fixture
def in_files(tmp_path, monkeypatch):
    """Digits are read from files as they are needed; all of them at once is an error."""

    def refuse(images):
        raise AssertionError(f"{type(images).__name__}: all images at once")

    def loaded(name, size, root):
        data = load_data(name, size, root)
        if isinstance(data.train_images, JoinedImages):
            return data
        pairs = [("train", data.train_images), ("test", data.test_images)]
        kept = [
            kept_in(tmp_path / f"{split}.u8", images.shape, in_parts(images))
            for split, images in pairs
        ]
        return replace(data, train_images=kept[0], test_images=kept[1])

    monkeypatch.setattr(build, "load_data", loaded)
    for kind in (FileImages, JoinedImages, ResizedImages):
        monkeypatch.setattr(kind, "tensor", refuse)


@pytest.mark.usefixtures("in_files")
@pytest.mark.parametrize(
    "stream",
    [{"size": 16}, {"dataset": "digits+digits", "n_experiences": 2, "cut": Cut.GROUPS}],
)
def test_images_beyond_the_budget_are_not_in_memory_for_the_plan_either(digits, stream):
    config = digits("fixed", 0)
    training = config.training.model_copy(update={"eval_batch_size": 64})
    stream_settings = config.stream.model_copy(update=stream)
    config = config.model_copy(update={"stream": stream_settings, "training": training})

    def forecast(n_bytes):
        return Forecast(data_root(), lambda _job: None, MemoryBudget(n_bytes))

    images = 2 * 1797 * 64 if "dataset" in stream else 1797 * 16**2
    assert forecast(images - 1).work(config).n_bytes == images
    with pytest.raises(AssertionError, match="all images at once"):
        forecast(images).work(config)


def lasting(seconds):
    """A training that takes as long in whatever many epochs."""
    return Training(Learnt(seconds, 1, 0.0, 1.0), None, 0.0)


def test_a_run_takes_its_training_and_its_evaluation(digits, monkeypatch):
    """Both are probed; a step of the bare network tells of evaluation."""
    monkeypatch.setattr(forecast_module, "step_seconds", lambda *_: (0.5, 1000))
    monkeypatch.setattr(forecast_module, "probed_training", lambda *_: lasting(70.0))
    (job,) = jobs_of(digits, ["fixed"], [0])
    forecast = Forecast(data_root(), lambda _job: None)
    evaluated = INFERENCE * forecast.work(job.config).evaluated
    image_s = 0.5 / job.config.training.batch_size
    assert forecast.seconds(job) == pytest.approx(70 + image_s * evaluated)
    assert forecast.disk_bytes([job], 2) == 20_000 + 4 * 8 * 1000


def test_a_method_is_probed_once_whatever_the_seed(digits, monkeypatch):
    """Again for other settings, and not at all where a step takes seconds."""
    probed = []

    def seconds(config, *_):
        probed.append(config.method)
        return lasting(70.0)

    monkeypatch.setattr(forecast_module, "probed_training", seconds)
    monkeypatch.setattr(forecast_module, "step_seconds", lambda *_: (0.5, 10**7))
    forecast = Forecast(data_root(), lambda _job: None)
    jobs = jobs_of(digits, ["fixed", "ewc"], [0, 1])
    other = jobs[-1].config.model_copy(update={"method_settings": {"strength": 7.0}})
    for job in [*jobs, Job(other)]:
        assert forecast.training_s(job) == 70
    assert probed == ["fixed", "ewc", "ewc"]

    monkeypatch.setattr(forecast_module, "step_seconds", lambda *_: (3.0, 10**7))
    assert Forecast(data_root(), lambda _job: None).training_s(jobs[0]) > 70
    assert probed == ["fixed", "ewc", "ewc"]


@pytest.mark.parametrize("method", ["cgap", "fixed", "ewc", "fixed-equal"])
def test_nothing_is_probed_again_for_other_epochs(method, monkeypatch):
    """The full preset may differ from the short one in them and in the learning rate."""
    name, recipe = load_recipe("split-digits")
    short, full = (
        jobs_of(resolve(name, recipe, "quick", settings).config, [method], [0])[-1]
        for settings in (
            ["training.epochs=3"],
            ["training.epochs=300", "training.lr=0.003", "training.min_lr=1e-6"],
        )
    )
    probed = []

    def counted(name):
        probe = getattr(forecast_module, name)

        def seen(*arguments):
            probed.append(name)
            return as_if.get(type(found := probe(*arguments)), found)

        monkeypatch.setattr(forecast_module, name, seen)

    # what is measured depends on what else the machine does: each epoch takes a second
    work = Forecast(data_root(), lambda _job: None).work(short.config)
    learnt = Learnt(seconds=2.0, n_epochs=2, epoch_s=1.0, macs=1.0)
    second = work.n_experiences * short.config.training.batch_size / work.trained
    column = ColumnCost(step_s=second, changes_s=1.0, parameters=1, widths={}, macs=1)
    as_if = {
        Training: Training(learnt, learnt, work.n_experiences - 1.0),
        ColumnCosts: ColumnCosts(column, column),
    }
    for name in ("step_seconds", "column_costs", "probed_training"):
        counted(name)
    forecast = Forecast(data_root(), lambda _job: None)
    changes_s = work.n_experiences if method == "cgap" else 0
    assert forecast.training_s(short) == pytest.approx(work.n_experiences * 3 + changes_s)
    n_short = len(probed)
    assert forecast.training_s(full) == pytest.approx(work.n_experiences * 300 + changes_s)
    again = ["probed_training"] if method == "fixed-equal" else []  # may spend what CGaP does
    assert n_short == len(set(probed)) > 0
    assert probed[n_short:] == again


def test_finished_runs_of_the_kind_are_believed_more(digits):
    jobs = jobs_of(digits, ["fixed"], [0, 1])
    config = jobs[0].config
    short = config.model_copy(
        update={"stream": config.stream.model_copy(update={"n_train_per_class": 10})}
    )
    record = train(short, data_root())
    spent = sum(record.timings["train_s"]) + sum(record.timings["evaluate_s"])
    forecast = Forecast(data_root(), lambda job: record if job is jobs[0] else None)
    assert forecast.seconds(jobs[0], jobs) == 0
    assert forecast.seconds(jobs[1], jobs) == pytest.approx(spent)
    assert forecast.seconds(jobs[1], jobs[1:]) != pytest.approx(spent)  # that job is not there


def test_ten_times_as_many_runs_are_not_gone_through_for_each_of_them(digits, monkeypatch):
    """Jobs that are looked at grow with their number, not with its square."""
    looked_at = []

    def counted(job):
        looked_at.append(job)
        return job.config.method, job.config.variant

    monkeypatch.setattr(forecast_module, "kind", counted)
    monkeypatch.setattr(forecast_module, "step_seconds", lambda *_: (0.5, 1000))
    counts = []
    for n in (10, 100):
        looked_at.clear()
        jobs = jobs_of(digits, ["fixed"], range(n))
        forecast = Forecast(data_root(), lambda _job: None)
        assert len({forecast.seconds(job, jobs) for job in jobs}) == 1
        counts.append(len(looked_at))
    assert counts[1] <= 10 * counts[0]


def test_a_narrower_network_is_probed_for_a_smaller_share(digits):
    config = digits("fixed", 0)
    work = Work(1, 1, (1, 8, 8), 2)
    whole, part = (step_seconds(config, work, share) for share in (1.0, 0.1))
    assert whole[0] > 0
    assert part[1] < 0.2 * whole[1]


@pytest.mark.parametrize("name", recipe_names())
def test_every_benchmark_has_a_short_default(name):
    """One seed, fewer images or experiences, and the name of what it is short for."""
    _, recipe = load_recipe(name)
    if name == "split-digits":  # minutes in all, on every machine
        return
    assert recipe.full_preset in recipe.presets
    assert recipe.default_preset != recipe.full_preset
    _, short = recipe.preset(None)
    assert short.seeds == "0"
    assert short.stream.get("n_train_per_class") or short.stream.get("first")
