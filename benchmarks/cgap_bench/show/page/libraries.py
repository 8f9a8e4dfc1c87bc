"""Vega, Vega-Lite and Vega-Embed as one script that needs no network."""

import contextlib
import os
from functools import cache
from importlib.metadata import version
from pathlib import Path

import vl_convert

from cgap_bench.record.files import write_atomically
from cgap_bench.show.charts.drawing import VEGA_LITE

SNIPPET = "window.vegaEmbed = vegaEmbed;"


@cache
def vega_script() -> str:
    """The libraries, from vl-convert; kept in the user's cache: bundling takes seconds."""
    kept = _cache() / f"vega-embed-{version('vl-convert-python')}-{VEGA_LITE}.js"
    with contextlib.suppress(OSError):
        return kept.read_text(encoding="utf-8")
    script = _closed(vl_convert.javascript_bundle(SNIPPET, VEGA_LITE))
    with contextlib.suppress(OSError):
        write_atomically(kept, script.encode())
    return script


def _closed(script: str) -> str:
    """Safe inside a script element: nothing in it ends the element."""
    return script.replace("</script", "<\\/script")


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cgap-cl"
