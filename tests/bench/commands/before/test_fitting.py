"""A method that cannot work on a network is refused before a run begins."""

import pytest

from cgap_bench.commands.before.fitting import workable
from cgap_bench.commands.before.forecast import Forecast
from cgap_bench.errors import UsageError
from cgap_bench.learn.dataset import data_root
from cgap_bench.record.configuration import NetworkSettings
from cgap_bench.run.experiences import train
from cgap_bench.run.jobs import Job

SAID = (
    "{} cannot learn resnet18-reduced: it needs a plain chain of layers without groups, and"
    " layer {} lies inside another module; packnet, piggyback, supsup and wsn do not"
)


@pytest.fixture
def forecast():
    return Forecast(data_root(), lambda _job: None)


def on(config, name):
    network = NetworkSettings(name=name, width=0.1)
    return config.model_copy(update={"network": network})


@pytest.mark.parametrize("method", ["hat", "cpg"])
def test_methods_that_follow_units_refuse_a_residual_network(method, tiny, forecast):
    config = on(tiny(method, holdout_share=0.2), "resnet18-reduced")
    for refused in (
        lambda: workable([Job(config)], forecast),
        lambda: train(config, data_root()),
    ):
        with pytest.raises(UsageError) as caught:
            refused()
        assert str(caught.value) == SAID.format(method, "block1_1.conv1")


def test_others_and_chains_pass(tiny, forecast):
    jobs = [Job(on(tiny(method), "resnet18-reduced")) for method in ("packnet", "wsn", "fixed")]
    jobs += [Job(tiny(method)) for method in ("hat", "cpg")]
    assert workable(jobs, forecast) == jobs
