"""Gradient episodic memory: a step may not raise the loss on what is remembered."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from avalanche.models import avalanche_forward
from avalanche.training.plugins import SupervisedPlugin
from scipy.optimize import nnls
from torch import Tensor, nn
from torch.nn import functional

from cgap_bench.learn.methods.rehearsal.memory import BalancedMemory, Examples


class AveragedGEM(SupervisedPlugin):  # type: ignore[misc]
    """A-GEM (Chaudhry et al. 2019, equation 11): a gradient that would hurt is projected.

    g - (g . r) / (r . r) r where g . r < 0, with r the gradient on images of the memory drawn
    anew for each step. Parameters that the batch does not reach, as heads of other tasks, are
    left out.

    Args:
        memory: What is kept.
        batch_size: Old images for r.
    """

    def __init__(self, memory: BalancedMemory, batch_size: int = 256) -> None:
        super().__init__()
        self.memory, self._batch_size = memory, batch_size

    def old_images(self, _n: int) -> Examples | None:
        """What passes through the network beside a batch; None: there is nothing yet."""
        return self.memory.draw(self._batch_size) if len(self.memory) else None

    def after_backward(self, strategy: Any, **_: Any) -> None:
        """Project the gradient where it has to be."""
        if len(self.memory) == 0:
            return
        reached = [p for p in strategy.model.parameters() if p.grad is not None]
        old = _gradient(strategy.model, reached, self.memory.draw(self._batch_size))
        new = _flat([p.grad for p in reached])
        product = new @ old
        if product < 0:
            _write(reached, new - product / (old @ old) * old)

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        """Keep images of the experience that ends."""
        self.memory.add(strategy.experience.dataset, strategy.device)

    def state_dict(self) -> dict[str, Any]:
        """The memory's."""
        return self.memory.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.memory.load_state_dict(state)


class GEM(AveragedGEM):
    """GEM (Lopez-Paz and Ranzato 2017): one constraint for each old experience.

    The nearest gradient that agrees with those of all old experiences on their memories
    (equation 11), with the authors' margin. Its dual is a non-negative least squares problem,
    solved by scipy: Avalanche's plugin needs a solver for quadratic programs that its wheel
    does not bring.

    Args:
        memory: What is kept; all of it is looked at in each step.
        margin: gamma, how far the gradient is to agree.
    """

    def __init__(self, memory: BalancedMemory, margin: float = 0.5) -> None:
        super().__init__(memory)
        self._margin = margin

    def after_backward(self, strategy: Any, **_: Any) -> None:
        """Project the gradient where it has to be."""
        content = self.memory.content
        if content is None:
            return
        reached = [p for p in strategy.model.parameters() if p.grad is not None]
        old = torch.stack(
            [
                _gradient(strategy.model, reached, content.rows(content.experiences == came))
                for came in content.experiences.unique().tolist()
            ]
        )
        new = _flat([p.grad for p in reached])
        if bool((old @ new < 0).any()):
            _write(reached, nearest(new, old, self._margin))


def nearest(gradient: Tensor, constraints: Tensor, margin: float) -> Tensor:
    """The gradient nearest to one that has no negative product with any of several.

    With margin 0: min ||z - g|| so that G z >= 0. Its dual min_v ||G^T v + g||, v >= margin,
    gives z = G^T v + g.

    Args:
        gradient: g, (P,).
        constraints: G, (T, P).
        margin: Least value of each dual variable.

    Example:
        >>> nearest(torch.tensor([1.0, -1.0]), torch.tensor([[0.0, 2.0]]), 0.0)
        tensor([1., 0.])
    """
    rows = constraints.double()
    products = (rows @ rows.T).cpu().numpy()
    products += 1e-9 * max(float(np.trace(products)), 1e-12) * np.eye(len(products))
    target = (rows @ gradient.double()).cpu().numpy() + products.sum(1) * margin
    factor = np.linalg.cholesky(products)  # products = L L^T: least squares in T dimensions
    above, _ = nnls(factor.T, -np.linalg.solve(factor, target))
    dual = torch.from_numpy(above + margin).to(rows)
    return gradient + (dual @ rows).to(gradient.dtype)


def _gradient(model: nn.Module, parameters: list[nn.Parameter], old: Examples) -> Tensor:
    """Gradient of the loss on examples, flat; zero where it does not reach."""
    loss = functional.cross_entropy(avalanche_forward(model, old.x, old.labels), old.y)
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    pairs = zip(found, parameters, strict=True)
    return _flat([torch.zeros_like(p) if g is None else g for g, p in pairs])


def _flat(parts: list[Any]) -> Tensor:
    return torch.cat([part.detach().flatten() for part in parts])


def _write(parameters: list[nn.Parameter], flat: Tensor) -> None:
    sizes = [p.numel() for p in parameters]
    for parameter, part in zip(parameters, flat.split(sizes), strict=True):
        assert parameter.grad is not None
        parameter.grad.copy_(part.view_as(parameter))
