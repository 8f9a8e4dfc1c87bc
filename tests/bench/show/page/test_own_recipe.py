"""A user's own recipe on the page: what it says of itself, its tasks, its command."""

import re

import pytest

from cgap_bench.record.configuration import Origin
from cgap_bench.show.comparison import comparisons
from cgap_bench.show.page.page import html_page


@pytest.fixture
def own(some_records):
    """The records as runs of a recipe of one's own, on named classes."""
    names = {"class_names": ["ash", "<b>beech</b>", "cedar", "fir", "oak", "yew"]}
    facts = {"classes": [[0, 1], [2, 3], [5, 4]], "extra": names}
    origin = Origin(file="recipes/mine.toml", description="my photographs")

    def made(record, **changes):
        config = record.config.model_copy(update={"origin": origin})
        return record.model_copy(update={"config": config, **facts, **changes})

    return [made(record) for record in some_records], made


def test_tasks_description_and_command(own, platform, tmp_path):
    page = html_page(comparisons(own[0], platform), tmp_path / "my-results")
    assert "<p>my photographs</p>" in page
    assert "<li>task 1: ash, &lt;b&gt;beech&lt;/b&gt;</li>" in page
    assert "<li>task 3: yew, oak</li>" in page
    (command,) = re.findall(r"Made by <code>(cgap-cl run .*?)</code>", page)
    assert command == (
        "cgap-cl run recipes/mine.toml --preset standard --methods cgap,ewc,fixed --seeds 0-2"
        " --output my-results"
    )


def test_runs_of_several_orders_have_no_tasks_in_common(own, platform):
    records, made = own
    other = made(records[0], classes=[[5, 1], [2, 3], [0, 4]])
    (one,) = comparisons([other, *records[1:]], platform)
    assert one.tasks_in_words == []


def test_the_command_of_runs_that_do_not_say_where_their_recipe_was(some_records, platform):
    (one,) = comparisons(some_records, platform)
    assert one.command.startswith("cgap-cl run toy.toml --preset standard")
    ours = [
        record.model_copy(
            update={"config": record.config.model_copy(update={"benchmark": "split-digits"})}
        )
        for record in some_records
    ]
    (one,) = comparisons(ours, platform)
    assert one.command.startswith("cgap-cl run split-digits --preset standard")


def test_the_command_sets_what_all_runs_had_set(some_records, platform):
    """In whatever order; what some had set is hinted at, what a lost method had is left out."""

    def end(*overrides):
        runs = []
        for record, own in zip(some_records, overrides, strict=True):
            config = record.config.model_copy(update={"overrides": own})
            runs.append(record.model_copy(update={"config": config}))
        (one,) = comparisons(runs, platform)
        return one.command.partition(" --seeds 0-2")[2]

    n, both = len(some_records) - 1, ("training.epochs=60", "ewc.names=[1, 2]")
    told = " --set training.epochs=60 --set 'ewc.names=[1, 2]'"
    some = " --set (what was set for some of the runs)"
    assert end(both, *[both[::-1]] * n) == told
    assert end(both, *[both[:1]] * n) == f" --set training.epochs=60{some}"
    assert end(both, *[()] * n) == some
    assert end(*[("gone.strength=3",)] * (n + 1)) == ""
    assert end(*[()] * (n + 1)) == ""
