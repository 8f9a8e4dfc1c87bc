"""CGaPPlugin: Avalanche's hooks call the growth loop; no maths here.

Avalanche 0.6's training loop, with our calls in their places::

    strategy.train(experience)
      before_training
      before_train_dataset_adaptation        sprout the column of this experience
      train_dataset_adaptation, make_train_dataloader
      model_adaptation, make_optimizer       (Avalanche adds the column's parameters)
      before_training_exp                    the optimizer holds exactly the column; schedule the events
        per epoch, per mini-batch
          forward, loss, backward
          after_backward                     add up saliency
          optimizer step
          after_training_iteration           grow or prune, carry the optimizer's state
      after_training_exp                     outstanding pruning, merge
    strategy.eval(stream)                    changes nothing
"""

from __future__ import annotations

import warnings
from typing import Any

from avalanche.training.plugins import SupervisedPlugin

from cgap_cl import optimizer as state
from cgap_cl.config import CGaPConfig
from cgap_cl.growth import GrowthLoop
from cgap_cl.network import PlasticNetwork


class CGaPPlugin(SupervisedPlugin, supports_distributed=False):  # type: ignore[misc]
    """Grows, prunes and merges one column per experience inside any strategy that trains by SGD steps.

    Args:
        config: the method's settings; defaults if left out.

    Raises:
        TypeError: the strategy's model is no PlasticNetwork, or its optimizer cannot follow a growing network.
        ValueError: an experience mixes several task labels of its own.
    """

    def __init__(self, config: CGaPConfig | None = None) -> None:
        super().__init__()
        self.config = config or CGaPConfig()
        self.loop: GrowthLoop | None = None

    @property
    def history(self) -> list[dict[str, Any]]:
        """What happened to the structure, as plain values: sprout, grow, prune, merge."""
        return self.loop.history if self.loop else []

    def before_train_dataset_adaptation(self, strategy: Any, **_: Any) -> None:
        """Sprout the column."""
        if not isinstance(strategy.model, PlasticNetwork):
            raise TypeError(
                f"CGaPPlugin needs a PlasticNetwork as the model, not {type(strategy.model).__name__}"
            )
        state.check_supported(strategy.optimizer)
        if self.loop is None or self.loop.network is not strategy.model:
            self.loop = GrowthLoop(strategy.model, self.config)
        labels = sorted(set(strategy.experience.task_labels))
        if len(labels) != 1:
            raise ValueError(f"an experience must have one task label, this one has {labels}")
        self.loop.sprout(labels[0], max(strategy.experience.classes_in_this_experience) + 1)

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """Give the optimizer the column, nothing else, and fix the schedule."""
        assert self.loop is not None
        state.adopt(strategy.optimizer, self.loop.network.live_parameters())
        self._tell_avalanche(strategy)
        self.loop.start(strategy.train_epochs * len(strategy.dataloader))

    def after_backward(self, strategy: Any, **_: Any) -> None:  # noqa: ARG002
        """Add up saliency while gradients are there."""
        assert self.loop is not None
        self.loop.observe()

    def after_training_iteration(self, strategy: Any, **_: Any) -> None:
        """Grow or prune when it is time."""
        assert self.loop is not None
        if self.loop.advance(strategy.optimizer):
            self._tell_avalanche(strategy)

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        """Merge, after what pruning is still due."""
        assert self.loop is not None
        if self.loop.finish(strategy.optimizer):
            warnings.warn(
                "training ended before its schedule did: the outstanding pruning was done at once, without fine-tuning",
                stacklevel=2,
            )
        self._tell_avalanche(strategy)

    @staticmethod
    def _tell_avalanche(strategy: Any) -> None:
        """Avalanche maps optimizer entries by name; a stale map would enter changed parameters twice."""
        strategy.optimized_param_id = dict(strategy.model.named_parameters())
