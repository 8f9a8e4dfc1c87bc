"""A shared network that rehearses old images, or its old outputs, beside the new ones."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from avalanche.training.plugins import SupervisedPlugin
from pydantic import Field
from torch import Tensor, nn

from cgap_bench.learn.batches import crop_and_flip
from cgap_bench.learn.context import Context
from cgap_bench.learn.method import ANY_SCENARIO, METHODS, TASK_ONLY, Method
from cgap_bench.learn.methods.fixed import SharedNetwork
from cgap_bench.learn.methods.rehearsal.gem import GEM, AveragedGEM
from cgap_bench.learn.methods.rehearsal.icarl import ICaRL
from cgap_bench.learn.methods.rehearsal.lwf import LearningWithoutForgetting
from cgap_bench.learn.methods.rehearsal.memory import BalancedMemory, Memory, Reservoir
from cgap_bench.learn.methods.rehearsal.replay import DarkExperience, Replay, SeenClasses
from cgap_bench.record.configuration import Augmentation, Settings
from cgap_bench.record.searches import Searched, Spacing


class MemorySettings(Settings):
    """Of every method that keeps images."""

    memory: int = Field(200, gt=0)  # images in all


class ReplaySettings(MemorySettings):
    """Experience replay from a memory balanced over classes."""

    batch: int | None = Field(None, gt=0)  # old images in a batch; None: as many as new ones


class DarkSettings(ReplaySettings):
    """DER++ (Buzzega et al. 2020)."""

    alpha: Annotated[float, Searched(0.05, 5.0)] = Field(0.5, ge=0)  # of old outputs
    beta: Annotated[float, Searched(0.05, 5.0)] = Field(0.5, ge=0)  # of old targets


class AveragedGEMSettings(MemorySettings):
    """A-GEM (Chaudhry et al. 2019)."""

    batch: int = Field(256, gt=0)  # old images to a gradient


class GEMSettings(MemorySettings):
    """GEM (Lopez-Paz and Ranzato 2017)."""

    # gamma
    margin: Annotated[float, Searched(0.0, 1.0, Spacing.LINEAR)] = Field(0.5, ge=0)


class LwFSettings(Settings):
    """LwF (Li and Hoiem 2016)."""

    # of the distillation, lambda_o
    strength: Annotated[float, Searched(0.1, 30.0)] = Field(1.0, ge=0)
    temperature: float = Field(2.0, gt=0)
    by_experiences: bool = False  # as van de Ven and Tolias weigh it


class RememberingNetwork(SharedNetwork):
    """A shared network beside a memory; `extra` says how many images are stored."""

    def __init__(
        self,
        context: Context,
        plugin: Any,
        rehearses: bool,
        plugins: Sequence[Any] = (),
        width: float = 1.0,
    ) -> None:
        super().__init__(context, context.network(width), [plugin, *plugins], rehearses)
        self._memory = plugin.memory
        self.extra["stored_images"] = []

    def learn(self, experience: Any) -> None:
        """Train on one experience beside what is remembered."""
        super().learn(experience)
        self.extra["stored_images"].append(len(self._memory))


class ExemplarNetwork(RememberingNetwork):
    """iCaRL: what inference executes is the backbone and a head of class means."""

    def __init__(self, context: Context, plugin: ICaRL) -> None:
        super().__init__(context, plugin, rehearses=True)
        self._plugin = plugin

    def network_for(self, task: int) -> nn.Module | None:
        """The backbone with the means of the task's exemplars as head; its own without any."""
        network = super().network_for(task)
        if network is None or self._plugin.memory.content is None:
            return network
        *body, head = network.children()
        means = self._plugin.means(self.model, task, head.out_features)  # type: ignore[arg-type]
        nearest = nn.Linear(means.shape[1], means.shape[0], bias=False, device=means.device)
        nearest.weight = nn.Parameter(means, requires_grad=False)
        return nn.Sequential(*body, nearest)


def _augment(context: Context, memory: Memory) -> Callable[[Tensor], Tensor] | None:
    """What training does to images, for old ones; padding is grey: they are normalised.

    With the memory's own random numbers: new images come in the same order in every method.
    """
    if context.config.training.augment is Augmentation.NONE:
        return None
    return lambda images: crop_and_flip(images, memory.generator)


def _balanced(context: Context, settings: MemorySettings) -> BalancedMemory:
    return BalancedMemory(settings.memory, context.config.seed)


def balanced_replay(context: Context, n_images: int, batch: int | None = None) -> Replay:
    """Replay from a memory balanced over classes.

    Args:
        context: The run's.
        n_images: Images in all.
        batch: Old images in a batch; None: as many as new ones.
    """
    memory = BalancedMemory(n_images, context.config.seed)
    return Replay(memory, batch, _augment(context, memory))


def _replay(context: Context, settings: ReplaySettings) -> SharedNetwork:
    plugin = balanced_replay(context, settings.memory, settings.batch)
    return RememberingNetwork(context, plugin, rehearses=True)


def _replay_equal(context: Context, settings: ReplaySettings) -> SharedNetwork:
    width = context.equal_width()
    plugin = balanced_replay(context, settings.memory, settings.batch)
    learner = RememberingNetwork(
        context, plugin, rehearses=True, plugins=[SeenClasses()], width=width
    )
    learner.extra["width"] = width
    return learner


def _dark(context: Context, settings: DarkSettings) -> SharedNetwork:
    memory = Reservoir(settings.memory, context.config.seed)
    plugin = DarkExperience(memory, settings.alpha, settings.beta, settings.batch)
    return RememberingNetwork(context, plugin, rehearses=True)


def _averaged_gem(context: Context, settings: AveragedGEMSettings) -> SharedNetwork:
    plugin = AveragedGEM(_balanced(context, settings), settings.batch)
    return RememberingNetwork(context, plugin, rehearses=False)


def _gem(context: Context, settings: GEMSettings) -> SharedNetwork:
    plugin = GEM(_balanced(context, settings), settings.margin)
    return RememberingNetwork(context, plugin, rehearses=False)


def _icarl(context: Context, settings: ReplaySettings) -> SharedNetwork:
    memory = _balanced(context, settings)
    augment = _augment(context, memory)
    features = lambda model, x: model.backbone(x)  # noqa: E731
    return ExemplarNetwork(context, ICaRL(memory, features, settings.batch, augment))


def _lwf(context: Context, settings: LwFSettings) -> SharedNetwork:
    plugin: SupervisedPlugin = LearningWithoutForgetting(
        settings.strength, settings.temperature, settings.by_experiences
    )
    return SharedNetwork(context, None, [plugin], rehearses=True)


def _add(
    name: str,
    summary: str,
    settings: type[Settings],
    build: Callable[[Context, Any], Any],
    sized: bool = False,
    reason: str = "",
) -> None:
    scenarios = ANY_SCENARIO - TASK_ONLY if sized else ANY_SCENARIO
    METHODS.add(name, Method(summary, settings, build, sized, scenarios, why_no_other=reason))


_add("replay", "every batch is joined by images from a memory", ReplaySettings, _replay)
_add(
    "replay-equal",
    "the same, narrowed to CGaP's MACs; its loss is over the classes seen so far",
    ReplaySettings,
    _replay_equal,
    sized=True,
    reason="its loss is over the classes one head has seen, and there each task has a head",
)
_add("der++", "old outputs and targets of a memory are learnt again", DarkSettings, _dark)
_add(
    "agem",
    "gradients may not hurt a memory on average",
    AveragedGEMSettings,
    _averaged_gem,
)
_add("gem", "gradients may not hurt the memory of any old task", GEMSettings, _gem)
_add("icarl", "exemplars, distillation, nearest class means", ReplaySettings, _icarl)
_add("lwf", "the outputs of old heads on new images are kept", LwFSettings, _lwf)
