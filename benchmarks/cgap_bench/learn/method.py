"""What a method is to the runner: a way to make a learner, and how a learner is spoken to."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from cgap_bench.errors import UsageError
from cgap_bench.learn.batches import TensorStrategy
from cgap_bench.learn.context import Context
from cgap_bench.learn.own.learners import check_learner
from cgap_bench.learn.own.mistakes import checked_call
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
        """What one inference of a task seen so far executes.

        Before anything is learnt, the untrained network, which forward transfer is measured
        from where one head answers for all tasks; None where there is none to ask yet.
        """

    def stored_parameters(self) -> int:
        """Parameters stored for all tasks learnt so far, heads included."""


TASK_ONLY = frozenset({Scenario.TASK})
NEEDS_TASK = "so it must be told which task an image is of"  # the end of most reasons
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
        why_no_other: Why it cannot run in the other scenarios, as the end of a sentence.
        refuses: Why it cannot work on a network, empty where it can; None: it can on any.
        board: From its settings, the board whose costs steer it; None where none does.
    """

    summary: str
    settings: type[Settings]
    build: Callable[[Context, Any], Learner]
    sized_by_cgap: bool = False
    scenarios: frozenset[Scenario] = TASK_ONLY
    board: Callable[[Any], str | None] = lambda _settings: None
    why_no_other: str = ""
    refuses: Callable[[nn.Module], str] | None = None


def _check(what: str, value: Any) -> None:
    """Raises `UsageError` where an entry of a user's own is no method."""
    if not isinstance(value, Method):
        raise UsageError(f"{what} is {value!r:.80}, not Method(summary, settings, build)")
    settings = value.settings
    if not (isinstance(settings, type) and issubclass(settings, Settings)):
        raise UsageError(
            f"{what}: its settings are {settings!r:.80}, not a subclass of Settings"
            " (NoSettings: there are none)"
        )
    checked_call(f"{what}: its build", value.build, "(context, settings)", None, None)
    if not isinstance(value.scenarios, frozenset | set) or not value.scenarios <= ANY_SCENARIO:
        known = ", ".join(sorted(ANY_SCENARIO))
        raise UsageError(f"{what}: its scenarios are {value.scenarios!r:.80}, not of {known}")


METHODS: Registry[Method] = Registry("method", "cgap_bench.learn.methods", _check)
"""The methods that can be compared: one module per family, each registers what it brings."""


def check_scenario(config: RunConfig) -> None:
    """Raises `UsageError` where the method cannot run in the scenario of its stream."""
    scenario, method = config.stream.scenario, METHODS[config.method]
    if scenario in method.scenarios:
        return
    able = [name for name in METHODS.names() if scenario in METHODS[name].scenarios]
    reason = f": {method.why_no_other}" if method.why_no_other else ""
    raise UsageError(
        f"{config.method} runs in scenario {', '.join(sorted(method.scenarios))}, not"
        f" {scenario}{reason}; in {scenario} there are {', '.join(able)}"
    )


def check_network(config: RunConfig, make: Callable[[], nn.Module]) -> None:
    """Raises `UsageError` where the method cannot work on the network of a run.

    Args:
        config: The run.
        make: Makes the network; the global generator stays where it is.
    """
    refuses = METHODS[config.method].refuses
    if refuses is None:
        return
    with torch.random.fork_rng(devices=[]):
        why_not = refuses(make())
    if why_not:
        raise UsageError(f"{config.method} cannot learn {config.network.name}: {why_not}")


def learner_of(context: Context) -> Learner:
    """The learner of a run.

    Raises:
        UsageError: It cannot work on the network, or a user's own builds something else.
    """
    config = context.config
    check_network(config, context.network)
    method = METHODS[config.method]
    settings = method.settings.model_validate(config.method_settings)
    learner = method.build(context, settings)
    check_learner(f"method {config.method}", learner, TensorStrategy)
    return learner
