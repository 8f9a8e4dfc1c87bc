"""Is a user's own method what the runner takes it for? Each mistake in one line."""

from typing import Any

from torch import nn

from cgap_bench.errors import UsageError
from cgap_bench.learn.own.mistakes import checked_call

CALLS: dict[str, tuple[str, tuple[Any, ...]]] = {  # how each is called
    "learn": ("(experience)", (None,)),
    "network_for": ("(task)", (0,)),
    "stored_parameters": ("()", ()),
}
VALUES = {"history": list, "extra": dict}  # and `strategy`
PARTS = ", ".join(
    ["strategy", *VALUES, *(f"{name}{parameters}" for name, (parameters, _) in CALLS.items())]
)


def check_learner(what: str, learner: Any, strategy: type) -> None:
    """See that a learner has what the runner asks of it.

    Args:
        what: Whose, for instance ``"method last"``.
        learner: As it was built.
        strategy: What its strategy is, where it has one already.

    Raises:
        UsageError: Something is missing, or is called or made otherwise.
    """
    if learner is None or isinstance(learner, type):
        raise UsageError(f"{what} builds {learner!r}, not a learner with {PARTS}")
    whose = f"{what} builds {type(learner).__name__}"
    lacking = [name for name in ("strategy", *VALUES, *CALLS) if not hasattr(learner, name)]
    if lacking:
        raise UsageError(f"{whose}, which lacks {', '.join(lacking)}; a learner has {PARTS}")

    for name, (parameters, arguments) in CALLS.items():
        call = getattr(learner, name)
        checked_call(f"{whose}, whose {name}", call, parameters, *arguments)
    for name, kind in VALUES.items():
        value = getattr(learner, name)
        if not isinstance(value, kind):
            raise UsageError(f"{whose}, whose {name} is {_kind(value)}, not a {kind.__name__}")
    loop = learner.strategy
    if loop is not None and not isinstance(loop, strategy):
        raise UsageError(
            f"{whose}, whose strategy is {_kind(loop)}, neither None nor what"
            " context.strategy(model, plugins) makes"
        )


def network_of(what: str, learner: Any, label: int) -> nn.Module | None:
    """What a learner says that one inference of a task executes.

    Raises:
        UsageError: It is no network.
    """
    network = learner.network_for(label)
    if network is None or isinstance(network, nn.Module):
        return network
    raise UsageError(f"{what}: network_for gives {network!r:.80}, not a torch module or None")


def stored_by(what: str, learner: Any) -> int:
    """How many parameters a learner says that it stores.

    Raises:
        UsageError: It says something else.
    """
    n = learner.stored_parameters()
    if isinstance(n, int) and not isinstance(n, bool) and n >= 0:
        return n
    raise UsageError(f"{what}: stored_parameters gives {n!r:.80}, not a whole number from 0")


def _kind(value: Any) -> str:
    return "None" if value is None else f"of type {type(value).__name__}"
