"""Dotted keys of nested settings: which there are, and what was wrong with one."""

import json
from collections.abc import Iterable, Iterator, Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from cgap_bench.errors import UnknownNameError, UsageError
from cgap_bench.record.configuration import (
    Derived,
    NetworkSettings,
    Settings,
    StreamSettings,
    TrainingSettings,
)

# of a run, whatever the method
SECTIONS: dict[str, type[Settings]] = {
    "network": NetworkSettings,
    "stream": StreamSettings,
    "training": TrainingSettings,
}

MOST_SHOWN = 80  # characters of a wrong value


def keys(model: type[Settings], prefix: str = "") -> dict[str, FieldInfo]:
    """Dotted key -> field of everything that can be set, for instance ``growth.beta``.

    A part that is one of several things is a key itself: the name of the thing.
    """
    leaves: dict[str, FieldInfo] = {}
    for name, field in model.model_fields.items():
        if is_derived(field):
            continue
        key, parts = f"{prefix}{name}", list(_models(field.annotation))
        if len(parts) != 1:  # none: a value; several: a choice between them
            leaves[key] = field
        for part in parts:
            leaves |= keys(part, f"{key}.")
    return leaves


def is_derived(field: FieldInfo) -> bool:
    """Whether a setting is read off files, and no key for users."""
    return any(isinstance(one, Derived) for one in field.metadata)


def refuse_derived(owner: str, names: Iterable[str]) -> None:
    """Say that a setting is read off the files of a run.

    Args:
        owner: A section.
        names: Of its settings.

    Raises:
        UsageError: One of them is.
    """
    fields = SECTIONS[owner].model_fields if owner in SECTIONS else {}
    for name in names:
        if name in fields and is_derived(fields[name]):
            raise UsageError(
                f"{owner}.{name} is read off your files when runs are planned; it cannot be set"
            )


def first_mistake(error: ValidationError, model: type[Settings], prefix: str) -> str:
    """The first thing that is wrong, in one line.

    Args:
        error: What validation against the model found.
        model: The settings.
        prefix: What stands before their keys where a user writes them, for instance ``ewc.``.
    """
    found = error.errors()
    # a key that is missing may stand there under another name
    detail = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
    fields = keys(model, prefix)
    key, tag = _key([str(part) for part in detail["loc"]], prefix, fields)
    if detail["type"] == "extra_forbidden":
        if tag and key in fields:  # of another thing that the part can be
            return f"{key} is no setting of {tag!r}"
        return str(UnknownNameError("key", key, fields))
    if detail["type"] == "union_tag_invalid":
        names = detail["ctx"]["expected_tags"].replace("'", "").split(", ")
        return str(UnknownNameError(key, detail["ctx"]["tag"], names))
    if detail["type"] == "missing":
        return f"key {key} is missing"

    message = detail["msg"].removeprefix("Value error, ")
    if not detail["loc"]:  # no single value, but how several go together
        return f"{prefix.rstrip('.') or 'recipe'}: {message}"
    accepted = _range(fields[key]) if key in fields and "ctx" in detail else ""
    like = _example(fields[key]) if key in fields else ""
    return f"{key}={_shown(detail['input'])} is not right: {message}{accepted}{like}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def _example(field: FieldInfo) -> str:
    """How a recipe may write it, where a field says so."""
    return f"; like {json.dumps(field.examples[0])}" if field.examples else ""


def _range(field: FieldInfo) -> str:
    """All bounds of a number, where it has any."""
    words = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    bounds = (
        f"{word} {getattr(bound, name):g}"
        for bound in field.metadata
        for name, word in words.items()
        if hasattr(bound, name)
    )
    text = ", ".join(bounds)
    return f" (accepted: {text})" if text else ""


def _models(annotation: Any) -> Iterator[type[Settings]]:
    """The settings that a field is, or that it may be one of."""
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        yield annotation
    if get_origin(annotation) in (Union, UnionType):
        for argument in get_args(annotation):
            yield from _models(argument)


def _key(location: list[str], prefix: str, fields: Mapping[str, Any]) -> tuple[str, str]:
    """The key as a user writes it, and the name of the thing that validation was at, if any."""
    path, tag = prefix.split(".")[:-1], ""
    for part in location:
        key = ".".join(path)
        if key in fields and any(other.startswith(f"{key}.") for other in fields) and not tag:
            tag = part  # of several things that may stand here; no user writes it
        else:
            path.append(part)
    return ".".join(path), tag
