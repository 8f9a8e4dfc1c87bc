"""Published measurements, which are no part of the project."""

import pytest

from cgap_hw import CostModelError
from cgap_hw.evidence.measured import data_folder


@pytest.fixture(scope="session")
def data():
    """Their folder, or a skip that says where it was looked for."""
    try:
        return data_folder()
    except CostModelError as error:
        pytest.skip(str(error))
