"""Networks by what a user names."""

import pytest

from cgap_bench.errors import UsageError
from cgap_bench.record.store import write_record
from cgap_bench.shapes.sources import load_source


def test_a_record_gives_a_network_a_task(make_record, tmp_path):
    source = load_source(str(write_record(make_record(widths=[1, 2, 3]), tmp_path)))
    assert list(source.networks) == ["cgap, task 1", "cgap, task 2", "cgap, task 3"]
    macs = [sum(layer.macs for layer in layers) for layers in source.networks.values()]
    assert macs == [596, 2 * 596, 3 * 596]
    assert source.unsupported == {}


def test_a_network_of_torchvision_lists_what_it_cannot_price():
    source = load_source("torchvision:swin_v2_t")
    assert source.unsupported == {"function 'softmax'": 12}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("net.txt", "torchvision:resnet18"),
        ("torchvision:resnet81", "did you mean 'resnet18'"),
        ("absent.json", "cannot read absent.json"),
        ("absent.onnx", "no such file: absent.onnx"),
    ],
)
def test_what_is_not_there_is_named(text, named):
    with pytest.raises(UsageError, match=named):
        load_source(text)
