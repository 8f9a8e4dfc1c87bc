"""Masked networks as methods: one dense network that every task reads through its mask."""

from collections.abc import Callable
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import nn

from cgap_bench.errors import UsageError
from cgap_bench.learn.batches import TensorLoader, TensorStrategy
from cgap_bench.learn.context import Context
from cgap_bench.learn.method import METHODS, NEEDS_TASK, Method
from cgap_bench.learn.methods.masks.cpg import CPG, CPGPlugin
from cgap_bench.learn.methods.masks.hat import HAT, HATPlugin
from cgap_bench.learn.methods.masks.packnet import PackNet, PackNetPlugin
from cgap_bench.learn.methods.masks.piggyback import FIRST_SCORE, THRESHOLD, Piggyback
from cgap_bench.learn.methods.masks.structured import is_chain, off_chain, structured
from cgap_bench.learn.methods.masks.supsup import SupSup
from cgap_bench.learn.methods.masks.task_network import PerChannel, TaskNetwork, TaskPlugin
from cgap_bench.learn.methods.masks.wsn import WSN
from cgap_bench.record.configuration import Settings
from cgap_bench.record.searches import Searched, Spacing
from cgap_bench.shapes.tracing import layer_shapes


class MaskSettings(Settings):
    """Of every masked network."""

    per_channel: PerChannel = PerChannel.OWN


class PackNetSettings(MaskSettings):
    """Mallya and Lazebnik 2018."""

    # None: an equal part for each task
    prune_ratio: Annotated[float | None, Searched(0.2, 0.9, Spacing.LINEAR)] = Field(
        None, ge=0, lt=1
    )
    prune_at: float = Field(0.5, gt=0, le=1)  # share of the epochs; the rest retrains


class PiggybackSettings(MaskSettings):
    """Mallya, Davis and Lazebnik 2018."""

    # score from which on a weight is used; all start at 0.01
    threshold: Annotated[float, Searched(5e-4, 9.5e-3)] = Field(THRESHOLD, gt=0, lt=FIRST_SCORE)


class DensitySettings(MaskSettings):
    """Of masks that hold a given share of the weights: Wortsman et al., Kang et al.

    What inference executes (dense) and the bits of a mask are the same at any density.
    """

    density: Annotated[float, Searched(0.05, 0.9)] = Field(0.5, gt=0, le=1)


class HATSettings(MaskSettings):
    """Serra et al. 2018; the values that its authors chose."""

    # of open gates, the paper's c
    price: Annotated[float, Searched(0.05, 5.0)] = Field(0.75, ge=0)
    # the paper's s_max
    largest_slope: Annotated[float, Searched(25.0, 800.0)] = Field(400.0, gt=1)


class CPGSettings(Settings):
    """Hung et al. 2019; held-out images where the authors look at the test set."""

    goal: float | None = Field(None, ge=0, le=1)  # held-out accuracy; None: it never grows
    largest_size: float = Field(1.5, ge=1)  # of the network, in units of the first
    # accuracy that cutting may cost
    tolerance: Annotated[float, Searched(0.002, 0.1)] = Field(0.01, ge=0)


class MaskedLearner:
    """A masked network in Avalanche's plain strategy.

    `network_for` is the dense network that inference executes, zeros included. What else it
    costs is in `extra`, one entry an experience: the bits of the masks so far, the share of
    weights other than zero in the network of its task, WSN's CAP, and, where the network is a
    plain chain, the layer shapes of the smaller dense network that is left without units that
    nothing reads.
    """

    STATE = ("extra",)

    def __init__(self, context: Context, model: TaskNetwork, plugin: TaskPlugin) -> None:
        self.model = model
        self.strategy: TensorStrategy | None = context.strategy(model, [plugin])
        self.extra: dict[str, Any] = {"mask_bits": [], "density": [], "structured": []}
        self._example = context.stream.example_input.to(context.device)

    @property
    def history(self) -> list[dict[str, Any]]:
        """Nothing happens to the structure."""
        return []

    def learn(self, experience: Any) -> None:
        """Train the task's part of the network, settle it and count what it costs."""
        assert self.strategy is not None
        self.strategy.train(experience)
        network = self.model.network_for(experience.current_experience).eval()
        self.extra["mask_bits"].append(self.model.mask_bits())
        self.extra["density"].append(density(network))
        if isinstance(self.model, WSN):
            self.extra.setdefault("capacity", []).append(self.model.capacity())
        if is_chain(network):
            shapes = layer_shapes(structured(network), self._example)
            self.extra["structured"].append(shapes)

    def network_for(self, task: int) -> nn.Module | None:
        """The dense network of a task."""
        return self.model.network_for(task)

    def stored_parameters(self) -> int:
        """All weights, and what each task learnt so far has of its own; masks not counted."""
        return self.model.stored_parameters()


class HeldOutAccuracy:
    """Accuracy on the images that are held out of a task's training."""

    def __init__(self, context: Context) -> None:
        self._heldout, self._source = context.stream.heldout, context.source
        self._batch_size = context.config.training.eval_batch_size

    @torch.no_grad()
    def __call__(self, model: nn.Module, task: int) -> float:
        """Share that is classified right; the model stays in the mode that it was in."""
        was_training, n_right = model.training, 0
        dataset = self._heldout[task]
        model.eval()
        for x, y, labels in TensorLoader(dataset, self._source, self._batch_size, train=False):
            n_right += int((model(x, labels).argmax(1) == y).sum())
        model.train(was_training)
        return n_right / len(dataset)


def density(network: nn.Module) -> float:
    """Share of the weights of convolutions and linears that are not zero."""
    dense = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    n = sum(int(weight.count_nonzero()) for weight in dense)
    return n / sum(weight.numel() for weight in dense)


ONE_MASK = f"every task reads the weights through a mask of its own, {NEEDS_TASK}"


def _no_chain(network: nn.Module) -> str:
    """Of methods that follow units from layer to layer."""
    first = off_chain(network)
    return first and (
        f"it needs a plain chain of layers without groups, and {first}; packnet, piggyback,"
        " supsup and wsn do not"
    )


def _add(
    name: str,
    summary: str,
    settings: type[MaskSettings],
    parts: Callable[[nn.Sequential, range, Any], tuple[TaskNetwork, TaskPlugin]],
    refuses: Callable[[nn.Module], str] | None = None,
) -> None:
    def build(context: Context, own: MaskSettings) -> MaskedLearner:
        tasks = range(context.stream.n_experiences)
        return MaskedLearner(context, *parts(context.network(), tasks, own))

    method = Method(summary, settings, build, why_no_other=ONE_MASK, refuses=refuses)
    METHODS.add(name, method)


_add(
    "packnet",
    "every task keeps its largest weights and frees the rest for later ones",
    PackNetSettings,
    lambda network, tasks, own: (
        PackNet(network, tasks, own.per_channel, own.prune_ratio),
        PackNetPlugin(own.prune_at),
    ),
)
_add(
    "piggyback",
    "the first task trains the weights, later ones train binary masks over them",
    PiggybackSettings,
    lambda network, tasks, own: (
        Piggyback(network, tasks, own.per_channel, own.threshold),
        TaskPlugin(),
    ),
)
_add(
    "supsup",
    "random weights that are never trained, one binary mask a task",
    DensitySettings,
    lambda network, tasks, own: (
        SupSup(network, tasks, own.per_channel, own.density),
        TaskPlugin(),
    ),
)
_add(
    "wsn",
    "weights and binary masks trained together; used weights are frozen",
    DensitySettings,
    lambda network, tasks, own: (
        WSN(network, tasks, own.per_channel, own.density),
        TaskPlugin(),
    ),
)
_add(
    "hat",
    "a trained gate for every unit and task protects what old tasks use",
    HATSettings,
    lambda network, tasks, own: (
        HAT(network, tasks, own.per_channel, own.largest_slope),
        HATPlugin(own.price),
    ),
    refuses=_no_chain,
)


def _cpg(context: Context, own: CPGSettings) -> MaskedLearner:
    """Judged on what is held out of training.

    Raises:
        UsageError: Nothing is.
    """
    if context.config.training.holdout_share == 0:
        raise UsageError("cpg chooses on held-out images: set training.holdout_share above 0")
    judge = HeldOutAccuracy(context)
    plugin = CPGPlugin(judge, own.goal, own.largest_size, tolerance=own.tolerance)
    model = CPG(context.network(), range(context.stream.n_experiences))
    return MaskedLearner(context, model, plugin)


METHODS.add(
    "cpg",
    Method(
        "tasks own weights, pick among old ones, widen the network",
        CPGSettings,
        _cpg,
        why_no_other=ONE_MASK,
        refuses=_no_chain,
    ),
)
