"""One backbone with a head per task, as the methods of fixed structure train it."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import torch
from avalanche.models import MultiTaskModule
from torch import Tensor, nn


class MultiHead(MultiTaskModule):  # type: ignore[misc]
    """One backbone with a linear head per task, all there from the start.

    In training only the heads of the present experience take gradients, so that neither
    momentum nor weight decay nor a penalty term moves the head of another task; unless old
    tasks are rehearsed: then every head that a batch goes through learns.

    Args:
        network: A chain as `build_network` makes it; its last module is the model of the heads.
        tasks: Task labels that get a head.
        rehearses: Whether heads of other tasks than the present one take gradients.
    """

    def __init__(
        self, network: nn.Sequential, tasks: Iterable[int], rehearses: bool = False
    ) -> None:
        super().__init__()
        self._rehearses = rehearses
        *body, (_, head) = network.named_children()
        self.backbone = nn.Sequential(OrderedDict(body))
        self.heads = nn.ModuleDict({str(task): fresh_head(head) for task in tasks})

    def adaptation(self, experience: Any) -> None:
        """Called by Avalanche before each experience."""
        for task, head in self.heads.items():
            head.requires_grad_(self._rehearses or int(task) in experience.task_labels)

    def forward(
        self, x: Tensor, task_labels: Tensor | int | None
    ) -> Tensor | dict[int, Tensor]:
        """Logits (N, classes); each row goes through the head of its task label.

        Without labels: the logits of all rows under every label.
        """
        features = self.backbone(x)
        if task_labels is None:
            return {int(task): self._head(int(task), features) for task in self.heads}
        if isinstance(task_labels, int):
            return self._head(task_labels, features)
        labels = task_labels.tolist()
        if labels.count(labels[0]) == len(labels):  # most batches, and no sorting
            return self._head(labels[0], features)
        present, index = torch.unique(task_labels, return_inverse=True)
        every = torch.stack([self._head(task, features) for task in present.tolist()], dim=1)
        return every[torch.arange(len(x), device=x.device), index]

    def _head(self, task: int, features: Tensor) -> Tensor:
        logits: Tensor = self.heads[str(task)](features)
        return logits

    def network_for(self, task: int) -> nn.Sequential:
        """What inference of one task executes; shares its modules with this network."""
        return nn.Sequential(*self.backbone, self.heads[str(task)])


def fresh_head(head: nn.Module) -> nn.Linear:
    """A newly initialised Linear of the same shape."""
    assert isinstance(head, nn.Linear)
    return nn.Linear(head.in_features, head.out_features, bias=head.bias is not None)
