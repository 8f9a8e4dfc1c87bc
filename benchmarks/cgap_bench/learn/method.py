"""What a method is to the runner: a way to make a learner, and how a learner is spoken to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from torch import nn

from cgap_bench.errors import UsageError
from cgap_bench.learn.batches import TensorStrategy
from cgap_bench.learn.context import Context
from cgap_bench.record.configuration import RunConfig, Scenario, Settings
from cgap_bench.registry import Registry


class Learner(Protocol):
    """A method at work on one stream.

    A run goes on where it was killed, in the middle of an experience too, if the learner says
    what changes of it from experience to experience (`STATE`, or `state_dict` and
    `load_state_dict`: see `learn/state.py`), and each plugin of its strategy what changes in
    training. Model, optimizer, loader and generators are taken care of.

    Attributes:
        extra: Plain facts for the record, for instance the width that it chose.
    """

    extra: dict[str, Any]

    @property
    def strategy(self) -> TensorStrategy | None:
        """Avalanche's loop in which it learns or last learnt: model, optimizer, plugins, place.

        None before the first experience where each experience has a loop of its own.
        """

    @property
    def history(self) -> list[dict[str, Any]]:
        """What was done to the structure, in order."""

    def learn(self, experience: Any) -> None:
        """Train on one experience of Avalanche."""

    def network_for(self, task: int) -> nn.Module | None:
        """What one inference of a task seen so far executes; None before anything is learnt."""

    def stored_parameters(self) -> int:
        """Parameters stored for all tasks learnt so far, heads included."""


TASK_ONLY = frozenset({Scenario.TASK})
ANY_SCENARIO = frozenset(Scenario)  # of a method whose network may serve with a single head


class NoSettings(Settings):
    """Of a method that has nothing to set."""


@dataclass(frozen=True)
class Method:
    """One entry of the registry.

    Attributes:
        summary: One line for `cgap-cl list methods`.
        settings: The method's own configuration.
        build: Makes the learner.
        sized_by_cgap: Whether it runs after the CGaP run of the same seed and takes its MACs.
        scenarios: Those that it can run in; most need to be told the task.
        board: From its settings, the board whose costs steer it; None where none does.
    """

    summary: str
    settings: type[Settings]
    build: Callable[[Context, Any], Learner]
    sized_by_cgap: bool = False
    scenarios: frozenset[Scenario] = TASK_ONLY
    board: Callable[[Any], str | None] = lambda _settings: None


METHODS: Registry[Method] = Registry("method", package="cgap_bench.learn.methods")
"""The methods that can be compared: one module per family, each registers what it brings."""


def check_scenario(config: RunConfig) -> None:
    """Raises `UsageError` where the method cannot run in the scenario of its stream."""
    scenario, known = config.stream.scenario, METHODS[config.method].scenarios
    if scenario not in known:
        able = [name for name in METHODS.names() if scenario in METHODS[name].scenarios]
        raise UsageError(
            f"{config.method} runs in scenario {', '.join(sorted(known))}, not {scenario}:"
            f" it needs to be told the task; {', '.join(able)} do not"
        )
