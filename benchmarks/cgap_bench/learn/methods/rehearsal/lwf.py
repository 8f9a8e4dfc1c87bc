"""Learning without forgetting: the outputs of old heads are kept on new images."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from avalanche.models import MultiTaskModule
from avalanche.training.plugins import SupervisedPlugin
from torch import Tensor, nn

from cgap_bench.learn.methods.rehearsal.memory import rows_by_class


class LearningWithoutForgetting(SupervisedPlugin):  # type: ignore[misc]
    """Li and Hoiem 2016 (LwF): distillation from the network of before the experience.

    The loss gets strength * T^2 * sum over old task labels of the cross-entropy between the
    softened outputs of teacher and network (equation 3), over the classes that were learnt
    under the label. Avalanche's plugin lacks the factor T^2, which keeps the size of the
    gradient, and leaves the teacher in training mode: batch norms of the teacher then go on
    moving and its dropout makes the targets noisy. Here the teacher is in eval mode.

    Args:
        strength: Of the distillation.
        temperature: T.
    """

    def __init__(self, strength: float = 1.0, temperature: float = 2.0) -> None:
        super().__init__()
        self.strength, self.temperature = strength, temperature
        self.teacher: nn.Module | None = None
        self.classes: dict[int, list[int]] = {}  # learnt so far, by task label

    def before_backward(self, strategy: Any, **_: Any) -> None:
        """Add the distillation."""
        if self.teacher is None:
            return
        with torch.no_grad():
            taught = all_outputs(self.teacher, strategy.mb_x)
        now = all_outputs(strategy.model, strategy.mb_x)
        for label, classes in self.classes.items():
            apart = distillation(now[label], taught[label], classes, self.temperature)
            strategy.loss = strategy.loss + self.strength * apart

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        """The network that was just trained becomes the teacher."""
        for label, target in rows_by_class(strategy.experience.dataset):
            learnt = set(self.classes.get(label, [])) | {target}
            self.classes[label] = sorted(learnt)
        self.teacher = copy.deepcopy(strategy.model).eval().requires_grad_(False)

    def state_dict(self) -> dict[str, Any]:
        """The teacher's weights, and what it has learnt."""
        teacher = None if self.teacher is None else self.teacher.state_dict()
        return {"teacher": teacher, "classes": dict(self.classes)}

    def load_state_dict(self, state: Mapping[str, Any], model: nn.Module | None = None) -> None:
        """The inverse of `state_dict`.

        Args:
            state: Made by it.
            model: Of the teacher's structure; copied.
        """
        self.classes = dict(state["classes"])
        if state["teacher"] is not None:
            assert model is not None
            self.teacher = copy.deepcopy(model).eval().requires_grad_(False)
            self.teacher.load_state_dict(state["teacher"])


def all_outputs(model: nn.Module, x: Tensor) -> dict[int, Tensor]:
    """Logits under every task label; a model without heads has the label 0."""
    if isinstance(model, MultiTaskModule):
        outputs: dict[int, Tensor] = model(x, None)
        return outputs
    return {0: model(x)}


def distillation(
    logits: Tensor, taught: Tensor, classes: list[int], temperature: float
) -> Tensor:
    """T^2 times the mean cross-entropy between softened outputs, a scalar.

    Args:
        logits: (N, C).
        taught: The teacher's, (N, C).
        classes: Those that count.
        temperature: T.
    """
    counted = torch.tensor(classes, device=logits.device)
    targets = (taught.index_select(1, counted) / temperature).softmax(1)
    log_likelihood = (logits.index_select(1, counted) / temperature).log_softmax(1)
    return -(temperature**2) * (targets * log_likelihood).sum(1).mean()
