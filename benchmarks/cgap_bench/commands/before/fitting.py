"""Whether methods can work on the networks of runs, told before any of them begins."""

from functools import partial

from cgap_bench.commands.before.forecast import Forecast
from cgap_bench.learn.method import METHODS, check_network
from cgap_bench.learn.network import build_network
from cgap_bench.run.jobs import Job


def workable(jobs: list[Job], forecast: Forecast) -> list[Job]:
    """The same jobs, where each method can work on its network.

    Raises:
        UsageError: A method cannot work on its network.
    """
    looked_at = set()
    for config in (job.config for job in jobs):
        key = (config.method, config.network)
        if METHODS[config.method].refuses is None or key in looked_at:
            continue
        looked_at.add(key)
        work = forecast.work(config)
        make = partial(build_network, config.network, work.input_shape, work.n_outputs)
        check_network(config, make)
    return jobs
