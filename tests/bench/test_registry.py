"""Names: each stands for one thing, and who has taken one is told."""

import pytest

from cgap_bench.errors import UsageError
from cgap_bench.registry import Place, Registry


def test_a_name_that_is_taken_is_told_where_anything_is_looked_up():
    registry = Registry("thing")
    registry.add("mine", 1)
    registry.add("mine", 2)  # a script could not tell this in one line
    for look in (registry.names, lambda: registry["mine"]):
        with pytest.raises(UsageError) as caught:
            look()
        said = str(caught.value)
        assert said.startswith("thing 'mine' is registered twice: in ")
        assert said.count("test_registry.py, line 1") == 2
        assert said.endswith("; choose another name")


def test_a_name_of_the_packages_own_is_the_users_to_change(monkeypatch):
    """Whichever comes first: the package registers its own when anything is looked up."""
    registry = Registry("thing")
    registry.add("ours", 1)
    monkeypatch.setattr("cgap_bench.registry._caller", lambda: Place(__file__, 7, "mine"))
    ours = Place(str(__import__("cgap_bench").__file__), 3, "cgap_bench")
    registry._places["ours"] = ours
    registry.add("ours", 2)
    assert ", line 7, and by the package itself; " in registry._mistake


def test_a_script_that_is_imported_under_its_other_name_registers_once():
    registry = Registry("thing")
    code = compile("registry.add('mine', 1)", "mine.py", "exec")
    for name in ("__main__", "mine"):
        exec(code, {"registry": registry, "__name__": name})
    assert registry["mine"] == 1


def test_what_is_not_the_packages_own_is_checked():
    def check(what, value):
        raise UsageError(f"{what} is {value}")

    registry = Registry("thing", check=check)
    registry.add("mine", 3)
    with pytest.raises(UsageError, match=r"^thing mine \(.*test_registry.py, line \d+\) is 3$"):
        registry["mine"]
