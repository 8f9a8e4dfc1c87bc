"""iCaRL: exemplars chosen by herding, classes told apart by the means of their features."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from cgap_bench.learn.methods.rehearsal.lwf import LearningWithoutForgetting, all_outputs
from cgap_bench.learn.methods.rehearsal.memory import (
    BalancedMemory,
    Examples,
    read,
    rows_by_class,
)
from cgap_bench.learn.methods.rehearsal.replay import Replay
from cgap_bench.learn.training_macs import beside_training


class ICaRL(Replay):
    """Rebuffi et al. 2017 (iCaRL), algorithms 1 to 5.

    Outputs are sigmoids: new classes learn their targets, old ones the outputs of the network
    of before the experience, on new images and exemplars alike. Exemplars are those whose mean
    of normalised features comes nearest to that of the class, the best first. A class is
    recognised by the mean of its exemplars; as means are normalised, the nearest one is that of
    the largest product with the features: `means` are the weights of a linear head. With task
    labels there is one sigmoid for each class of each head. Deviation: exemplars join every
    batch at a fixed number instead of being mixed into the epoch.

    Args:
        memory: What is kept.
        features: Model and images -> features (N, F).
        batch_size: Exemplars that join a batch; None: as many as there are new images.
    """

    def __init__(
        self,
        memory: BalancedMemory,
        features: Callable[[Any, Tensor], Tensor],
        batch_size: int | None = None,
        augment: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__(memory, batch_size, augment)
        self._features = features
        self._teacher = LearningWithoutForgetting()
        self._known: dict[int, list[int]] = {}  # classes so far, by task label

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """Old classes and those of the experience take part in the loss."""
        classes = {label: set(ys) for label, ys in self._teacher.classes.items()}
        for label, y in rows_by_class(strategy.experience.dataset):
            classes.setdefault(label, set()).add(y)
        self._known = {label: sorted(ys) for label, ys in classes.items()}

    def before_backward(self, strategy: Any, **_: Any) -> None:
        """Replace the loss."""
        teacher = self._teacher
        now = all_outputs(strategy.model, strategy.mb_x)
        targets = {label: torch.zeros_like(logits) for label, logits in now.items()}
        for label, target in targets.items():
            mine = strategy.mb_task_id == label
            target[mine] = functional.one_hot(strategy.mb_y[mine], target.shape[1]).to(target)
        if teacher.teacher is not None:
            with torch.no_grad():
                taught = all_outputs(teacher.teacher, strategy.mb_x)
            for label, classes in teacher.classes.items():
                old = torch.tensor(classes, device=strategy.device)
                was = taught[label].index_select(1, old).sigmoid()
                targets[label].index_copy_(1, old, was)

        logits, wanted = self._counted(now), self._counted(targets)
        strategy.loss = functional.binary_cross_entropy_with_logits(logits, wanted)

    def _counted(self, outputs: Mapping[int, Tensor]) -> Tensor:
        """Outputs of all classes so far, side by side."""
        parts = []
        for label, classes in self._known.items():
            counted = torch.tensor(classes, device=outputs[label].device)
            parts.append(outputs[label].index_select(1, counted))
        return torch.cat(parts, 1)

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        """Choose exemplars with the features of now."""
        dataset, device, model = strategy.experience.dataset, strategy.device, strategy.model
        self._teacher.after_training_exp(strategy)

        def choose(rows: list[int], n: int) -> list[int]:
            images = read(dataset, rows, 0, device)
            order = herded(self._normalised(model, images), n)
            return [rows[i] for i in order]

        with beside_training(strategy, "exemplars"):
            self.memory.insert(dataset, device, choose)

    @torch.no_grad()
    def _normalised(self, model: nn.Module, images: Examples) -> Tensor:
        was_training = model.training
        model.eval()
        features = torch.cat([self._features(model, x) for x in images.x.split(256)])
        model.train(was_training)
        return functional.normalize(features)

    def means(self, model: nn.Module, label: int, n_classes: int) -> Tensor:
        """Normalised means of the exemplars of each class under a task label, (classes, F).

        A class without exemplars has zeros.
        """
        assert self.memory.content is not None
        content = self.memory.content.rows(self.memory.content.labels == label)
        features = self._normalised(model, content)
        means = features.new_zeros(n_classes, features.shape[1])
        means.index_add_(0, content.y, features)
        return functional.normalize(means)

    def state_dict(self) -> dict[str, Any]:
        """Memory and teacher."""
        return {
            "memory": super().state_dict(),
            "teacher": self._teacher.state_dict(),
            "known": dict(self._known),
        }

    def load_state_dict(self, state: Mapping[str, Any], model: nn.Module | None = None) -> None:
        """The inverse of `state_dict`; the teacher has the structure of a model."""
        super().load_state_dict(state["memory"])
        self._teacher.load_state_dict(state["teacher"], model)
        self._known = dict(state["known"])


def herded(features: Tensor, n: int) -> list[int]:
    """Rows whose running mean stays nearest to the mean of all (algorithm 4), best first.

    Args:
        features: (N, F), normalised.
        n: How many.

    Example:
        >>> herded(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]), 1)
        [2]
    """
    features = features.cpu()  # every choice is read
    mean, total = features.mean(0), torch.zeros_like(features[0])
    chosen: list[int] = []
    for k in range(1, min(n, len(features)) + 1):
        distance = (mean - (total + features) / k).norm(dim=1)
        distance[chosen] = torch.inf
        best = int(distance.argmin())
        chosen.append(best)
        total = total + features[best]
    return chosen
