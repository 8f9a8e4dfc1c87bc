"""What can be chosen, listed."""

import pytest


@pytest.mark.parametrize(
    ("what", "name"),
    [
        ("benchmarks", "split-digits"),
        ("methods", "fixed-equal"),
        ("networks", "alexnet-gpm"),
        ("boards", "zcu10"),
    ],
)
def test_list(run, what, name):
    result = run("list", what)
    assert result.exit_code == 0
    assert name in result.output


def test_list_of_something_else(run):
    result = run("list", "board")
    assert result.exit_code == 2
    assert "unknown list 'board'; did you mean 'boards'?" in result.output


def test_without_a_word_everything_is_listed(run):
    whole = run("list").output
    for what in ("benchmarks", "methods", "networks", "boards", "cells"):
        assert f"# {what}\n{run('list', what).output.strip()}" in whole
