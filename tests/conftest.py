"""What the tests of all packages share."""

import importlib.util
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def second_device() -> Callable[[], AbstractContextManager[str]]:
    """See second_device.py, loaded when asked for: the cost model is tested without torch."""
    path = Path(__file__).with_name("second_device.py")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    context: Callable[[], AbstractContextManager[str]] = module.second_device
    return context
