"""One network of fixed structure: fine-tuned, narrowed, or trained on all tasks at once."""

from collections.abc import Sequence
from typing import Any

from avalanche.training.plugins import SupervisedPlugin
from torch import nn

from cgap_bench.errors import UsageError
from cgap_bench.learn.budget import Budget, Budgeted, within
from cgap_bench.learn.context import Context
from cgap_bench.learn.method import ANY_SCENARIO, METHODS, Method, NoSettings
from cgap_bench.learn.methods.masks.shared_weights import SharedWeights
from cgap_bench.learn.methods.masks.task_network import TaskPlugin
from cgap_bench.learn.multi_head import MultiHead
from cgap_bench.learn.sizes import Size, n_parameters
from cgap_bench.learn.streams import joint_experience
from cgap_bench.record.configuration import Scenario, Settings


class SharedNetwork:
    """A backbone that every experience trains further, with one head per task.

    Args:
        context: What to work with.
        network: A chain whose last module is the model of the heads; None: the reference.
        plugins: What protects old tasks, if anything.
        rehearses: Batches hold old tasks, whose heads go on learning.
        own_channels: Each task has its own biases and batch norms.
    """

    STATE: tuple[str, ...] = ("extra", "_learnt")

    def __init__(
        self,
        context: Context,
        network: nn.Sequential | None = None,
        plugins: Sequence[SupervisedPlugin] = (),
        rehearses: bool = False,
        own_channels: bool = False,
    ) -> None:
        network = network or context.network()
        self.model: MultiHead | SharedWeights
        if own_channels:
            check_told(context)
            self.model = SharedWeights(network, context.heads)
            plugins = [*plugins, TaskPlugin()]
        else:
            self.model = MultiHead(network, context.heads, rehearses)
        self.strategy = context.strategy(self.model, plugins)
        self.extra: dict[str, Any] = {"width": 1.0}
        self._learnt: list[int] = []

    @property
    def history(self) -> list[dict[str, Any]]:
        """Nothing happens to the structure."""
        return []

    def learn(self, experience: Any) -> None:
        """Train backbone and head on one experience."""
        self.strategy.train(experience)
        self._learnt.extend(experience.task_labels)

    def network_for(self, task: int) -> nn.Module | None:
        """The whole backbone and the task's head."""
        return self.model.network_for(task)

    def stored_parameters(self) -> int:
        """Backbone and the heads trained so far, and what else tasks have of their own."""
        if isinstance(self.model, SharedWeights):
            return self.model.stored_parameters()
        heads = sum(n_parameters(self.model.heads[str(task)]) for task in set(self._learnt))
        return n_parameters(self.model.backbone) + heads


class FixedSettings(Settings):
    """Of plain fine-tuning."""

    own_channels: bool = False  # each task has its own biases and batch norms


class EqualSettings(Budgeted):
    """Of the reference network made narrow."""

    size: Size = Size.MACS


def check_told(context: Context) -> None:
    """Raises UsageError where tasks cannot have anything of their own: nobody names them."""
    scenario = context.config.stream.scenario
    if scenario is not Scenario.TASK:
        raise UsageError(f"own_channels needs to be told the task, which {scenario} is not")


class JointNetwork(SharedNetwork):
    """Waits for the last experience, then trains on the images of all."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._stream = context.stream

    def learn(self, experience: Any) -> None:
        """Nothing until the last experience."""
        if experience.current_experience == self._stream.n_experiences - 1:
            super().learn(joint_experience(self._stream))

    def network_for(self, task: int) -> nn.Module | None:
        """None before the last experience."""
        return super().network_for(task) if self._learnt else None

    def stored_parameters(self) -> int:
        """0 before the last experience."""
        return super().stored_parameters() if self._learnt else 0


def narrowed(context: Context, width: float, budget: Budget = Budget.EPOCHS) -> SharedNetwork:
    """The reference network times a width."""
    network = context.network(width)
    budgeted = within(context, budget, [network] * context.stream.n_experiences)
    learner = SharedNetwork(budgeted, network)
    learner.extra["width"] = width
    if budget is not Budget.EPOCHS:
        learner.extra["epochs"] = budgeted.config.training.epochs
    return learner


def _equal_width(context: Context, size: Size) -> float:
    """The width at which the reference network is as large as CGaP's."""
    if size is Size.PARAMETERS:
        return context.width_for_parameters(context.target_stored)
    return context.equal_width()


METHODS.add(
    "fixed",
    Method(
        "the reference network, plainly fine-tuned from task to task",
        FixedSettings,
        lambda context, own: SharedNetwork(context, own_channels=own.own_channels),
        scenarios=ANY_SCENARIO,
    ),
)
METHODS.add(
    "fixed-equal",
    Method(
        "the same, narrowed until one inference takes as many MACs as CGaP's",
        EqualSettings,
        lambda context, own: narrowed(context, _equal_width(context, own.size), own.budget),
        sized_by_cgap=True,
        scenarios=ANY_SCENARIO,
    ),
)
METHODS.add(
    "joint",
    Method(
        "the reference network trained on all tasks at once: it cannot forget",
        NoSettings,
        lambda context, _settings: JointNetwork(context),
        scenarios=ANY_SCENARIO,
    ),
)
