"""Whether the images of runs go to memory, told before any of them begins."""

from collections.abc import Iterator, Sequence

import torch

from cgap_bench.commands.before.forecast import Forecast
from cgap_bench.learn.images.memory import MemoryBudget, size_text
from cgap_bench.run.jobs import Job


def memory_notes(
    jobs: Sequence[Job], forecast: Forecast, budget: MemoryBudget
) -> Iterator[str]:
    """A line where images stay in files; a worker decides again where it runs.

    Raises:
        UsageError: The data are not there, or not even a few batches fit.
    """
    todo = [job.config for job in jobs if not forecast.is_finished(job)]
    for config in {one.stream.model_dump_json(): one for one in todo}.values():
        most, work = budget.on(torch.device(config.device)), forecast.work(config)
        if work.n_bytes <= most:
            continue
        yield (
            f"the images of {config.stream.dataset} take {size_text(work.n_bytes)}, more than"
            f" the memory budget of a run, {size_text(most)}: they are read from files as they"
            " are needed; no number depends on it"
        )
        return
