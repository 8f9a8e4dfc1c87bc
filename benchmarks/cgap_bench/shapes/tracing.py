"""A torch network traced into the layer shapes that the cost model prices.

The only bridge between torch and `cgap_hw`: one forward pass of an example input. The functions
that it calls say what the layers are and which reads which; the modules only name them.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from cgap_bench.errors import UsageError
from cgap_bench.shapes import forms, rules
from cgap_bench.shapes.interpreter import Call, Interpreter, Operators, Readers, tensors
from cgap_bench.shapes.rules import UNKNOWN, LayerJSON, Role, Rule, Site

NETWORK_INPUT = -1


@dataclass(frozen=True)
class Workload:
    """Layers in the order of execution, and the work that has no layer shape.

    Attributes:
        layers: `cgap_hw.LayerShape` as JSON.
        unsupported: What is not among the layers, and how often it was met.
        inputs: Sizes of what the network reads.
        bits: Width of its own widest words; None where they are floats.
        words: All widths in words, if there are several.
    """

    layers: list[LayerJSON]
    unsupported: Mapping[str, int]
    inputs: Mapping[str, forms.Size] = field(default_factory=dict)
    bits: int | None = None
    words: str = ""


def layer_shapes(network: nn.Module, example_input: Tensor) -> list[LayerJSON]:
    """Layer shapes of one pass, in the order of execution, as `cgap_hw.LayerShape` JSON.

    Batch norm right behind a convolution or linear layer is folded into it (running statistics
    only) if nothing else reads what that wrote; elsewhere it is a pass over its channels.
    Activations and dropout are free, and so are concatenation and selection of channels: the
    next layer reads from where they lie.

    Args:
        network: Any module whose work is done by convolutions, linear layers, pools, norms,
            sums and products, as modules or as functions.
        example_input: (N, ...), float; layers are those of all N items together.

    Raises:
        UsageError: Some work has no layer shape; every such module and function is named.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
        >>> (layer,) = layer_shapes(network, torch.zeros(1, 3, 32, 32))
        >>> layer["name"], layer["kind"], layer["n_out"], layer["out_h"], layer["bias"]
        ('0', 'conv', 8, 30, True)
    """
    workload = trace(network, example_input)
    if workload.unsupported:
        names = ", ".join(workload.unsupported)
        raise UsageError(
            f"no layer shape for {names}; use Conv2d, Linear, pooling and BatchNorm modules"
        )
    return workload.layers


def trace(network: nn.Module, example_input: Tensor) -> Workload:
    """As `layer_shapes`, with what has no layer shape listed instead of refused.

    Example:
        >>> network = nn.Sequential(nn.Linear(4, 2), nn.Softmax(1))
        >>> dict(trace(network, torch.zeros(1, 4)).unsupported)
        {"module '1' (Softmax)": 1}
    """
    tracer = _traced(network, example_input, frozenset())
    if apart := tracer.folded_in_vain:  # who else reads a map is known in the end
        tracer = _traced(network, example_input, apart)
    inputs = {"input": tuple(example_input.shape)}
    return Workload(tracer.layers, dict(tracer.unsupported), inputs)


def _traced(network: nn.Module, example_input: Tensor, apart: frozenset[int]) -> "_Tracer":
    """What one pass shows; some norms are passes of their own whatever they follow."""
    tracer = _Tracer(apart)
    x = example_input.detach().view_as(example_input)  # its note is not the caller's
    tracer.put(x, _Map((NETWORK_INPUT,)))

    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        # Attention as the products that it is, not as one operator for this machine.
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), tracer.naming(network), tracer:
            tracer.read(tensors(network(x)))  # a map that is returned is read as it is
    finally:
        for module, training in modes.items():
            module.training = training
    return tracer


def total_macs(layers: Sequence[LayerJSON]) -> int:
    """Multiply-adds of convolutions, linear layers and matrix products; biases not counted.

    Example:
        >>> total_macs(layer_shapes(nn.Linear(100, 10), torch.zeros(1, 100)))
        1000
    """
    total = 0
    for layer in layers:
        if layer["kind"] in ("conv", "linear", "matmul"):
            kernel = layer["kernel_h"] * layer["kernel_w"]
            taps = kernel * layer["n_in"] // layer.get("groups", 1)
            positions = layer["out_h"] * layer["out_w"] * layer.get("batch", 1)
            total += layer["n_out"] * positions * taps
    return total


@dataclass(frozen=True)
class _Map:
    """Note on a tensor: the layers that it consists of, and if a norm could go into them.

    ``readers`` are known of all that lies in a map that a norm could go into.
    """

    sources: tuple[int, ...]
    readers: Readers | None = None
    foldable: bool = False


class _Tracer(Interpreter[_Map]):
    """Collects layers, and for every map the layers whose outputs it consists of.

    Args:
        apart: Which norms, counted in the order of their calls, go into no layer.
    """

    def __init__(self, apart: frozenset[int]) -> None:
        super().__init__()
        self.layers: list[LayerJSON] = []
        self.unsupported: Counter[str] = Counter()
        self._leaf: tuple[str, nn.Module] | None = None  # the module of torch's at work
        self._whole: Call | None = None  # the function that is taken apart
        self._apart, self._n_norms = apart, 0
        self._folded: dict[int, Readers] = {}

    @property
    def folded_in_vain(self) -> frozenset[int]:
        """Norms that went into layers whose output something else reads as it is."""
        return frozenset(n for n, readers in self._folded.items() if readers.others())

    @contextmanager
    def naming(self, network: nn.Module) -> Iterator[None]:
        """Hooks that tell which of torch's own modules is at work, removed at the end."""
        leaves = {m: name for name, m in network.named_modules() if is_leaf(m)}

        def enter(module: nn.Module, inputs: Any) -> None:
            self._leaf = leaves[module], module

        def leave(module: nn.Module, inputs: Any, output: Any) -> None:
            self._leaf = None

        handles = [module.register_forward_pre_hook(enter) for module in leaves]
        handles += [module.register_forward_hook(leave) for module in leaves]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def meet(self, call: Call, rule: Rule, maps: list[Tensor]) -> Any:
        if rule is UNKNOWN:
            return self._taken_apart(call)
        return self._met(call, rule, maps)

    def _met(self, call: Call, rule: Rule, maps: list[Tensor]) -> Any:
        """Call the function, and note what it wrote."""
        if rule.role is Role.NORM and self._of_batch(call):
            result = call.arguments[0].clone()  # one item has no statistics; sizes are enough
        else:
            result = call()
        if rule.role is Role.CONSTANT:
            return result

        outs = list(tensors(result))
        if rule.role not in (Role.CHANNELS, Role.ADDRESSING):
            self.read(maps)
        for out in outs[:1] if rule.role is Role.WORK else outs:
            self._written(Site(self._name(call), tuple(maps), out), call, rule)
        for out in outs[1:]:  # of one and the same work
            if self.note(out) is None:
                self.put(out, self._notes[outs[0]])
        return result

    def _taken_apart(self, call: Call) -> Any:
        """Call a function without a rule, and meet the operators that it consists of."""
        outer, self._whole = self._whole, self._whole or call
        n_layers, listed = len(self.layers), Counter(self.unsupported)
        try:
            with Operators(self.operator):
                result = call()
        finally:
            self._whole = outer

        # If nothing of it has a shape, it is the function that is looked for, not its parts.
        if len(self.layers) == n_layers and self.unsupported != listed:
            self.unsupported = listed
            self.unsupported[self._described(call)] += 1
        return result

    def operator(self, call: Call, rule: Rule) -> Any:
        """An operator within a function that has no rule."""
        maps = [x for x in call.tensors if self.note(x) is not None]
        return self._met(call, rule, maps) if maps else call()

    def _name(self, call: Call) -> str:
        return self._leaf[0] if self._leaf else (self._whole or call).name

    def _written(self, site: Site, call: Call, rule: Rule) -> None:
        """A map that a function wrote."""
        sources, foldable = self._read(site.maps), self._foldable(site.maps)
        if rule.role in (Role.CHANNELS, Role.ADDRESSING):
            if self.note(site.out) is None:  # what returns its argument as it is says nothing
                kept = foldable and rule.role is Role.CHANNELS
                self.put(site.out, _Map(sources, self._readers(site), kept))
        elif rule.role is Role.ACTIVATION:
            self.put(site.out, _Map(sources))
        elif rule.role is Role.NORM and self._folds(site, call, foldable):
            for index in sources:
                self.layers[index]["bias"] = True
            self.put(site.out, _Map(sources, Readers(site.out.numel()), foldable=True))
        else:
            self._work(site, call, rule)

    def _folds(self, site: Site, call: Call, foldable: bool) -> bool:
        """Whether this norm goes into the layers before it."""
        self._n_norms += 1
        if not foldable or self._n_norms in self._apart or self._of_batch(call):
            return False
        self._folded[self._n_norms] = self._readers(site)
        return True

    def read(self, maps: Iterable[Tensor]) -> None:
        """Maps are read, by a norm or by whatever else wants their values."""
        for note in map(self.note, maps):
            if note is not None and note.readers is not None:
                note.readers.read()

    def _work(self, site: Site, call: Call, rule: Rule) -> None:
        """Layers of their own, or work that has no shape."""
        found = rule.layer(site, *call.arguments, **call.options) if rule.layer else None
        if found is None:
            self.unsupported[self._described(call)] += 1
            self.put(site.out, _Map(self._read(site.maps)))
            return

        layers = found if isinstance(found, list) else [found]
        inputs = self._inputs(site, layers[0])
        for layer in layers:
            self.layers.append({**layer, "inputs": list(inputs)})
            inputs = (len(self.layers) - 1,)
        if layers[-1]["kind"] in ("conv", "linear"):
            self.put(site.out, _Map(inputs, Readers(site.out.numel()), foldable=True))
        else:
            self.put(site.out, _Map(inputs))

    def _inputs(self, site: Site, layer: LayerJSON) -> tuple[int, ...]:
        """What a layer reads; a sum term by term: what has parts is joined in a layer first."""
        if layer["kind"] == "add":
            return tuple(self._joined(x) for x in site.maps)
        return self._read(site.maps)

    def _joined(self, x: Tensor) -> int:
        """The one layer that a term of a sum is."""
        sources = self._read([x])
        if len(sources) == 1:
            return sources[0]
        layer = forms.between("concat", "joined", x.shape, x.shape)
        self.layers.append({**layer, "inputs": list(sources)})
        return len(self.layers) - 1

    def _described(self, call: Call) -> str:
        """What has no shape, by the name that a user can look for."""
        if self._leaf and (self._whole is None or self._whole is call):
            name, module = self._leaf
            return f"module {name!r} ({type(module).__name__})"
        return f"function {call.name.removeprefix('safe_')!r}"  # a softmax by two names

    @staticmethod
    def _of_batch(call: Call) -> bool:
        return rules.norm_of_batch(*call.arguments, **call.options)

    def _read(self, maps: Sequence[Tensor]) -> tuple[int, ...]:
        """Layers that maps consist of, each once."""
        notes = [note for note in map(self.note, maps) if note is not None]
        return tuple(dict.fromkeys(index for note in notes for index in note.sources))

    def _readers(self, site: Site) -> Readers:
        """Of what is made of maps."""
        notes = (note for note in map(self.note, site.maps) if note is not None)
        known = [note.readers for note in notes if note.readers is not None]
        return Readers(site.out.numel(), known)

    def _foldable(self, maps: Sequence[Tensor]) -> bool:
        return all(note is not None and note.foldable for note in map(self.note, maps))


def is_leaf(module: nn.Module) -> bool:
    """Whether it is torch's own and holds no other: layers that it calls bear its name."""
    own = type(module).__module__.startswith("torch.nn.")
    weighty = isinstance(module, (nn.Conv2d, nn.Linear))
    alone = not any(True for _ in module.children())
    return isinstance(module, nn.MultiheadAttention) or ((own or weighty) and alone)
