"""Learning without forgetting: the outputs of old heads are kept on new images."""

import copy
from collections.abc import Mapping, Sequence
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
        by_experiences: The rule of van de Ven and Tolias 2019 (arXiv 1904.07734, section 4.2;
            public code), whose total is L / N + (1 - 1 / N) * distillation at the N-th
            experience. The distillation, a mean over the old labels, gets N - 1 times the
            strength here, which is the same to an optimizer that the size of the loss does not
            matter to, as Adam. With a head for each task nothing changes; under one label the
            old classes weigh the more the more there were. Classes that are new under a label
            count in the softmax there, with the target 0.
    """

    def __init__(
        self, strength: float = 1.0, temperature: float = 2.0, by_experiences: bool = False
    ) -> None:
        super().__init__()
        self.strength, self.temperature = strength, temperature
        self.by_experiences = by_experiences
        self.teacher: nn.Module | None = None
        self.classes: dict[int, list[int]] = {}  # learnt so far, by task label
        self.n_learnt = 0  # experiences
        self._last: tuple[Any, dict[int, set[int]]] = (None, {})  # experience, its classes

    def before_backward(self, strategy: Any, **_: Any) -> None:
        """Add the distillation."""
        if self.teacher is None:
            return
        with torch.no_grad():
            taught = all_outputs(self.teacher, strategy.mb_x)
        now = all_outputs(strategy.model, strategy.mb_x)
        strength, present = self.strength, dict[int, set[int]]()
        if self.by_experiences:
            strength *= self.n_learnt / len(self.classes)
            present = self._present(strategy.experience)
        for label, classes in self.classes.items():
            new = sorted(present.get(label, set()) - set(classes))
            apart = distillation(now[label], taught[label], classes, self.temperature, new)
            strategy.loss = strategy.loss + strength * apart

    def _present(self, experience: Any) -> dict[int, set[int]]:
        """Classes of the present experience, looked up once."""
        if self._last[0] is not experience:
            self._last = (experience, _classes(experience.dataset))
        return self._last[1]

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        """The network that was just trained becomes the teacher."""
        for label, targets in _classes(strategy.experience.dataset).items():
            self.classes[label] = sorted(targets.union(self.classes.get(label, [])))
        self.n_learnt += 1
        self.teacher = copy.deepcopy(strategy.model).eval().requires_grad_(False)

    def state_dict(self) -> dict[str, Any]:
        """The teacher's weights, and what it has learnt."""
        teacher = None if self.teacher is None else self.teacher.state_dict()
        classes = {label: list(known) for label, known in self.classes.items()}
        return {"teacher": teacher, "classes": classes, "n_learnt": self.n_learnt}

    def load_state_dict(self, state: Mapping[str, Any], model: nn.Module | None = None) -> None:
        """The inverse of `state_dict`.

        Args:
            state: Made by it.
            model: Of the teacher's structure; copied.
        """
        self.classes = dict(state["classes"])
        self.n_learnt = state["n_learnt"]
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


def _classes(dataset: Any) -> dict[int, set[int]]:
    """Those of a dataset, by task label."""
    found: dict[int, set[int]] = {}
    for label, target in rows_by_class(dataset):
        found.setdefault(label, set()).add(target)
    return found


def distillation(
    logits: Tensor,
    taught: Tensor,
    classes: list[int],
    temperature: float,
    new: Sequence[int] = (),
) -> Tensor:
    """T^2 times the mean cross-entropy between softened outputs, a scalar.

    Args:
        logits: (N, C).
        taught: The teacher's, (N, C).
        classes: Those that count.
        temperature: T.
        new: Classes that the teacher does not know, beside those; their target is 0.
    """
    counted = torch.tensor(classes, device=logits.device)
    targets = (taught.index_select(1, counted) / temperature).softmax(1)
    beside = torch.tensor([*classes, *new], device=logits.device)
    log_likelihood = (logits.index_select(1, beside) / temperature).log_softmax(1)
    known = log_likelihood[:, : len(classes)]
    return -(temperature**2) * (targets * known).sum(1).mean()
