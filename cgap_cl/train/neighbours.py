"""What cannot stand beside the plugin, told before training: what, why, what instead.

What can is in the card (``cgap_cl/README.md``, "Neighbours"); each row of both is a test.
"""

from __future__ import annotations

from typing import Any

import torch
from avalanche.training import DER, plugins
from torch import nn

from cgap_cl.network.plastic_network import PlasticNetwork

PENALTY = (
    "it holds learned weights where they were; CGaP freezes them, so it would do nothing: "
    "leave it out"
)
FEATURES = (
    "it reads features, or a gradient for every row, of one fixed network; CGaP runs one of "
    "its own for every task: use ReplayPlugin, AGEMPlugin, GEMPlugin, MIRPlugin or LwFPlugin"
)
ANOTHER = "it trains another network than the one whose column learns: leave it out"
REFUSED: dict[type[Any], str] = {
    plugins.EWCPlugin: PENALTY,
    plugins.MASPlugin: PENALTY,
    plugins.RWalkPlugin: PENALTY,
    plugins.SynapticIntelligencePlugin: PENALTY,
    plugins.BiCPlugin: FEATURES,
    plugins.CoPEPlugin: FEATURES,
    plugins.CWRStarPlugin: FEATURES,
    plugins.FeatureDistillationPlugin: FEATURES,
    plugins.GSS_greedyPlugin: FEATURES,
    plugins.LFLPlugin: FEATURES,
    plugins.RARPlugin: FEATURES,
    plugins.FromScratchTrainingPlugin: ANOTHER,
    plugins.GDumbPlugin: ANOTHER,
    plugins.GenerativeReplayPlugin: ANOTHER,
    DER: "it stores the logits of one head of fixed size: use Naive with ReplayPlugin",
}
MAC = "avalanche.evaluation.metrics.mac"


def check_strategy(strategy: Any) -> None:
    """Refuse what cannot work with the plugin.

    Raises:
        TypeError: the model is no PlasticNetwork, or a strategy, plugin or metric is refused.
    """
    _check_model(strategy.model)
    for neighbour in (strategy, *strategy.plugins):
        reason = next((why for kind, why in REFUSED.items() if isinstance(neighbour, kind)), "")
        if reason:
            raise TypeError(
                f"CGaPPlugin cannot run beside {type(neighbour).__name__}: {reason}"
            )

    metrics = getattr(strategy.evaluator, "metrics", ())
    if any(type(metric).__module__ == MAC for metric in metrics):
        raise TypeError(
            "CGaPPlugin cannot run beside MAC_metrics: they hook layers that evaluation does "
            "not run and call the model without task labels; read the metric CGaP_Price, or "
            "count network.subnetwork(task)"
        )


def _check_model(model: nn.Module) -> None:
    if isinstance(model, PlasticNetwork):
        return
    inside = any(isinstance(module, PlasticNetwork) for module in model.modules())
    hint = (
        " around one: a wrapper holds the structure that it was made with; give the strategy "
        "the PlasticNetwork itself, and compile, wrap or average network.subnetwork(task)"
        if inside
        else ""
    )
    raise TypeError(
        f"CGaPPlugin needs a PlasticNetwork as the model, not {type(model).__name__}{hint}"
    )


def check_training(strategy: Any, network: PlasticNetwork) -> None:
    """Refuse strategies that go round the column, once the training data is there.

    Raises:
        TypeError: another network is in the place of the one whose column learns.
        ValueError: the data holds rows of tasks, or classes, that were never experiences; or
            the loss takes in logits of classes that a head does not have.
    """
    if strategy.model is not network:
        raise TypeError(
            "another plugin has put a copy in the place of the network whose column learns; "
            "CGaP cannot be combined with it"
        )
    dataset = strategy.adapted_dataset
    labels = getattr(dataset, "targets_task_labels", None)
    if labels is None:
        return

    rows = torch.tensor([list(labels), list(dataset.targets)], dtype=torch.int64)
    pairs = {(int(label), int(k)) for label, k in rows.unique(dim=1).T}
    strangers = sorted({label for label, _ in pairs} - {*network.labels})
    if strangers:
        raise ValueError(
            f"the training data holds rows of tasks {strangers}, which were never "
            "experiences of their own; train on one experience after the other"
        )
    heads = {label: network.block(index).classes for label, index in network.labels.items()}
    unknown = sorted(k for label, k in pairs if k not in heads[label])
    if unknown:
        raise ValueError(
            f"the training data holds rows of classes {unknown}, which no experience so far "
            "had (JointTraining on several experiences?); train on one experience after the "
            "other, or make one of them all"
        )
    rehearsed = any(hasattr(plugin, "storage_policy") for plugin in strategy.plugins)
    together = heads if rehearsed else {label for label, _ in pairs}
    _check_criterion(strategy._criterion, {heads[label] for label in together})


def _check_criterion(criterion: Any, heads: set[tuple[int, ...]]) -> None:
    """Refuse losses that would see the logits that stand for classes a head does not have."""
    sizes = {len(classes) for classes in heads}
    if len(sizes) == 1 and all(classes == tuple(range(len(classes))) for classes in heads):
        return
    smooth = getattr(criterion, "label_smoothing", 0.0) > 0
    if smooth or isinstance(criterion, nn.MSELoss | nn.BCEWithLogitsLoss):
        what = "label smoothing" if smooth else type(criterion).__name__
        raise ValueError(
            f"{what} takes in logits of classes that a head does not have, which are -10,000: "
            "count the classes of each task from 0 and give all tasks as many (benchmarks of "
            "Avalanche: class_ids_from_zero_in_each_exp), or use plain cross-entropy"
        )
