"""Held-out quality stops growth and pruning."""

from cgap_cl.decide.watch import Quality, Watch


def test_watch_stops_growth_and_pruning():
    watch, plateaus = Watch(), []
    for loss in (1.0, 0.9, 0.95, 0.9, 0.5):
        watch = watch.grown(Quality(loss, 0.5))
        plateaus.append(watch.plateau(patience=2))
    assert plateaus == [False, False, False, True, False]
    low = []
    for accuracy in (0.8, 0.75, 0.69):
        watch = watch.pruned(Quality(1.0, accuracy))
        low.append(watch.too_low(Quality(1.0, accuracy), tolerance=0.1))
    assert low == [False, False, True]
    assert not watch.too_low(Quality(1.0, 0.0), tolerance=None)
