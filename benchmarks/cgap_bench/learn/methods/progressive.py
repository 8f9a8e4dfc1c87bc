"""Progressive networks: a full column for each task, with laterals from all its elders."""

from typing import Any

from avalanche.training.plugins import SupervisedPlugin
from pydantic import Field
from torch import nn

from cgap_bench.learn.batches import TensorStrategy
from cgap_bench.learn.context import Context
from cgap_bench.learn.method import METHODS, NEEDS_TASK, Method
from cgap_bench.record.configuration import Settings
from cgap_cl import Birth, PlasticNetwork
from cgap_cl.blocks.block import connect_all
from cgap_cl.change.optimizer_state import adopt


class ProgressiveSettings(Settings):
    """Rusu et al. 2016."""

    width: float = Field(1.0, gt=0)  # of each column, in units of the reference network


class ProgressivePlugin(SupervisedPlugin):  # type: ignore[misc]
    """Rusu et al. 2016 (progressive neural networks), equation 1, over a `PlasticNetwork`.

    h_i^k = f(W_i^k h_{i-1}^k + sum_j U_i^{k:j} h_{i-1}^j): every column has the same widths and
    reads all older ones in every layer but the first; what was learnt is frozen. Avalanche's
    own model is one of linear layers only. Without the paper's adapters (equation 2), which
    save parameters by a projection before each lateral.

    Args:
        network: The strategy's model.
        width: Of each column, in units of the reference network.
        n_classes: Outputs of each head.
    """

    STATE = ()  # all is the network's

    def __init__(self, network: PlasticNetwork, width: float, n_classes: int) -> None:
        super().__init__()
        self._network, self._width, self._n_classes = network, width, n_classes

    def before_train_dataset_adaptation(self, strategy: Any, **_: Any) -> None:
        """A column begins, before the optimizer is told of new parameters."""
        (label,) = strategy.experience.task_labels
        network = self._network
        widths = network.layout.scaled(self._width)
        column = network.sprout(label, self._n_classes, Birth(widths))
        for older in network.all_blocks()[: network.n_merged]:
            connect_all(column, older)
        network.to(strategy.device)

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """The optimizer holds the column alone; Avalanche leaves what is gone in it."""
        adopt(strategy.optimizer, self._network.named_live_parameters())
        strategy.optimized_param_id = dict(strategy.model.named_parameters())

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        """Its weights are frozen."""
        self._network.merge()


class ProgressiveLearner:
    """A progressive network in Avalanche's plain strategy."""

    STATE = ()

    def __init__(self, context: Context, settings: ProgressiveSettings) -> None:
        example = context.stream.example_input
        self.network = PlasticNetwork(context.network(), example, seed_ratio=settings.width)
        plugin = ProgressivePlugin(self.network, settings.width, context.n_outputs)
        self.strategy: TensorStrategy | None = context.strategy(self.network, [plugin])
        self.extra: dict[str, Any] = {}

    @property
    def history(self) -> list[dict[str, Any]]:
        """Columns come, nothing else."""
        return []

    def learn(self, experience: Any) -> None:
        """Train a column and freeze it."""
        assert self.strategy is not None
        self.strategy.train(experience)

    def network_for(self, task: int) -> nn.Module | None:
        """The task's column and all older ones, as far as it reads them."""
        return self.network.subnetwork(task)

    def stored_parameters(self) -> int:
        """All columns with their laterals and heads."""
        return self.network.stored_parameters()


METHODS.add(
    "pnn",
    Method(
        "progressive networks: a full column a task that reads all older ones",
        ProgressiveSettings,
        ProgressiveLearner,
        why_no_other=f"every task has a column of its own, {NEEDS_TASK}",
    ),
)
