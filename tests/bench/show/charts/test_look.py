"""One look a method, told apart without colour, visible on white and on black."""

from cgap_bench.show.charts.look import COLOURS, KNOWN, encoded, looks_of


def luminance(colour):
    """Relative luminance, WCAG 2.1."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [x / 12.92 if x <= 0.03928 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def deuteranope(colour):
    """Linear RGB as seen without M cones: Viénot, Brettel and Mollon (1999)."""
    parts = [(int(colour[i : i + 2], 16) / 255) ** 2.2 for i in (1, 3, 5)]
    red_green = 0.29275 * parts[0] + 0.70725 * parts[1]
    blue = -0.02234 * parts[0] + 0.02234 * parts[1] + parts[2]
    return red_green, blue


def test_a_method_looks_the_same_whatever_it_is_compared_with():
    assert looks_of(["ewc", "cgap"])["ewc"] == looks_of(["warm", "ewc", "mine"])["ewc"]


def test_methods_differ_without_colour_as_far_as_there_are_shapes():
    shapes = [shape for _, shape in looks_of(KNOWN[:7]).values()]
    assert len(set(shapes)) == 7


def test_thirty_rows_have_thirty_looks():
    names = [f"cgap (beta={i})" for i in range(30)]
    assert len(set(looks_of(names).values())) == 30


def test_colours_are_visible_in_both_themes():
    for colour in COLOURS:
        assert contrast(colour, "#ffffff") > 2.0, colour
        assert contrast(colour, "#15171b") > 3.0, colour


def test_the_methods_of_the_readme_differ_to_the_colour_blind():
    """Each pair differs in hue, or clearly in brightness, or else in shape."""
    looks = looks_of(KNOWN[:7])
    for a in looks:
        for b in looks:
            (one, shape), (other, other_shape) = looks[a], looks[b]
            near = max(abs(x - y) for x, y in zip(deuteranope(one), deuteranope(other)))
            assert a == b or near > 0.02 or shape != other_shape


def test_domain_and_range_go_together():
    scale = encoded(["ewc", "cgap"])["color"]["scale"]
    assert scale["domain"] == ["cgap", "ewc"]
    assert scale["range"] == [COLOURS[0], COLOURS[5]]
