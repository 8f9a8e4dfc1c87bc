"""CORe50: sessions are domains, three of them for test, categories are groups."""

import numpy as np
import pytest
from PIL import Image

from cgap_bench.errors import UsageError
from cgap_bench.learn.dataset import DATASETS
from cgap_bench.learn.streams import build_stream
from cgap_bench.record.configuration import StreamSettings


@pytest.fixture
def tiny_core50(tmp_path):
    """One frame of each thing in each session; its grey value is the session."""
    for session in range(1, 12):
        frame = Image.fromarray(np.full((32, 32, 3), session, dtype=np.uint8))
        for thing in range(1, 51):
            folder = tmp_path / "core50_32x32" / f"s{session}" / f"o{thing}"
            folder.mkdir(parents=True)
            frame.save(folder / f"C_{session:02}_{thing:02}_000.png")
    return tmp_path


def test_sessions_are_experiences_that_share_one_test_set(tiny_core50):
    data = DATASETS["core50"].load(tiny_core50)
    assert data.groups[9] == (45, 46, 47, 48, 49)
    assert data.test_images.tensor().unique().tolist() == [3, 7, 10]

    own = StreamSettings(dataset="core50", n_experiences=8, cut="domains", scenario="domain")
    stream = build_stream(own, 0.0, 0, tiny_core50)
    for session, experience in zip((1, 2, 4, 5, 6, 8, 9, 11), stream.benchmark.train_stream):
        shown = stream.train.images[list(experience.dataset.rows.data)]
        assert shown.unique().tolist() == [session]
    assert [len(e.dataset) for e in stream.benchmark.test_stream] == [150] * 8


def test_a_thing_without_images_is_named(tiny_core50):
    (tiny_core50 / "core50_32x32" / "s4" / "o2" / "C_04_02_000.png").unlink()
    with pytest.raises(UsageError, match=r"s4/o2 has no images"):
        DATASETS["core50"].load(tiny_core50)
