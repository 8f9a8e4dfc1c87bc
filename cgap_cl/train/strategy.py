"""CGaP: the convenience strategy, Avalanche's supervised template with the plugin in place."""

from __future__ import annotations

from typing import Any

import torch
from avalanche.training.templates import SupervisedTemplate

from cgap_cl.config import CGaPConfig
from cgap_cl.network.plastic_network import PlasticNetwork
from cgap_cl.train.plugin import CGaPPlugin


class CGaP(SupervisedTemplate):  # type: ignore[misc]
    """Continuous growth and pruning as a strategy.

    Args:
        model: the network that grows.
        optimizer: any element-wise optimizer of torch.optim.
        config: the method's settings.
        plugins: further plugins.
        **kwargs: passed on to ``SupervisedTemplate`` (``train_epochs``, ``device``, ...).
    """

    def __init__(
        self,
        *,
        model: PlasticNetwork,
        optimizer: torch.optim.Optimizer,
        config: CGaPConfig | None = None,
        plugins: list[Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.cgap = CGaPPlugin(config)
        super().__init__(
            model=model, optimizer=optimizer, plugins=[self.cgap, *(plugins or [])], **kwargs
        )
