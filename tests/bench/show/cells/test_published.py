"""Published numbers: every cell is of a recipe, a preset and a method of ours."""

import pytest

from cgap_bench.errors import UnknownNameError
from cgap_bench.learn.method import METHODS, check_scenario
from cgap_bench.learn.network import build_network
from cgap_bench.run.recipe import load_recipe
from cgap_bench.run.resolver import resolve
from cgap_bench.run.seeds import parse_seeds
from cgap_bench.show.cells.published import cells, find_cell


def test_there_are_forty_cells_or_more_and_a_name_leads_to_one():
    assert len(cells()) >= 40
    cell = find_cell("hsu-mnist/task/ewc")
    assert (cell.number.value, cell.number.spread) == (97.70, 0.81)
    assert cell.command == "cgap-cl reproduce hsu-mnist/task/ewc"
    with pytest.raises(UnknownNameError, match="did you mean 'hsu-mnist/task/ewc'"):
        find_cell("hsu-mnist/task/ewcc")


@pytest.mark.parametrize("name", cells())
def test_every_cell_resolves_to_runs_that_can_be_made(name):
    cell = cells()[name]
    assert cell.method in METHODS.names()
    benchmark, recipe = load_recipe(cell.table.benchmark)
    resolver = resolve(benchmark, recipe, cell.preset, cell.overrides)
    config = resolver.config(cell.method, 0)
    if not cell.why_not:
        check_scenario(config)
    refuses = METHODS[cell.method].refuses
    if refuses is not None:
        network = build_network(config.network, (3, 32, 32), 2)
        assert bool(refuses(network)) == ("plain chain" in cell.why_not)
    assert len(parse_seeds(cell.table.seeds)) >= 5
    assert 0 < cell.number.value < 100
