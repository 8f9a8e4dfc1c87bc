"""The state of a GrowthLoop as tensors and plain values, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cgap_cl.network.teacher import Teacher

if TYPE_CHECKING:
    from cgap_cl.train.growth import GrowthLoop

PLAIN = (
    "iteration", "growth", "pruning", "history", "planned", "start_price", "peak", "peak_price",
    "pruned",
)  # fmt: skip


def save(loop: GrowthLoop) -> dict[str, Any]:
    """Everything but the network; copies, not views."""
    score = getattr(loop.score, "generator", None)
    teacher = loop.network.teacher
    return {
        "teacher": None if teacher is None else teacher.state_dict(),
        **{name: _copied(getattr(loop, name)) for name in PLAIN},
        "watch": loop.watch.state(),
        "classes": [[label, sorted(seen)] for label, seen in loop.classes.items()],
        "new_classes": sorted(loop.new_classes),
        "shared": sorted(loop.shared),
        "scores": {group: values.clone() for group, values in loop.scores.items()},
        "laterals": [[*key, values.clone()] for key, values in loop.lateral_scores.items()],
        "initial_laterals": [[*key, n] for key, n in loop.initial_laterals.items()],
        "generator": loop.generator.get_state(),
        "score_generator": None if score is None else score.get_state(),
    }


def restore(loop: GrowthLoop, saved: Mapping[str, Any]) -> None:
    """Counterpart of :func:`save`; the network's own state was loaded before."""
    for name in PLAIN:
        setattr(loop, name, _copied(saved[name]))
    loop.watch.restore(saved["watch"])
    loop.classes = {label: set(seen) for label, seen in saved["classes"]}
    loop.new_classes = set(saved["new_classes"])
    loop.shared = set(saved["shared"])
    loop.scores = {group: values.clone() for group, values in saved["scores"].items()}
    loop.lateral_scores = {(n, source): v.clone() for n, source, v in saved["laterals"]}
    loop.initial_laterals = {(n, source): k for n, source, k in saved["initial_laterals"]}
    loop.generator.set_state(saved["generator"])
    if saved["score_generator"] is not None:
        loop.score.generator.set_state(saved["score_generator"])  # type: ignore[attr-defined]
    network, taught = loop.network, saved["teacher"]
    network.teacher = None
    if taught is not None:
        network.teacher = Teacher.restored(taught, network, loop.config.temperature)


def _copied(value: Any) -> Any:
    """A copy of plain values that shares no list or dict with the original."""
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value
