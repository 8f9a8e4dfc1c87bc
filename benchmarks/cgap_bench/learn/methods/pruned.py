"""Pruning alone: a dense network is trained, cut down to CGaP's size, and trained on."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import torch
import torch_pruning
from avalanche.training.plugins import SupervisedPlugin
from pydantic import Field
from torch import Tensor, nn

from cgap_bench.errors import UsageError
from cgap_bench.learn.context import Context
from cgap_bench.learn.method import METHODS, Method
from cgap_bench.learn.methods.own_networks import OWN_NETWORK, OwnNetworks
from cgap_bench.learn.multi_head import MultiHead
from cgap_bench.learn.sizes import Size, n_parameters
from cgap_bench.record.configuration import Settings
from cgap_bench.record.searches import Searched, Spacing
from cgap_bench.shapes.tracing import layer_shapes, total_macs

STEPS = 400  # in which Torch-Pruning would take out everything; its own benchmark's


class PrunedSettings(Settings):
    """When to cut, and where."""

    # of the epochs, before pruning
    dense_share: Annotated[float, Searched(0.2, 0.8, Spacing.LINEAR)] = Field(0.5, gt=0, lt=1)
    size: Size = Size.MACS  # that must be no larger than CGaP's
    across_layers: bool  # the worst units of all layers together, or the same share of each


class GroupNormSettings(PrunedSettings):
    """Of Torch-Pruning's own benchmark (Fang et al. 2023)."""

    across_layers: bool = True


class L1Settings(PrunedSettings):
    """Of Li et al. 2017."""

    across_layers: bool = False


class Prunable(MultiHead):
    """A network with heads that takes up the state of a narrower one, for runs that go on."""

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Layers become as wide as those in the state."""
        shaped_as(self, state_dict)
        return super().load_state_dict(state_dict, strict, assign)


class PruneOnce(SupervisedPlugin):  # type: ignore[misc]
    """Cuts the network before one epoch; the optimizer forgets what it held.

    Args:
        epoch: Epochs before it.
        cut: Cuts the network of a task in place.
    """

    STATE = ()  # all is the model's and the optimizer's

    def __init__(self, epoch: int, cut: Callable[[nn.Sequential], None]) -> None:
        super().__init__()
        self._epoch, self._cut = epoch, cut

    def before_training_epoch(self, strategy: Any, **_: Any) -> None:
        """Cut, if this is the epoch."""
        if strategy.clock.train_exp_epochs != self._epoch:
            return
        model, optimizer = strategy.model, strategy.optimizer
        (task,) = strategy.experience.task_labels
        self._cut(model.network_for(task))
        optimizer.state.clear()
        optimizer.param_groups[0]["params"] = list(model.parameters())
        strategy.optimized_param_id = dict(model.named_parameters())


class PrunedNetworks(OwnNetworks):
    """A dense network a task, trained, pruned, trained on, kept.

    One schedule of learning rates runs over all epochs, as for the other methods: the cut is
    while the rate is still high.

    Args:
        context: With CGaP's size.
        settings: When to cut, and where.
        importance: Scores a group of coupled units.

    Raises:
        UsageError: There are too few epochs for both parts.
    """

    def __init__(
        self, context: Context, settings: PrunedSettings, importance: Callable[[Any], Tensor]
    ) -> None:
        super().__init__(context)
        self._settings, self._importance = settings, importance
        self.history: list[dict[str, Any]] = []
        self.extra: dict[str, Any] = {}

        n = context.config.training.epochs
        self._n_dense = round(settings.dense_share * n)
        if not 0 < self._n_dense < n:
            raise UsageError(f"{n} epochs leave none before or after pruning: take more")

    def learn(self, experience: Any) -> None:
        """Train, prune and train on one network."""
        task = experience.current_experience
        model = Prunable(self._context.network(), [task])
        plugin = PruneOnce(self._n_dense, self._prune)
        self.strategy = self._context.strategy(model, [plugin])
        self.strategy.train(experience)

        network = model.network_for(task).requires_grad_(False)
        self._networks.append(network)
        widths = {
            name: len(module.weight)
            for name, module in network.named_modules()
            if isinstance(module, nn.Conv2d | nn.Linear)
        }
        self.history.append({"kind": "prune", "label": task, "widths": widths})

    def _prune(self, network: nn.Sequential) -> None:
        """Cut until it is no larger than CGaP's."""
        size, context = self._settings.size, self._context
        example = context.stream.example_input.to(context.device)

        def too_large() -> bool:
            if size is Size.PARAMETERS:
                return n_parameters(network) > context.target_stored
            assert context.target_macs is not None
            return total_macs(layer_shapes(network, example)) > context.target_macs

        prune_until(network, example, self._importance, self._settings.across_layers, too_large)

    def state_dict(self) -> dict[str, Any]:
        """All networks so far, and how wide each of their layers is."""
        return {
            "networks": [network.state_dict() for network in self._networks],
            "history": self.history,
        }

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Counterpart of `state_dict`; draws from the global generators."""
        self.history, self._networks = list(saved["history"]), []
        for task, values in enumerate(saved["networks"]):
            network = MultiHead(self._context.network(), [task]).network_for(task)
            shaped_as(network, values)
            self._networks.append(network.requires_grad_(False))


def shaped_as(network: nn.Module, values: Mapping[str, Tensor]) -> None:
    """Give every layer the values, and with them the widths, of a pruned network's layer."""
    for name, value in values.items():
        path, _, kind = name.rpartition(".")
        module = network.get_submodule(path)
        if kind in module._parameters:
            setattr(module, kind, nn.Parameter(value.clone()))
        else:
            setattr(module, kind, value.clone())
        if kind == "weight" and isinstance(module, nn.Conv2d):
            module.out_channels, module.in_channels = value.shape[:2]
        elif kind == "weight" and isinstance(module, nn.Linear):
            module.out_features, module.in_features = value.shape
        elif kind == "weight":
            setattr(module, "num_features", len(value))  # noqa: B010  of a batch norm


def prune_until(
    network: nn.Sequential,
    example: Tensor,
    importance: Callable[[Any], Tensor],
    across_layers: bool,
    too_large: Callable[[], bool],
) -> None:
    """Take out the least important units in small steps, in place.

    Args:
        network: Its last module is the head, whose classes stay.
        example: One input, (1, C, H, W).
        importance: Scores a group of coupled units.
        across_layers: Whether units of different layers are compared.
        too_large: Whether to go on.

    Raises:
        UsageError: Nothing more can be taken out.
    """
    was_training = network.training
    empty: dict[Any, Any] = {}  # its defaults are shared between pruners: pass every one
    with torch.enable_grad():  # its trace follows gradients
        pruner = torch_pruning.pruner.BasePruner(
            network,
            example,
            importance,
            global_pruning=across_layers,
            pruning_ratio=1.0,
            iterative_steps=STEPS,
            ignored_layers=[network[-1]],
            pruning_ratio_dict=dict(empty),
            in_channel_groups=dict(empty),
            out_channel_groups=dict(empty),
            num_heads=dict(empty),
            channel_groups=dict(empty),
        )
        for _ in range(STEPS):
            if not too_large():
                break
            pruner.step()
    network.train(was_training)
    if too_large():
        raise UsageError("pruning cannot reach CGaP's size: one unit a layer is still larger")


def _add(name: str, summary: str, settings: type[PrunedSettings], importance: Any) -> None:
    METHODS.add(
        name,
        Method(
            summary,
            settings,
            lambda context, own: PrunedNetworks(context, own, importance),
            sized_by_cgap=True,
            why_no_other=OWN_NETWORK,
        ),
    )


_add(
    "pruned",
    "the reference network trained, pruned by group norm to CGaP's size, trained on",
    GroupNormSettings,
    torch_pruning.importance.GroupMagnitudeImportance(p=2),
)
_add(
    "pruned-l1",
    "the same, the filters of the smallest magnitude in each layer pruned",
    L1Settings,
    torch_pruning.importance.MagnitudeImportance(p=1, group_reduction="first"),
)
