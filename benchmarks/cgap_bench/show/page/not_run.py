"""What a page may ask for before there is a run of it: presets that come with the package."""

import tomllib
from importlib import resources

NOTHING = "no run of it is recorded yet"


def command_of(name: str) -> str | None:
    """The command that makes a comparison, None where no recipe of ours is behind the name.

    Args:
        name: Of a comparison: benchmark and preset.

    Example:
        >>> command_of("split-digits-standard")
        'cgap-cl run split-digits --preset standard'
        >>> command_of("split-digits-standart")
    """
    for recipe in resources.files("cgap_bench").joinpath("recipes").iterdir():
        benchmark, _, ending = recipe.name.rpartition(".")
        preset = name.removeprefix(f"{benchmark}-")
        if ending != "toml" or preset == name:
            continue
        if preset in tomllib.loads(recipe.read_text(encoding="utf-8"))["presets"]:
            return f"cgap-cl run {benchmark} --preset {preset}"
    return None


def in_place_of(word: str, command: str) -> str:
    """What a page says where a marker asks for what has not been run.

    Args:
        word: The first of the marker.
        command: What would run it.
    """
    if word == "command":
        return f"`{command}`"
    if word in ("value", "share"):
        return "-"
    said = NOTHING.capitalize()
    return f"{said}." if word == "caption" else f"{said}: `{command}`."
