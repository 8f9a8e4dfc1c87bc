"""Which runs a command stands for: variants of a preset beside the plain runs, alone or not."""

import pytest

from cgap_bench.commands.asked import Asked
from cgap_bench.errors import UnknownNameError, UsageError


def asked(which, methods="cgap,shaped-warm", preset="ten"):
    """Method and variant of each run of one seed, in order."""
    request = Asked("split-cifar100", preset, None, methods, "17", variants=which)
    return [(job.config.method, job.config.variant) for job in request.job_list()]


PLAIN = [("cgap", ""), ("shaped-warm", "")]


def test_variants_of_the_methods_asked_for_come_after_the_plain_runs():
    everything = asked("all")
    assert everything[:2] == PLAIN == asked("none")
    assert {method for method, _ in everything[2:]} == {"cgap", "shaped-warm"}
    assert all(variant for _, variant in everything[2:])
    assert all(method == "cgap" for method, _ in asked("all", "cgap"))


def test_variants_alone_bring_the_run_that_they_are_sized_by():
    varied = asked("all")[2:]
    assert asked("only") == [PLAIN[0], *varied]
    assert asked("only", "cgap") == [one for one in varied if one[0] == "cgap"]


def test_refuses_variants_where_there_are_none():
    with pytest.raises(UsageError, match="--variants only: the preset has none of these"):
        asked("only", "fixed")
    with pytest.raises(UsageError, match="--variants only"):
        asked("only", preset="standard")


def test_refuses_what_it_does_not_know():
    with pytest.raises(UnknownNameError, match="unknown variants 'some'"):
        asked("some")
