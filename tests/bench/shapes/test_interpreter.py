"""Maps are followed from function to function; what is made of constants is not."""

import gc
import weakref

import torch

from cgap_bench.shapes.interpreter import Call, Interpreter, tensors


class Watch(Interpreter[str]):
    """Writes down the calls that read maps, and hands the first note on."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def meet(self, call, rule, maps):
        self.calls.append((call.name, [self.note(x) for x in maps]))
        result = call()
        for out in tensors(result):
            self.put(out, f"{self.note(maps[0])}+")
        return result


def test_only_what_reads_maps_is_met():
    watch, x, constant = Watch(), torch.ones(2, 3), torch.ones(3)
    watch.put(x, "x")
    with watch:
        weight = constant * 2
        y = x + weight
        torch.cat([y, x])
        weight.sum()
    assert watch.calls == [("add", ["x"]), ("cat", ["x+", "x"])]
    assert watch.note(weight) is None


def test_notes_go_with_their_tensors():
    watch, x = Watch(), torch.ones(2)
    watch.put(x, "x")
    gone = weakref.ref(x)
    del x
    gc.collect()
    assert gone() is None
    assert watch.note(torch.ones(2)) is None


def test_in_place_work_is_told_by_its_spelling():
    for function, in_place in (
        (torch.Tensor.add_, True),
        (torch.Tensor.__iadd__, True),
        (torch.Tensor.__add__, False),
        (torch.Tensor.add, False),
    ):
        assert Call(function, ()).in_place == in_place
