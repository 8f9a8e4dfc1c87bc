"""A layer as the cost model sees it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cgap_hw.errors import CostModelError
from cgap_hw.files import read_json, write_atomically

Kind = Literal["conv", "linear", "matmul", "pool", "add", "concat", "elementwise"]
NETWORK_INPUT = -1

# What no layer has: the model counts in float64, and walks through tiles and positions.
LONGEST = 2**24  # channels, rows, columns
MOST_POSITIONS = 2**26  # rows x columns x items
MOST_WORK = 2**53  # multiply-adds
Length = Annotated[int, Field(ge=1, le=LONGEST)]


class LayerShape(BaseModel):
    """One layer of a network.

    Batch norm and activations behind a convolution or linear layer are folded into it. An
    ``elementwise`` layer is a pass of its own over every channel (batch norm before a
    convolution). ``add`` sums all its inputs; ``concat`` only joins addresses.

    A ``matmul`` multiplies with an operand that is read as it goes, as a grouped 1 x 1
    convolution reads its weights: ``groups`` products of ``out_h out_w`` rows, ``n_in /
    groups`` deep, with ``n_out / groups`` columns. Attention multiplies maps with maps so; a
    recurrent layer its state with the same weights, read anew in every step.

    Attributes:
        batch: Items that are worked on together: weights of one tile serve all of them.
        n_stored: Weights among what a ``matmul`` reads; 0 where both operands are maps.
        inputs: Positions, in the network's list, of the layers whose outputs are read; -1 is
            the network's input; None is the layer before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Kind
    n_in: Length
    n_out: Length
    in_h: Length = 1
    in_w: Length = 1
    out_h: Length = 1
    out_w: Length = 1
    kernel_h: Length = 1
    kernel_w: Length = 1
    stride_h: Length = 1
    stride_w: Length = 1
    padding_h: int = Field(default=0, ge=0, le=LONGEST)
    padding_w: int = Field(default=0, ge=0, le=LONGEST)
    dilation_h: Length = 1
    dilation_w: Length = 1
    groups: Length = 1
    pool_kind: Literal["max", "avg"] | None = None
    bias: bool = False
    batch: Length = 1
    n_stored: int = Field(default=0, ge=0, le=MOST_WORK)
    inputs: tuple[int, ...] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.n_in % self.groups or self.n_out % self.groups:
            raise ValueError(
                f"groups={self.groups} must divide n_in={self.n_in} and n_out={self.n_out}"
            )
        self._check_work()
        if self.kind in ("conv", "pool"):
            self._check_size()
        if self.inputs is not None and (
            not self.inputs or any(i < NETWORK_INPUT for i in self.inputs)
        ):
            raise ValueError(f"inputs must be positions >= -1, got {self.inputs}")
        return self

    def _check_work(self) -> None:
        positions = max(self.in_h * self.in_w, self.out_h * self.out_w) * self.batch
        if positions > MOST_POSITIONS:
            raise ValueError(
                f"{positions} positions of a map, expected at most {MOST_POSITIONS}"
            )
        if max(self.macs, self.operand_words, self.output_words) > MOST_WORK:
            raise ValueError(f"{self.macs} multiply-adds, expected at most {MOST_WORK}")

    def _check_size(self) -> None:
        """No output beyond what the widest padding gives; one more, where sizes round up.

        And none below what the stored padding gives on its side alone: sizes left out are 1.
        """
        for axis in "hw":
            n_in, n_out, kernel, stride, dilation, padding = (
                getattr(self, f"{key}_{axis}")
                for key in ("in", "out", "kernel", "stride", "dilation", "padding")
            )
            span = (kernel - 1) * dilation + 1
            least = (n_in + padding - span) // stride + 1
            most = (n_in + 2 * max(padding, span - 1) - span) // stride + 2
            if n_out > most and self.kind == "conv":
                raise ValueError(
                    f"out_{axis}={n_out} is more than in_{axis}={n_in}, kernel_{axis}={kernel}"
                    f" and stride_{axis}={stride} can give ({most})"
                )
            if n_out < least:
                raise ValueError(
                    f"out_{axis}={n_out} is less than in_{axis}={n_in}, kernel_{axis}={kernel}"
                    f" and stride_{axis}={stride} give ({least}); is it left out?"
                )

    @property
    def computes(self) -> bool:
        """Whether it multiplies and adds."""
        return self.kind in ("conv", "linear", "matmul")

    @property
    def depthwise(self) -> bool:
        """Whether every output channel reads one input channel."""
        return self.kind == "conv" and self.groups > 1 and self.groups == self.n_in

    @property
    def span_h(self) -> int:
        """Rows under a window, dilation included."""
        return (self.kernel_h - 1) * self.dilation_h + 1

    @property
    def span_w(self) -> int:
        """Columns under a window, dilation included."""
        return (self.kernel_w - 1) * self.dilation_w + 1

    @property
    def dilated(self) -> bool:
        """Whether its windows have gaps."""
        return self.span_h > self.kernel_h or self.span_w > self.kernel_w

    @property
    def operand_words(self) -> int:
        """Words that its maps are multiplied with: weights, or another map."""
        if not self.computes:
            return 0
        return self.n_in // self.groups * self.n_out * self.kernel_h * self.kernel_w

    @property
    def n_weights(self) -> int:
        """Weights, biases not counted."""
        return self.n_stored if self.kind == "matmul" else self.operand_words

    @property
    def parameters(self) -> int:
        """Weights and biases; scale and shift of an elementwise pass."""
        if self.kind == "elementwise":
            return 2 * self.n_out
        return self.n_weights + (self.n_out if self.bias and self.computes else 0)

    @property
    def macs(self) -> int:
        """Multiply-adds of one inference (one MAC is one multiply-add), biases not counted."""
        return self.operand_words * self.out_h * self.out_w * self.batch

    @property
    def output_words(self) -> int:
        """Words of the map that it writes."""
        return self.n_out * self.out_h * self.out_w * self.batch

    @property
    def n_inputs(self) -> int:
        """Maps that are read; two for an ``add`` that does not say."""
        n_named = len(self.inputs) if self.inputs else 1
        return max(n_named, 2) if self.kind == "add" else n_named


def read_shapes(path: Path) -> list[LayerShape]:
    """Layers from a JSON file: a list of layers, or an object with the list under ``layers``.

    Raises:
        CostModelError: No such file, not JSON, or a layer that makes no sense (named).

    >>> import tempfile
    >>> head = LayerShape(name="head", kind="linear", n_in=512, n_out=10)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_shapes([head], Path(folder) / "network.json")
    ...     read_shapes(Path(folder) / "network.json") == [head]
    True
    """
    content = read_json(path)
    layers = content.get("layers") if isinstance(content, dict) else content
    if not isinstance(layers, list) or not layers:
        raise CostModelError(f"{path}: expected a list of layers")
    return [_layer(item, f"{path}, layer {i}") for i, item in enumerate(layers)]


def write_shapes(layers: Sequence[LayerShape], path: Path) -> None:
    """The JSON file that `read_shapes` reads; defaults are left out.

    >>> import tempfile
    >>> head = LayerShape(name="head", kind="linear", n_in=512, n_out=10)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_shapes([head], Path(folder) / "network.json")
    ...     json.loads((Path(folder) / "network.json").read_text())["layers"]
    [{'name': 'head', 'kind': 'linear', 'n_in': 512, 'n_out': 10}]
    """
    content = [layer.model_dump(mode="json", exclude_defaults=True) for layer in layers]
    write_atomically(path, (json.dumps({"layers": content}, indent=1) + "\n").encode())


def total_macs(layers: Iterable[LayerShape]) -> int:
    """Multiply-adds of one inference."""
    return sum(layer.macs for layer in layers)


def first_problem(error: ValidationError) -> str:
    """The first of pydantic's complaints in one line, or everything that is missing."""
    problem = error.errors()[0]
    missing = [e for e in error.errors() if e["type"] == "missing"]
    if problem in missing and len(missing) > 1:
        return "missing: " + ", ".join(".".join(map(str, e["loc"])) for e in missing)
    where = ".".join(str(part) for part in problem["loc"])
    given = problem.get("input")
    shown = f", got {given!r}" if isinstance(given, (int, float, str)) else ""
    said = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        said = "no such setting"
    return f"{where + ': ' if where else ''}{said}{shown}"


def _layer(item: object, where: str) -> LayerShape:
    try:
        return LayerShape.model_validate(item)
    except ValidationError as error:
        raise CostModelError(f"{where}: {first_problem(error)}") from error
