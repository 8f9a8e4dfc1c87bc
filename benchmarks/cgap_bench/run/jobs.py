"""Which runs there are to do, and what each of them waits for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from cgap_bench.errors import UsageError
from cgap_bench.learn.method import METHODS
from cgap_bench.record.configuration import REFERENCE_METHOD, RunConfig
from cgap_bench.record.identity import run_id


@dataclass(frozen=True)
class Job:
    """One run to do.

    Attributes:
        config: Its configuration.
        sized_by: The CGaP run that it is sized by, None where it needs none.
    """

    config: RunConfig
    sized_by: RunConfig | None = None

    @cached_property
    def run_id(self) -> str:
        """Identity of the run."""
        return run_id(self.config, self.waits_for)

    @cached_property
    def waits_for(self) -> str | None:
        """Identity of the run that must be finished before, if any."""
        return run_id(self.sized_by) if self.sized_by else None

    @property
    def name(self) -> str:
        """How it is called in messages."""
        variant = f" ({self.config.variant})" if self.config.variant else ""
        return f"{self.config.method}{variant}, seed {self.config.seed}"


def jobs_of(
    config_of: Callable[[str, int], RunConfig], methods: Sequence[str], seeds: Sequence[int]
) -> list[Job]:
    """All jobs, CGaP first; a CGaP run that others need is added if it was not asked for.

    Args:
        config_of: Method and seed -> configuration.
        methods: Names of methods.
        seeds: Seeds.
    """
    sized = [name for name in methods if METHODS[name].sized_by_cgap]
    plain = [name for name in methods if name not in sized]
    if sized and REFERENCE_METHOD not in plain:
        plain.insert(0, REFERENCE_METHOD)
    plain.sort(key=lambda name: name != REFERENCE_METHOD)

    ordered = [*plain, *sized]
    return [job_of(config_of(name, seed), config_of) for name in ordered for seed in seeds]


def method_names(text: str) -> list[str]:
    """Methods as a user writes them, with commas, each once.

    Raises:
        UsageError: There are none, or one is unknown.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise UsageError(f"no methods in {text!r}; known: {', '.join(METHODS.names())}")
    for name in names:
        METHODS[name]
    return list(dict.fromkeys(names))


def job_of(config: RunConfig, config_of: Callable[[str, int], RunConfig]) -> Job:
    """The job of one configuration, after the CGaP run of its seed if it is sized by that.

    Args:
        config: What to run.
        config_of: Method and seed -> configuration.
    """
    if not METHODS[config.method].sized_by_cgap:
        return Job(config)
    return Job(config, config_of(REFERENCE_METHOD, config.seed))


def with_references(jobs: Sequence[Job]) -> list[Job]:
    """The same after the CGaP runs that they are sized by, each once."""
    sizes = {job.waits_for: Job(job.sized_by) for job in jobs if job.sized_by}
    return [*sizes.values(), *(job for job in jobs if job.run_id not in sizes)]
