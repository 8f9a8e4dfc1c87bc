"""CGaPPlugin: Avalanche's hooks call the growth loop; no maths here.

Avalanche 0.6's training loop, with our calls in their places::

    strategy.train(experience)
      before_training                        refuse what cannot stand beside the plugin
      before_train_dataset_adaptation        sprout the column of this experience
      train_dataset_adaptation
      make_train_dataloader
      model_adaptation, make_optimizer       (Avalanche adds the column's parameters)
      before_training_exp
        per epoch
          before_training_epoch              the optimizer holds exactly the column; schedule
          per mini-batch
            forward, loss
            before_backward                  add the loss of recall where a label returned
            backward
            after_backward                   add up saliency
            optimizer step
            after_training_iteration         grow or prune, carry the optimizer's state, log
      after_training_exp                     outstanding pruning, merge
    strategy.eval(stream)
      before_eval_exp                        ask for a logit of every class of the experience
      after_eval_exp                         and no longer; nothing else changes
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from avalanche.evaluation.metric_results import MetricValue
from avalanche.training.plugins import LwFPlugin, SupervisedPlugin

from cgap_cl.change.optimizer_state import Places, adopt, check_supported
from cgap_cl.config import CGaPConfig
from cgap_cl.network.mixed import Unlabelled
from cgap_cl.network.plastic_network import PlasticNetwork
from cgap_cl.train.experience import classes_of, task_label_of
from cgap_cl.train.followers import check_followers, followers_in
from cgap_cl.train.growth import GrowthLoop
from cgap_cl.train.neighbours import check_strategy, check_training


class CGaPPlugin(SupervisedPlugin, supports_distributed=False):  # type: ignore[misc, call-arg]
    """Grows, prunes and merges one column per experience, in any strategy that takes SGD steps.

    After every structural change the evaluator gets the metrics ``CGaP_Price`` (share of the
    reference's) and ``CGaP_Parameters`` (everything stored), at the training iteration.

    Args:
        config: the method's settings; defaults if left out.

    Raises:
        TypeError: the strategy's model is no PlasticNetwork, its optimizer cannot follow, or
            something beside the plugin is refused (:mod:`cgap_cl.train.neighbours`).
        ValueError: an experience mixes several task labels of its own, or trains on rows of
            tasks or classes that were never one.

    >>> import torch
    >>> from avalanche.benchmarks import tensors_benchmark
    >>> from avalanche.training import Naive
    >>> x, y = torch.randn(32, 6), torch.arange(32) % 3
    >>> stream = tensors_benchmark(
    ...     train_tensors=[(x, y)], test_tensors=[(x, y)], task_labels=[0]
    ... ).train_stream
    >>> mlp = torch.nn.Sequential(
    ...     torch.nn.Linear(6, 20), torch.nn.ReLU(), torch.nn.Linear(20, 3)
    ... )
    >>> network = PlasticNetwork(mlp, x[:2])
    >>> plugin = CGaPPlugin(CGaPConfig(target_price=0.1))
    >>> optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    >>> strategy = Naive(
    ...     model=network, optimizer=optimizer, plugins=[plugin], evaluator=None,
    ...     train_epochs=10, train_mb_size=16,
    ... )
    >>> metrics = strategy.train(stream[0])
    >>> plugin.history[-1]["kind"], plugin.history[-1]["widths"]
    ('merge', {'0': 2})
    """

    def __init__(self, config: CGaPConfig | None = None) -> None:
        super().__init__()
        self.config = config or CGaPConfig()
        self.loop: GrowthLoop | None = None
        self._places = Places()
        self._scheduled = False
        self._resumed = False
        self._logged = 0

    @property
    def history(self) -> list[dict[str, Any]]:
        """What happened to the structure, as plain values: sprout, grow, prune, merge."""
        return self.loop.history if self.loop else []

    @property
    def _active(self) -> GrowthLoop:
        assert self.loop is not None, "the plugin has not seen an experience yet"
        return self.loop

    # -- hooks -------------------------------------------------------------------------------

    def before_training(self, strategy: Any, **_: Any) -> None:
        """Refuse what cannot stand beside the plugin, before others run into it."""
        check_strategy(strategy)

    def before_train_dataset_adaptation(self, strategy: Any, **_: Any) -> None:
        """Sprout the column."""
        check_supported(strategy.optimizer)
        if any(isinstance(plugin, LwFPlugin) for plugin in strategy.plugins):
            # LwF calls the model without labels
            strategy.model.unlabelled = Unlabelled.ALL_HEADS
        if self.loop is None or self.loop.network is not strategy.model:
            self.loop = GrowthLoop(strategy.model, self.config)
        known = set(strategy.model.labels)
        check_followers(strategy.plugins, self, strategy.experience, known)
        self.loop.followers = followers_in(strategy.plugins)

        label = task_label_of(strategy.experience, strategy.model.labels)
        column = self.loop.network.column
        if self._resumed and column is not None and column.label == label:
            self._resumed = False
            return

        self._scheduled = False
        self._places.learn(strategy.optimizer, strategy.model.named_parameters())
        self.loop.sprout(label, classes_of(strategy.experience))
        self._place_everything(strategy)

    def _place_everything(self, strategy: Any) -> None:
        """Spare Avalanche the choice among several parameter groups, which it cannot make.

        It wants all parameters, frozen ones too; :meth:`before_training_epoch` takes those out.
        """
        if len(strategy.optimizer.param_groups) > 1:
            named = list(strategy.model.named_parameters())
            places = self._places.of(named)
            adopt(strategy.optimizer, named, places)
            if strategy.optimized_param_id is not None:
                self._tell_avalanche(strategy)

    def before_training_epoch(self, strategy: Any, **_: Any) -> None:
        """Give the optimizer the column, nothing else; in the first epoch fix the schedule.

        Here, not earlier: other plugins may replace the data loader or restore a state before.
        """
        loop = self._active
        live = loop.network.named_live_parameters()
        adopt(strategy.optimizer, live, self._places.of(live))
        strategy.optimized_param_id |= dict(live)  # it knows the others
        if not self._scheduled:
            check_training(strategy, loop.network)
            loop.start(strategy.train_epochs * len(strategy.dataloader))
            self._log(strategy)
        self._scheduled = True

    def before_eval_exp(self, strategy: Any, **_: Any) -> None:
        """Give a logit to every class of the experience, unknown ones included."""
        if isinstance(strategy.model, PlasticNetwork):
            strategy.model.n_outputs = max(classes_of(strategy.experience)) + 1

    def after_eval_exp(self, strategy: Any, **_: Any) -> None:
        """Give the logits of the heads again, no more."""
        if isinstance(strategy.model, PlasticNetwork):
            strategy.model.n_outputs = 0

    def before_backward(self, strategy: Any, **_: Any) -> None:
        """Add what the label's last block says, where a label returned."""
        strategy.loss = self._active.taught(strategy.loss, len(strategy.mb_x))

    def after_backward(self, strategy: Any, **_: Any) -> None:
        """Add up saliency while gradients are there."""
        self._active.observe()

    def after_training_iteration(self, strategy: Any, **_: Any) -> None:
        """Grow or prune when it is time."""
        loop = self._active
        if loop.advance(strategy.optimizer):
            strategy.optimized_param_id |= dict(loop.network.named_live_parameters())
            self._log(strategy)

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        """Merge, after what pruning is still due."""
        if self._active.finish(strategy.optimizer):
            warnings.warn(
                "training ended before its schedule did: the outstanding pruning was done at "
                "once, without fine-tuning",
                stacklevel=2,
            )
        self._scheduled = self._resumed = False
        self._tell_avalanche(strategy)
        self._log(strategy)

    def _log(self, strategy: Any) -> None:
        """Hand what is new in the history to the evaluator."""
        history, network = self.history, self._active.network
        if len(history) == self._logged:
            return
        self._logged = len(history)
        values = {
            "CGaP_Price": history[-1]["price"],
            "CGaP_Parameters": network.stored_parameters(),
        }
        for name, value in values.items():
            full_name = f"{name}/train_phase/Task{history[-1]['label']:03d}"
            metric = MetricValue(self, full_name, value, strategy.clock.train_iterations)
            strategy.evaluator.publish_metric_value(metric)  # which hands it to its loggers

    @staticmethod
    def _tell_avalanche(strategy: Any) -> None:
        """Avalanche maps parameters by name; a stale map would enter changed ones twice."""
        strategy.optimized_param_id = dict(strategy.model.named_parameters())

    # -- checkpoints -------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values: loads with ``torch.load(..., weights_only=True)``."""
        loop = None if self.loop is None else self.loop.state_dict()
        return {"loop": loop, "scheduled": self._scheduled}

    def load_state_dict(self, saved: Mapping[str, Any], network: PlasticNetwork) -> None:
        """Continue from :meth:`state_dict`, inside an experience too.

        Load the network first, then the optimizer (made from ``network.live_parameters()``),
        then this. The next experience with the unfinished column's label continues it.

        Args:
            saved: what :meth:`state_dict` gave.
            network: the model, its own state loaded.
        """
        if saved["loop"] is None:
            self.loop = None
            return
        if self.loop is None or self.loop.network is not network:
            self.loop = GrowthLoop(network, self.config)
        self.loop.load_state_dict(saved["loop"])
        self._resumed = network.column is not None
        self._scheduled = saved["scheduled"]
        self._logged = len(self.loop.history)
