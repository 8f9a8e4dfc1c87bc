"""Models with Avalanche's heads as references: what comes before, and one plain layer."""

from __future__ import annotations

import copy
from typing import Any

from avalanche.models import IncrementalClassifier, MultiHeadClassifier, MultiTaskModule
from torch import Tensor, nn


class _OneHead(nn.Module):
    """In the place of heads of Avalanche's: one linear layer, whatever the task label."""

    def __init__(self, classifier: nn.Linear) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, x: Tensor, *_labels: Any, **_options: Any) -> Tensor:
        """``(N, features)`` -> ``(N, classes)``."""
        return self.classifier(x)  # type: ignore[no-any-return]


class _OneTask(nn.Module):
    """A model that wants task labels, called without."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        """``(N, ...)`` -> ``(N, classes)``."""
        return self.model(x, 0)  # type: ignore[no-any-return]


def with_plain_head(module: nn.Module) -> nn.Module:
    """The network itself, or one without Avalanche's growing heads.

    A plastic network has heads of its own, one a task label, that grow with their classes.

    Args:
        module: left as it is.

    >>> from avalanche.models import MTSimpleMLP
    >>> plain = with_plain_head(MTSimpleMLP(input_size=6, hidden_size=4))
    >>> plain.model.classifier
    _OneHead(
      (classifier): Linear(in_features=4, out_features=2, bias=True)
    )
    """
    heads = (IncrementalClassifier, MultiHeadClassifier)
    if not any(isinstance(part, heads) for part in module.modules()):
        return module
    module = copy.deepcopy(module)
    for parent in list(module.modules()):
        for name, part in parent.named_children():
            if isinstance(part, heads):
                # not by setattr, which Avalanche's own decorator of models redirects
                parent._modules[name] = _OneHead(_linear(part))
    return _OneTask(module) if isinstance(module, MultiTaskModule) else module


def _linear(head: nn.Module) -> nn.Linear:
    """The first linear layer inside."""
    return next(part for part in head.modules() if isinstance(part, nn.Linear))
