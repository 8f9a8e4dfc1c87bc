"""Settings that a recipe can write, made from the config classes of a library.

No setting is written twice: a config is a frozen dataclass, its parts are dataclasses too, and
the model that is derived from it has the same fields at the same defaults. Only a field whose
value is a callable needs a table of names.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal, Union, get_type_hints

from pydantic import BeforeValidator, Field, create_model

from cgap_bench.record.configuration import Settings

Definition = tuple[Any, Any]  # of a field: annotation and default, as pydantic's create_model


def settings_model(
    config: Any, base: type[Settings] = Settings, **fields: Definition | None
) -> type[Settings]:
    """A model of settings with the fields and the values of a config.

    Args:
        config: A dataclass instance; its values are the defaults.
        base: What the model inherits, for instance validators and further fields.
        fields: Definitions of fields that are not to be derived; None leaves one out.
    """
    hints = get_type_hints(type(config))
    definitions: dict[str, Definition | None] = {}
    for name, value in _values(config).items():
        if dataclasses.is_dataclass(value) and name not in fields:
            definitions[name] = part_field(value)
        else:
            definitions[name] = hints[name], value
    given = {name: field for name, field in (definitions | fields).items() if field is not None}
    model: type[Settings] = create_model(type(config).__name__, __base__=base, **given)  # type: ignore[call-overload]
    return model


def name_field(names: Iterable[str], default: str) -> Definition:
    """A field whose value a recipe gives by name alone."""
    return Literal[tuple(names)], default


def part_field(part: Any, **fields: Definition | None) -> Definition:
    """A field whose value is a table of a recipe.

    Args:
        part: A dataclass instance; its values are the defaults.
        fields: As in `settings_model`.
    """
    model = settings_model(part, Settings, **fields)
    return model, Field(default_factory=model)


def choice_field(makers: Mapping[str, Callable[..., Any]], default: Any) -> Definition:
    """A field whose value a recipe gives by name, with the settings of what has that name.

    The name alone is short for a table that holds nothing else.

    Args:
        makers: Name -> dataclass, whose fields are settings, or a function without arguments.
        default: An instance of one of the dataclasses.
    """
    name = next(name for name, maker in makers.items() if maker is type(default))
    models = {key: _model(key, maker) for key, maker in makers.items()}
    models[name] = settings_model(default, name=name_field([name], name))
    union: Any = Annotated[Union[tuple(models.values())], Field(discriminator="name")]  # noqa: UP007

    def as_table(value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        return {"name": name} | dict(value) if isinstance(value, Mapping) else value

    return Annotated[union, BeforeValidator(as_table)], Field(default_factory=models[name])


def config_from(config: Any, settings: Settings, **fields: Any) -> Any:
    """The config that settings describe.

    Args:
        config: The instance that their model was derived from.
        settings: An instance of that model.
        fields: Values of the fields that were not derived.
    """
    values = {}
    for name, value in _values(config).items():
        if name in fields:
            values[name] = fields[name]
        elif dataclasses.is_dataclass(value):
            values[name] = config_from(value, getattr(settings, name))
        else:
            values[name] = getattr(settings, name)
    return type(config)(**values)


def choice_from(makers: Mapping[str, Callable[..., Any]], settings: Any) -> Any:
    """What a field of `choice_field` describes."""
    own = {name: getattr(settings, name) for name in type(settings).model_fields}
    return makers[own.pop("name")](**own)


def _model(name: str, maker: Callable[..., Any]) -> type[Settings]:
    """Settings of one of several things that a field can be, told apart by name."""
    tag: Any = name_field([name], name)
    if dataclasses.is_dataclass(maker):
        return settings_model(maker(), name=tag)
    model: type[Settings] = create_model(name, __base__=Settings, name=tag)
    return model


def _values(config: Any) -> dict[str, Any]:
    return {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
