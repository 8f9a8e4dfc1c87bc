"""Streams from files show what streams from memory show."""

import pytest
import torch

from cgap_bench.learn.streams import build_stream
from cgap_bench.record.configuration import StreamSettings

KINDS = {
    "plain": {},
    "framed": {"size": 11},
    "averaged": {"size": 5},
    "permuted": {"cut": "permuted", "scenario": "domain"},
    "rotated": {"cut": "rotated", "scenario": "domain"},
    "two datasets": {"dataset": "digits+digits", "cut": "groups", "n_experiences": 2},
}


@pytest.mark.parametrize("kind", KINDS)
def test_stores_are_the_same_from_files(kind, tmp_path):
    own = {"dataset": "digits", "n_experiences": 5} | KINDS[kind]
    settings = StreamSettings(**own)
    streams = [build_stream(settings, 0.1, 0, tmp_path, most) for most in (None, 1000)]
    assert [stream.in_files for stream in streams] == [False, True]
    one, other = streams
    assert one.n_bytes == other.n_bytes
    assert one.input_shape == other.input_shape
    assert one.train.digest() == other.train.digest()
    rows = torch.randperm(len(one.train), generator=torch.Generator().manual_seed(0))[:40]
    for mine, theirs in ((one.train, other.train), (one.test, other.test)):
        batches = (rows % len(mine)).split(9)
        expected = [mine.pixels(batch) for batch in batches]
        for content, pixels in zip(theirs.pixels_in_turn(batches), expected, strict=True):
            assert content.equal(pixels)
        moved = theirs.to(torch.device("cpu"))
        assert moved.pixels(batches[0]).equal(expected[0])
        image, target = mine[int(batches[0][0])]
        assert theirs[int(batches[0][0])][0].equal(image)
        assert theirs[int(batches[0][0])][1] == target


def test_they_stay_in_memory_up_to_the_budget(tmp_path):
    settings = StreamSettings(dataset="digits", n_experiences=5)
    n = build_stream(settings, 0.1, 0, tmp_path).n_bytes
    assert not build_stream(settings, 0.1, 0, tmp_path, n).in_files
    assert not list(tmp_path.iterdir())
    assert build_stream(settings, 0.1, 0, tmp_path, n - 1).in_files
    written = list((tmp_path / "decoded").iterdir())
    assert len(written) == 2
    times = [path.stat().st_mtime_ns for path in written]
    build_stream(settings, 0.1, 0, tmp_path, n - 1)
    assert [path.stat().st_mtime_ns for path in written] == times  # not written again
