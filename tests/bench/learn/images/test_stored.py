"""Images in files are what the tensor would hold, read a few at a time."""

import pytest
import torch

from cgap_bench.errors import UsageError
from cgap_bench.learn.images.resizing import ResizedImages, resized
from cgap_bench.learn.images.stored import (
    PART_BYTES,
    FileImages,
    JoinedImages,
    in_parts,
    kept_in,
)

ROWS = torch.tensor([4, 0, 4, 2])


def random_images(n=5, channels=3, size=6):
    shape = (n, channels, size, size)
    return torch.randint(
        0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(n)
    )


@pytest.fixture
def stored(tmp_path):
    def store(images):
        return kept_in(tmp_path / f"{len(images)}.u8", images.shape, images.split(2))

    return store


def test_rows_of_a_file_come_in_the_order_asked_for(stored):
    images = random_images()
    in_file = stored(images)
    assert in_file.shape == images.shape
    assert len(in_file) == 5
    assert in_file[ROWS].equal(images[ROWS])
    assert in_file[ROWS[:0]].shape == (0, 3, 6, 6)
    assert in_file.tensor().equal(images)


def test_images_are_written_once_and_again_where_the_file_is_short(tmp_path):
    path, images = tmp_path / "new" / "some.u8", random_images()
    kept_in(path, images.shape, [images])
    assert kept_in(path, images.shape, iter(lambda: 1 / 0, None)).tensor().equal(images)
    path.write_bytes(path.read_bytes()[:-1])
    assert kept_in(path, images.shape, [images]).tensor().equal(images)
    assert list(path.parent.iterdir()) == [path]


def test_what_fails_while_it_is_written_leaves_nothing(tmp_path):
    def parts():
        yield random_images()
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        kept_in(tmp_path / "some.u8", (10, 3, 6, 6), parts())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["removed", "cut"])
def test_a_file_that_is_gone_or_cut_is_one_line(stored, damage):
    in_file = stored(random_images())
    if damage == "removed":
        in_file.path.unlink()
    else:
        in_file.path.write_bytes(in_file.path.read_bytes()[:-1])
    with pytest.raises(UsageError, match=r"5\.u8 cannot be read any more: ") as caught:
        in_file[ROWS]
    assert "\n" not in str(caught.value)


def test_no_images_are_an_empty_tensor(tmp_path):
    images = kept_in(tmp_path / "none.u8", (0, 3, 6, 6), [])
    assert images.tensor().shape == (0, 3, 6, 6)


@pytest.mark.parametrize("size", [4, 9])
def test_images_are_resized_when_they_are_read(stored, size):
    images = random_images()
    lazily = resized(stored(images), size)
    assert isinstance(lazily, ResizedImages)
    assert lazily.shape == (5, 3, size, size)
    assert lazily[ROWS].equal(resized(images, size)[ROWS])
    assert lazily.tensor().equal(resized(images, size))


def test_images_of_the_size_asked_for_are_not_copied(stored):
    images = random_images()
    assert resized(images, 6) is images
    assert isinstance(resized(stored(images), 6), FileImages)


def test_several_are_read_as_one_and_grey_ones_get_equal_channels(stored):
    coloured, grey, rows = random_images(5), random_images(4, 1), torch.tensor([8, 1, 5, 0])
    together = torch.cat([coloured, grey.expand(-1, 3, -1, -1)])
    for parts in ([coloured, grey], [stored(coloured), stored(grey)], [stored(coloured), grey]):
        joined = JoinedImages(parts)
        assert joined.shape == (9, 3, 6, 6)
        assert joined[rows].equal(together[rows])
        assert joined.tensor().equal(together)


def test_parts_are_small_and_together_are_all(stored):
    images = random_images(50, 3, 256)
    for some in (images, stored(images)):
        parts = list(in_parts(some))
        assert len(parts) > 1
        assert max(part.numel() for part in parts) <= PART_BYTES
        assert torch.cat(parts).equal(images)
        assert torch.cat(list(in_parts(some, 3))).equal(images[::3])
