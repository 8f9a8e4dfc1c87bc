"""A user's own data: a folder, torchvision's, a function, an installed entry point."""

import sys
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

from cgap_bench.errors import UsageError
from cgap_bench.learn.dataset import ImageData
from cgap_bench.learn.datasets import own
from cgap_bench.learn.datasets.folder import mean_and_std
from cgap_bench.learn.datasets.named import find_dataset, load_data


def save(path, color, size=(20, 10)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size[1], size[0], 3), color, dtype=np.uint8)).save(path)


@pytest.fixture
def flowers(tmp_path):
    for name, color in (("rose", (200, 0, 0)), ("violet", (50, 0, 250))):
        for n in range(5):
            save(tmp_path / "flowers" / name / f"{n}.png", color)
    return tmp_path


def test_class_folders_are_split_by_position_and_decoded_once(flowers, monkeypatch):
    data = load_data("folder:flowers", 8, flowers)
    assert data.train_images.shape == (8, 3, 8, 8)
    assert data.test_targets.tolist() == [0, 1]
    assert data.train_images.tensor()[0, :, 3, 3].tolist() == [200, 0, 0]
    assert data.mean[0] == pytest.approx(125.0)

    test_images = data.test_images.tensor()
    monkeypatch.setattr("PIL.Image.open", lambda _path: 1 / 0)  # nothing is decoded again
    assert load_data("folder:flowers", 8, flowers).test_images.tensor().equal(test_images)


def test_a_file_that_changed_is_decoded_again(flowers):
    load_data("folder:flowers", 8, flowers)
    save(flowers / "flowers" / "rose" / "0.png", (1, 2, 3), size=(9, 9))
    data = load_data("folder:flowers", 8, flowers)
    assert data.train_images.tensor()[0, :, 3, 3].tolist() == [1, 2, 3]


def test_train_and_test_folders_are_taken_as_they_are(tmp_path):
    for split, n in (("train", 3), ("test", 2)):
        for name in ("a", "b"):
            for one in range(n):
                save(tmp_path / "own" / split / name / f"{one}.jpg", (9, 9, 9))
    data = load_data(f"folder:{tmp_path / 'own'}", None, tmp_path / "root")
    assert data.train_targets.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.test_images.shape == (4, 3, 32, 32)

    save(tmp_path / "own" / "test" / "c" / "0.jpg", (9, 9, 9))
    with pytest.raises(UsageError, match="c is a class without training images"):
        load_data(f"folder:{tmp_path / 'own'}", None, tmp_path / "root")


@pytest.mark.parametrize(("n", "said"), [(0, "no images"), (1, "1 image"), (4, "4 images")])
def test_a_class_folder_with_too_few_images_is_named(flowers, n, said):
    (flowers / "flowers" / "tulip").mkdir()
    for one in range(n):
        save(flowers / "flowers" / "tulip" / f"{one}.png", (9, 9, 9))
    folder = flowers / "flowers" / "tulip"
    with pytest.raises(UsageError) as caught:
        load_data("folder:flowers", 8, flowers)
    assert str(caught.value) == (
        f"class 'tulip' has {said} in {folder}; at least 5 are needed, because every fifth is"
        " for test"
    )


def test_a_class_that_one_split_lacks_is_named(tmp_path):
    for place in ("train/a", "train/b", "test/a"):
        save(tmp_path / "own" / place / "1.png", (9, 9, 9))
    with pytest.raises(
        UsageError, match=r"class 'b' has 1 image in .*train/b and no images in"
    ):
        load_data(f"folder:{tmp_path / 'own'}", None, tmp_path / "root")


def test_classes_have_the_names_of_their_folders_and_nothing_hidden_counts(flowers):
    save(flowers / "flowers" / ".thumbnails" / "0.png", (9, 9, 9))
    save(flowers / "flowers" / "rose" / "._0.png", (9, 9, 9))
    data = load_data("folder:flowers", 8, flowers)
    assert data.class_names == ("rose", "violet")
    assert len(data.train_images) == 8


def test_a_damaged_image_and_a_missing_folder_are_named(flowers):
    (flowers / "flowers" / "rose" / "9.png").write_bytes(b"nothing")
    with pytest.raises(UsageError, match=r"9\.png is no image that can be read"):
        load_data("folder:flowers", 8, flowers)
    with pytest.raises(UsageError, match="there is no folder trees"):
        load_data("folder:trees", None, flowers)


def test_a_folder_is_named_as_the_user_gave_it(flowers, monkeypatch):
    monkeypatch.chdir(flowers)
    with pytest.raises(UsageError, match=r"unknown dataset 'flowers'; .* folder:flowers"):
        find_dataset("flowers")
    root = flowers / "root"
    root.mkdir()
    assert load_data("folder:./flowers", 8, root).class_names == ("rose", "violet")
    (root / "flowers").mkdir()  # a folder of the data root comes first, but not for ./
    assert load_data("folder:./flowers", 8, root).class_names == ("rose", "violet")
    (root / "flowers").rmdir()
    monkeypatch.chdir(root)
    with pytest.raises(UsageError, match=r"^\. has no folders with images"):
        load_data("folder:.", 8, flowers)


@pytest.fixture
def module(monkeypatch):
    made = ModuleType("my_data")
    images, targets = torch.zeros(4, 1, 2, 2, dtype=torch.uint8), torch.tensor([0, 0, 1, 1])
    made.load = lambda root: ImageData(images, targets, images, targets, (0.0,), (1.0,))
    made.wrong, made.none, made.number = lambda: None, lambda root: None, 3
    monkeypatch.setitem(sys.modules, "my_data", made)
    return made


def test_a_function_of_a_module_brings_data(module):
    assert load_data("my_data:load", None, Path()).n_classes == 2


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("my_data:wrong", r"is called as \(root: Path\)"),
        ("my_data:none", "returned NoneType, not ImageData"),
        ("my_data:number", "is 3, not a function"),
        ("my_data:nothing", "has no attribute 'nothing'"),
        ("nowhere:load", "No module named 'nowhere'"),
        ("digitz", "did you mean 'digits'"),
    ],
)
def test_what_is_wrong_is_one_line(module, name, message, tmp_path):
    with pytest.raises(UsageError, match=message) as caught:
        load_data(name, None, tmp_path)
    assert "\n" not in str(caught.value)


PIXELS, CLASSES = torch.zeros(4, 1, 2, 2, dtype=torch.uint8), torch.tensor([0, 0, 1, 1])
RIGHT = ImageData(PIXELS, CLASSES, PIXELS, CLASSES, (0.0,), (1.0,))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"train_images": PIXELS.float()}, "train_images are float32, not uint8: pixels from"),
        ({"test_images": PIXELS[:, 0]}, "test_images have shape (4, 2, 2), not (N, C, H, W)"),
        ({"train_images": PIXELS.numpy()}, "train_images are of type ndarray, not a torch"),
        ({"train_targets": CLASSES.float()}, "train_targets are float32, not int64"),
        ({"train_targets": [0, 0, 1, 1]}, "train_targets are of type list, not a torch tensor"),
        ({"train_targets": CLASSES[:3]}, "train_targets have shape (3,), not one of 4 images"),
        ({"test_targets": CLASSES - 1}, "test_targets have -1; classes are counted from 0"),
        ({"train_domains": CLASSES[:2]}, "train_domains have shape (2,), not one of 4 images"),
        (
            {"test_images": PIXELS.expand(4, 3, 2, 2)},
            "train_images are (4, 1, 2, 2), test_images are (4, 3, 2, 2)",
        ),
        ({"mean": 0.0}, "mean is 0.0, not a number for each of the 1 channels, like (127.5,)"),
        ({"mean": (0.0, 0.0)}, "mean is (0.0, 0.0), not a number for each of the 1 channels"),
        ({"std": (float("nan"),)}, "std is (nan,), not a number for each"),
        ({"std": (-1.0,)}, "std is (-1.0,), which no deviation is"),
        ({"groups": ((0,), (2,))}, "groups have class 2, of 2 counted from 0"),
        ({"class_names": ("cat",)}, "1 class_names for 2 classes"),
    ],
)
def test_data_that_are_not_what_they_should_be_are_one_line(module, wrong, said):
    module.load = lambda root: replace(RIGHT, **wrong)
    with pytest.raises(UsageError) as caught:
        load_data("my_data:load", None, Path())
    assert str(caught.value).startswith("dataset my_data:load: ")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_images_of_any_size_are_right_where_they_are_brought_to_one(module):
    module.load = lambda root: replace(RIGHT, test_images=PIXELS.expand(4, 1, 2, 2)[..., :1])
    with pytest.raises(UsageError, match="test_images are"):
        load_data("my_data:load", None, Path())
    assert load_data("my_data:load", 8, Path()).n_classes == 2


def test_an_installed_entry_point_is_a_name_like_any_other(module, monkeypatch):
    point = EntryPoint("installed", "my_data:load", own.ENTRY_POINTS)
    monkeypatch.setattr(own, "entry_points", lambda group: [point])
    assert find_dataset("installed").load(Path()).n_classes == 2


def test_mean_and_deviation_are_those_of_torch():
    images = torch.randint(0, 256, (4500, 3, 8, 8), dtype=torch.uint8)
    pixels = images[::2].double()
    mean, std = mean_and_std(images)
    assert mean == tuple(pixels.mean((0, 2, 3)).tolist())
    assert std == pytest.approx(pixels.std((0, 2, 3)).tolist(), rel=1e-14)
