"""The test split fills the accuracy matrix and is read for nothing else, by no method."""

import pytest

from cgap_bench.learn.method import METHODS
from cgap_bench.learn.streams import build_stream
from cgap_bench.learn.streams.store import ImageStore
from cgap_bench.record.configuration import RunConfig, Scenario, Split
from cgap_bench.run import stream
from cgap_bench.run.results import Results


class LockedError(Exception):
    """Test images were read outside of evaluation."""


class Locked(ImageStore):
    """Test images that only evaluation can read; whoever holds the store holds this one."""

    unlocked = False
    n_read = 0

    @property
    def images(self):
        if not Locked.unlocked:
            raise LockedError
        Locked.n_read += 1
        return vars(self)["images"]

    @images.setter
    def images(self, images):
        vars(self)["images"] = images


@pytest.fixture(autouse=True)
def locked(monkeypatch):
    """Streams whose test images are locked but while an accuracy is measured."""

    def built(*arguments):
        made = build_stream(*arguments)
        made.test.__class__ = Locked
        return made

    measure = Results._accuracy

    def unlocked(self, network, task):
        Locked.unlocked = self._context.stream.score_on is Split.TEST
        try:
            return measure(self, network, task)
        finally:
            Locked.unlocked = False

    monkeypatch.setattr(stream, "build_stream", built)
    monkeypatch.setattr(Results, "_accuracy", unlocked)
    monkeypatch.setattr(Locked, "n_read", 0)


def scored_on(config, split):
    content = config.model_dump(mode="json")
    content["stream"]["score_on"] = split
    return RunConfig.model_validate(content)


@pytest.mark.every_method
@pytest.mark.parametrize(
    ("name", "scenario"),
    [  # with one head, tasks to come are measured too
        (name, scenario)
        for name in METHODS.names()
        for scenario in sorted(METHODS[name].scenarios - {Scenario.CLASS})
    ],
)
@pytest.mark.parametrize("split", Split)
def test_nothing_but_evaluation_reads_test_images(split, name, scenario, tiny, run):
    """Runs that are scored on held-out images, as trials of a search are, read none at all."""
    record = run(scored_on(tiny(name, holdout_share=0.2, scenario=scenario), split))
    first = next(row[0] for row in record.accuracy if row[0] is not None)  # joint has one row
    assert first > 0  # later tasks may be held back by a stiff penalty
    assert (Locked.n_read > 0) == (split is Split.TEST)


def test_whoever_looks_is_caught(tiny, run, monkeypatch):
    def look(self, network):
        self._context.stream.benchmark.test_stream[0].dataset[0]

    monkeypatch.setattr(Results, "_trace", look)
    with pytest.raises(LockedError):
        run(tiny("fixed"))
