"""Views: shuffled pixels, and rotations as Pillow does them."""

import numpy as np
import torch
from PIL import Image

from cgap_bench.learn.streams.store import ImageStore, ViewStore
from cgap_bench.learn.streams.views import permutations, rotations


def test_every_view_is_another_order_of_all_pixels_and_the_seed_decides():
    views = permutations(3, 20, seed=5)
    assert all(sorted(view.tolist()) == list(range(20)) for view in views)
    assert len({tuple(view.tolist()) for view in views}) == 3
    assert views.equal(permutations(3, 20, seed=5))
    assert not views.equal(permutations(3, 20, seed=6))
    assert permutations(2, 20, seed=5).equal(views[:2])  # more tasks leave the first ones


def test_a_rotated_view_is_what_pillow_makes_of_the_image():
    pixels = np.random.default_rng(0).integers(1, 256, (9, 9), dtype=np.uint8)
    store = ImageStore(torch.from_numpy(pixels)[None, None], torch.tensor([0]), (0.0,), (1.0,))
    angles = [0.0, 30.0, 90.0]
    views = ViewStore(store, rotations(angles, 9, 9))
    for row, angle in enumerate(angles):
        expected = np.array(Image.fromarray(pixels).rotate(angle))
        assert (views.pixels(torch.tensor([row]))[0, 0].numpy() == expected).all()
    assert (views.pixels(torch.tensor([1])) == 0).any()  # corners come from outside
