"""The width at which a network has a size."""

from cgap_bench.learn.sizes import width_for


def test_width_for_finds_the_nearest_step_of_the_staircase():
    def cost(width):
        return round(10 * width) ** 2

    for target in (1, 9, 11, 14, 60, 100):
        best = min(range(1, 11), key=lambda n: abs(n**2 - target))
        assert cost(width_for(target, cost)) == best**2
    assert width_for(1000, cost) == 1.0
