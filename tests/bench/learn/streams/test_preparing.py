"""Images at the size and the scale of values that a stream asks for."""

from dataclasses import replace

import pytest
import torch

from cgap_bench.errors import UsageError
from cgap_bench.learn.dataset import DATASETS, data_root
from cgap_bench.learn.streams import build_stream
from cgap_bench.record.configuration import StreamSettings


def digits(**settings):
    own = StreamSettings(**({"dataset": "digits", "n_experiences": 5} | settings))
    return build_stream(own, 0.1, 0, data_root())


def test_small_images_are_framed_in_black_and_large_ones_averaged():
    plain, framed, reduced = digits(), digits(size=12), digits(size=4)
    assert framed.train.images[:, :, 2:10, 2:10].equal(plain.train.images)
    assert int(framed.train.images.sum()) == int(plain.train.images.sum())
    corner = plain.train.images[0, 0, :2, :2].double().mean()
    assert reduced.train.images[0, 0, 0, 0] == pytest.approx(corner, abs=0.5)
    assert reduced.input_shape == (1, 4, 4)


def test_unit_scale_divides_by_the_largest_byte():
    stream = digits(pixel_scale="unit")
    image, _ = stream.train[3]
    assert image.equal(stream.train.images[3].float() * (1 / torch.tensor(255.0)))


@pytest.mark.parametrize("std", [0.0, 1e-300])
def test_a_channel_that_is_the_same_everywhere_is_one_line_and_no_nan(std, monkeypatch):
    data = DATASETS["digits"].load(data_root())
    pixels = (data.train_images.repeat(1, 2, 1, 1), data.test_images.repeat(1, 2, 1, 1))
    for images in pixels:
        images[:, 1] = 7
    flat = replace(data, train_images=pixels[0], test_images=pixels[1], std=(5.0, std))
    flat = replace(flat, mean=(4.0, 7.0))
    changed = replace(DATASETS["digits"], load=lambda root: flat)
    monkeypatch.setitem(DATASETS._entries, "digits", changed)
    with pytest.raises(UsageError) as caught:
        digits()
    said = f"dataset digits: std is {std} in channel 2 of 2, as if it were the same in all"
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)
    image, _ = digits(pixel_scale="unit").train[0]  # as the message says
    assert image.isfinite().all()


def test_several_datasets_are_tasks_of_one_stream_each_with_its_own_scale():
    stream = digits(dataset="digits+digits", n_experiences=2, cut="groups")
    data = DATASETS["digits"].load(data_root())
    assert stream.classes == (tuple(range(10)), tuple(range(10, 20)))
    assert stream.n_outputs == 10
    last = len(data.train_images) + 5
    image, target = stream.train[last]
    assert target == int(data.train_targets[5])
    expected = (data.train_images[5].float() - data.mean[0]) / data.std[0]
    assert torch.allclose(image, expected, atol=1e-5)
