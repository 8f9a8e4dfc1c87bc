"""Batches: every image once, the same for a seed, cropped and flipped, in order."""

from dataclasses import replace

import torch
from torch import Generator

from cgap_bench.learn.batches import CROP_PADDING, BatchSource, TensorLoader, crop_and_flip
from cgap_bench.learn.dataset import data_root
from cgap_bench.learn.streams import build_stream
from cgap_bench.record.configuration import Augmentation, MemoryFormat, StreamSettings


def digits(holdout_share=0.1, seed=0, **settings):
    return build_stream(
        StreamSettings(**({"dataset": "digits", "n_experiences": 5} | settings)),
        holdout_share,
        seed,
        data_root(),
    )


def source(stream, augment=Augmentation.NONE, seed=0):
    return BatchSource(stream.train, augment, Generator().manual_seed(seed))


def test_batches_come_in_the_memory_format_asked_for():
    stream = build_stream(
        StreamSettings(dataset="digits", n_experiences=5), 0.1, 0, data_root()
    )
    dataset = stream.benchmark.train_stream[0].dataset
    plain, last = (
        next(iter(TensorLoader(dataset, replace(source(stream), memory_format=f), 32, True)))[0]
        for f in (MemoryFormat.CONTIGUOUS, MemoryFormat.CHANNELS_LAST)
    )
    assert torch.equal(plain, last)
    assert plain.is_contiguous()
    assert last.is_contiguous(memory_format=torch.channels_last)


def test_loader_gives_every_image_once_equal_to_the_dataset_itself():
    stream = digits()
    dataset = stream.benchmark.train_stream[2].dataset
    images = torch.stack([dataset[i][0] for i in range(len(dataset))])
    loader = TensorLoader(dataset, source(stream), 32, train=False)
    batches = list(loader)
    assert len(batches) == len(loader)
    assert torch.equal(torch.cat([x for x, _, _ in batches]), images)
    assert torch.cat([y for _, y, _ in batches]).tolist() == list(dataset.targets.data)
    assert set(torch.cat([t for _, _, t in batches]).tolist()) == {2}
    shuffled = torch.cat([x for x, _, _ in TensorLoader(dataset, source(stream), 32, True)])
    assert not torch.equal(shuffled, images)
    assert torch.equal(shuffled.sum(0), images.sum(0)) or torch.allclose(
        shuffled.sum(0), images.sum(0), atol=1e-3
    )


def test_same_seed_same_batches():
    stream = digits()
    dataset = stream.benchmark.train_stream[0].dataset
    for augment in Augmentation:
        one, two, three = (
            torch.cat(
                [x for x, _, _ in TensorLoader(dataset, source(stream, augment, s), 32, True)]
            )
            for s in (0, 0, 1)
        )
        assert torch.equal(one, two)
        assert not torch.equal(one, three)


def test_a_last_training_batch_of_one_image_is_left_out():
    stream = digits()
    dataset = stream.benchmark.train_stream[0].dataset.subset(range(33))
    train = TensorLoader(dataset, source(stream), 32, train=True)
    assert [len(y) for _, y, _ in train] == [32]
    assert len(train) == 1
    assert [len(y) for _, y, _ in TensorLoader(dataset, source(stream), 32, False)] == [32, 1]


def test_crops_are_shifted_copies_and_about_half_are_flipped():
    images = torch.arange(1, 65).view(1, 1, 8, 8).repeat(200, 1, 1, 1).to(torch.uint8)
    out = crop_and_flip(images, Generator().manual_seed(0))
    padded = torch.nn.functional.pad(images[0, 0], (CROP_PADDING,) * 4)
    windows = padded.unfold(0, 8, 1).unfold(1, 8, 1).reshape(-1, 8, 8)
    plain = (out[:, 0, None] == windows[None]).flatten(2).all(2).any(1)
    flipped = (out[:, 0, None].flip(3) == windows[None]).flatten(2).all(2).any(1)
    assert (plain | flipped).all()
    assert 60 < flipped.sum() < 140
    assert torch.unique(out[~flipped], dim=0).shape[0] > 40
