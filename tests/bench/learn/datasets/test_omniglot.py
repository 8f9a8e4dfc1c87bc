"""Omniglot: folders as the authors pack them, or one array; alphabets are its groups."""

import numpy as np
import pytest
from PIL import Image

from cgap_bench.learn.dataset import DATASETS

ALPHABETS = {"images_background": ("Latin", "Greek"), "images_evaluation": ("Aurek",)}


@pytest.fixture
def drawings():
    """Name -> image: three alphabets of two characters, five people's drawings of each."""
    rng = np.random.default_rng(0)
    return {
        f"{split}/{alphabet}/character{character:02}/0{character}_{person:02}.png": rng.choice(
            np.array([0, 255], dtype=np.uint8), (105, 105)
        )
        for split, alphabets in ALPHABETS.items()
        for alphabet in alphabets
        for character in (1, 2)
        for person in range(1, 6)
    }


@pytest.fixture
def as_folders(drawings, tmp_path):
    for name, image in drawings.items():
        path = tmp_path / "folders" / "omniglot-py" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return tmp_path / "folders"


@pytest.fixture
def as_array(drawings, tmp_path):
    folder = tmp_path / "array" / "omniglot-py"
    folder.mkdir(parents=True)
    names = list(reversed(drawings))  # the order in the file does not matter
    images = np.stack([drawings[name] for name in names])
    np.savez_compressed(folder / "omniglot.npz", images=images, names=np.array(names))
    return tmp_path / "array"


def test_folders_and_array_give_the_same_data(as_folders, as_array):
    left, right = (DATASETS["omniglot"].load(root) for root in (as_folders, as_array))
    assert (left.train_images == right.train_images).all()
    assert left.train_targets.tolist() == right.train_targets.tolist()
    assert left.groups == right.groups


def test_the_fifth_person_of_each_character_is_for_test_and_ink_is_bright(as_array, drawings):
    data = DATASETS["omniglot"].load(as_array)
    assert data.train_targets.bincount().tolist() == [4] * 6
    assert data.test_targets.bincount().tolist() == [1] * 6
    assert len(data.groups) == 3

    fifth = [name for name in sorted(drawings) if name.endswith("_05.png")]
    for image, name in zip(data.test_images, fifth):
        assert image.double().mean() == pytest.approx(255 - drawings[name].mean(), abs=2)
