"""Cost of one layer by its channels, tabulated in tiles: one call of the cost model a tile."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from cgap_bench.shapes.dependence import Dependence
from cgap_hw import LayerShape
from cgap_hw.layers.table import LayerTable

Values: TypeAlias = npt.NDArray[np.float64]
TILE = 16  # widths a side of a table


@dataclass
class TabulatedCost:
    """Cost of one layer by its channels."""

    layer: Dependence
    cost: Callable[[LayerTable], Values]
    tiles: dict[tuple[int, int], Values] = field(default_factory=dict)

    @cached_property
    def table(self) -> LayerTable:
        """The layer as it is, a table of one row."""
        return LayerTable.of([LayerShape(**self.layer.shape)])

    @property
    def square(self) -> bool:
        """Whether it has as many output as input channels at any width."""
        return self.layer.shape["kind"] not in ("conv", "linear") or self.layer.per_channel

    def __call__(self, change: Mapping[str, int]) -> float:
        """The layer's cost after a change of widths."""
        n_in, n_out = self.layer.sizes(change)
        key = (n_in // TILE, n_out // TILE)
        if key not in self.tiles:
            self.tiles[key] = self._tile(*key)
        return float(self.tiles[key][n_in % TILE, n_out % TILE])

    def _tile(self, row: int, column: int) -> Values:
        """Costs of TILE x TILE widths."""
        n_in, n_out = np.meshgrid(
            *(TILE * k + np.arange(TILE, dtype=np.float64) for k in (row, column)),
            indexing="ij",
        )
        # No layer has 0 channels; what stands there is never looked up.
        n_in, n_out = np.maximum(n_in, 1).ravel(), np.maximum(n_out, 1).ravel()
        if self.square:
            n_in = n_out

        # As many copies of the layer as there are widths, priced by one call.
        copies = {
            name: np.repeat(getattr(self.table, name), n_out.size)
            for name in self.table.__dataclass_fields__
        }
        copies |= {"n_if": n_in, "n_of": n_out}
        if self.layer.per_channel:
            copies["groups"] = n_out
        return self.cost(replace(self.table, **copies)).reshape(TILE, TILE)
