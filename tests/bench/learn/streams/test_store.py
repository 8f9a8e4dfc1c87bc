"""Stores: what a row shows, and how it is normalised."""

import torch

from cgap_bench.learn.streams.store import ImageStore, MixedStore, ViewStore


def test_views_show_the_same_images_with_pixels_moved_and_black_from_outside():
    images = torch.tensor([[[[1, 2], [3, 4]]], [[[5, 6], [7, 8]]]], dtype=torch.uint8)
    store = ImageStore(images, torch.tensor([0, 1]), (2.0,), (2.0,))
    views = ViewStore(store, torch.tensor([[0, 1, 2, 3], [3, -1, 0, 0]]))
    assert len(views) == 4
    assert views.targets.tolist() == [0, 1, 0, 1]
    shown = views.pixels(torch.tensor([1, 2]))
    assert shown.flatten(1).tolist() == [[5, 6, 7, 8], [4, 0, 1, 1]]
    image, target = views[3]
    assert image.flatten().tolist() == [3.0, -1.0, 1.5, 1.5]  # (pixel - 2) / 2
    assert target == 1


def test_each_image_is_normalised_by_its_own_dataset_on_any_device():
    images = torch.full((2, 2, 1, 1), 10, dtype=torch.uint8)
    store = MixedStore(
        images,
        torch.tensor([0, 1]),
        [(10.0, 8.0), (0.0, 0.0)],
        [(1.0, 2.0), (10.0, 5.0)],
        torch.tensor([0, 1]),
    )
    for one in (store, store.to(torch.device("cpu"))):
        rows = torch.tensor([1, 0])
        normal = one.normalise(one.pixels(rows), rows).flatten(1)
        assert normal.tolist() == [[1.0, 2.0], [0.0, 1.0]]
