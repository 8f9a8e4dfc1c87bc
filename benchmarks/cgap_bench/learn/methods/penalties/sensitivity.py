"""How much a weight matters to what a network computes on a dataset, from gradients."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from avalanche.models import avalanche_forward
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from cgap_bench.learn.training_macs import beside_training

Batch = tuple[Tensor, Tensor, Tensor]


def batches(
    strategy: Any, batch_size: int | None = None, n_images: int | None = None
) -> Iterator[Batch]:
    """Images, targets and task labels of the present experience, on the strategy's device.

    Args:
        strategy: Avalanche's, with an experience.
        batch_size: None: as in training.
        n_images: So many, drawn by torch's global generator; None: all in file order.
    """
    dataset = strategy.experience.dataset
    collate = getattr(dataset, "collate_fn", None)
    if n_images is not None and n_images < len(dataset):
        dataset = Subset(dataset, torch.randperm(len(dataset))[:n_images].tolist())
    size = batch_size or strategy.train_mb_size
    for batch in DataLoader(dataset, size, collate_fn=collate):
        x, y, labels = batch[0], batch[1], batch[-1]
        yield x.to(strategy.device), y.to(strategy.device), labels


def mean_over_batches(
    strategy: Any,
    data: Iterator[Batch],
    loss: Callable[[Tensor, Tensor], Tensor],
    size: Callable[[Tensor], Tensor],
) -> dict[str, Tensor]:
    """Mean over batches of the size of the gradient of each parameter; zero where none flows.

    The model is in eval mode meanwhile, and has no gradients afterwards.

    Args:
        strategy: Avalanche's; its model is called as Avalanche calls it.
        data: Batches.
        loss: Of logits (N, classes) and targets (N,).
        size: Gradient -> its size, element by element.
    """
    model = strategy.model
    total = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    was_training, n = model.training, 0
    model.eval()
    for x, y, labels in data:
        model.zero_grad(set_to_none=True)
        with beside_training(strategy, "importances", len(x)):
            loss(avalanche_forward(model, x, labels), y).backward()
        for name, parameter in model.named_parameters():
            if parameter.grad is not None:
                total[name] += size(parameter.grad)
        n += 1
    model.zero_grad(set_to_none=True)
    model.train(was_training)
    return {name: values.div_(float(n)) for name, values in total.items()}
