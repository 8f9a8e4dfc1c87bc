"""Rehearsal as methods: what is stored, what inference executes, how it forgets."""

import pytest


@pytest.mark.parametrize("name", ["cgap", "replay", "der++", "agem", "gem", "icarl"])
def test_stored_images_are_counted(name, tiny, run):
    record = run(tiny(name, own={"memory": 30}))
    # balanced memories: thirty for five classes, then three for each of ten
    assert record.extra["stored_images"] == [30, 30]


def test_inference_executes_the_plain_network(records):
    for name in ("replay", "der++", "agem", "gem", "lwf"):
        assert set(records[name].networks) == set(records["fixed"].networks)
    (layers,) = records["icarl"].networks.values()
    assert layers[-1]["n_out"] == 5
    assert layers[-1]["bias"] is False  # class means


@pytest.mark.parametrize("name", ["replay", "der++"])
def test_rehearsal_forgets_less_than_plain_training(name, tiny, run):
    plain, rehearsed = (run(tiny(m, epochs=6)).accuracy[1][0] for m in ("fixed", name))
    assert rehearsed > plain + 0.1


def test_old_images_are_augmented_as_new_ones_are(tiny, run):
    plain, varied = (
        run(tiny("replay", augment=augment)).accuracy for augment in ("none", "crop-flip")
    )
    assert plain != varied
