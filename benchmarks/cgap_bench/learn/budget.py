"""How long a method that is sized by CGaP trains: as many epochs, or multiply-adds."""

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

import torch
from torch import nn

from cgap_bench.errors import UsageError
from cgap_bench.learn.context import Context
from cgap_bench.learn.sizes import width_for
from cgap_bench.learn.training_macs import training_macs
from cgap_bench.record.configuration import Settings


class Budget(StrEnum):
    """What a training has in common with CGaP's."""

    EPOCHS = "epochs"
    TRAINING_MACS = "training-macs"  # of all experiences together, to the nearest whole epoch


class Budgeted(Settings):
    """Settings of a method that may train longer or shorter than CGaP."""

    budget: Budget = Budget.EPOCHS


def within(context: Context, budget: Budget, networks: Sequence[nn.Module]) -> Context:
    """The context with as many epochs as the budget allows.

    Args:
        context: With the multiply-adds that CGaP's training took.
        budget: What to keep to.
        networks: What trains in each experience.

    Raises:
        UsageError: CGaP's record does not say what its training took.
    """
    if budget is Budget.EPOCHS:
        return context
    target = training_target(context, " or set budget=epochs")
    stream = context.stream.benchmark.train_stream
    an_epoch = sum(
        training_macs(network, context.stream.input_shape) * len(experience.dataset)
        for network, experience in zip(networks, stream, strict=True)
    )
    return with_training(context, epochs=max(1, round(target / an_epoch)))


def training_target(context: Context, instead: str = "") -> int:
    """Multiply-adds that CGaP's training took.

    Args:
        context: Of a run that is sized by it.
        instead: What else the user can do, for the error.

    Raises:
        UsageError: CGaP's record does not say it.
    """
    if not context.target_training_macs:
        raise UsageError(
            "the record of the CGaP run is older than the count of multiply-adds in training;"
            f" run it again with --force{',' if instead else ''}{instead}"
        )
    return context.target_training_macs


def width_for_training(context: Context) -> float:
    """The width at which one network, trained on all, takes CGaP's multiply-adds in training.

    CGaP's frozen layers take no backward pass, so its mean price says less than its passes do.
    Epochs are those of the recipe; at the reference's width there may be fewer multiply-adds.
    """
    stream = context.stream.benchmark.train_stream
    n_images = sum(len(experience.dataset) for experience in stream)
    target = training_target(context) / (context.config.training.epochs * n_images)

    def an_image(width: float) -> float:
        return training_macs(context.network(width), context.stream.input_shape)

    with torch.random.fork_rng(devices=[]):
        return width_for(target, an_image)


def with_training(context: Context, **changes: object) -> Context:
    """The same context, trained otherwise.

    Args:
        context: What to work with.
        changes: Fields of `TrainingSettings`.
    """
    config = context.config
    training = config.training.model_copy(update=changes)
    return replace(context, config=config.model_copy(update={"training": training}))
