"""Recipes: each that comes with the package loads, a user's own too, mistakes are named."""

import pytest

from cgap_bench.errors import UsageError
from cgap_bench.record.configuration import Origin
from cgap_bench.run.recipe import Overlay, laid_over, load_recipe, origin_of
from cgap_bench.run.resolver import resolve


def test_a_users_own_recipe_is_accepted_and_its_mistakes_are_named(tmp_path):
    path = tmp_path / "mine.toml"
    text = 'default_preset = "a"\nseeds = "0"\nmethods = ["fixed"]\n[presets.a]\n'
    path.write_text(text + "[network]\nname = 'digits-cnn'\n")
    assert load_recipe(str(path))[0] == "mine"
    path.write_text(text + "[networks]\n")
    with pytest.raises(UsageError, match="unknown key 'networks'; did you mean 'network'"):
        load_recipe(str(path))
    path.write_text("not toml")
    with pytest.raises(UsageError, match=r"cannot read .*mine\.toml: Expected"):
        load_recipe(str(path))
    with pytest.raises(UsageError, match=r"missing\.toml"):
        load_recipe(str(tmp_path / "missing.toml"))


def test_quick_runs_of_five_datasets_need_no_more_than_they_name():
    _, quick = load_recipe("five-datasets")[1].preset(None)
    assert (quick.stream["dataset"], quick.stream["n_experiences"]) == ("cifar10+mnist", 2)
    assert "CIFAR-10 and MNIST" in quick.description


def test_presets_named_after_a_protocol_have_its_training():
    _, task = load_recipe("permuted-mnist")[1].preset("task")
    assert (task.training["optimizer"], task.training["lr"]) == ("adam", 1e-3)
    assert task.training_of["gpm"] == {"optimizer": "sgd", "lr": 0.01}
    _, domain = load_recipe("permuted-mnist")[1].preset("domain")
    assert (domain.training["lr"], domain.training_of) == (0.01, {})
    assert task.method["ewc"] != domain.method["ewc"]
    assert task.method["si"] != domain.method["si"]

    _, ten = load_recipe("split-tinyimagenet")[1].preset("ten")
    assert ten.network["name"] == "vgg-small"
    assert ten.training_of["mas"]["epochs"] == 50
    assert ten.training_of["lwf"]["epochs"] == 70


def test_tables_merge_key_by_key_and_all_else_is_replaced():
    below = {"a": {"b": 1, "c": [1, 2]}, "d": {"e": 1}}
    above = {"a": {"c": [3]}, "d": 4, "f": {"g": 5}}
    assert laid_over(below, above) == {"a": {"b": 1, "c": [3]}, "d": 4, "f": {"g": 5}}
    assert below == {"a": {"b": 1, "c": [1, 2]}, "d": {"e": 1}}


def test_a_mistake_in_a_preset_is_named_with_the_preset(tmp_path):
    path = tmp_path / "mine.toml"
    text = 'default_preset = "a"\nseeds = "0"\nmethods = ["fixed"]\n[presets.a]\nepoch = 3\n'
    path.write_text(text)
    with pytest.raises(UsageError, match=r"unknown key 'presets\.a\.epoch'"):
        load_recipe(str(path))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("seeds = 3", 'seeds=3 is not right: Input should be a valid string; like "0-2"'),
        ("orders = 2", 'orders=2 is not right: Input should be a valid string; like "0-4"'),
        ('methods = "cgap"', 'like ["cgap", "fixed"]'),
    ],
)
def test_a_value_of_another_kind_is_told_with_one_that_is_right(tmp_path, wrong, said):
    path = tmp_path / "mine.toml"
    path.write_text(f'default_preset = "a"\n{wrong}\n[presets.a]\n')
    with pytest.raises(UsageError) as caught:
        load_recipe(str(path))
    assert said in str(caught.value)


def test_a_key_that_is_nearly_right_is_named_before_the_one_that_lacks():
    name, recipe = load_recipe("split-digits")
    training = {"epoch": 3, "lr": 0.1}
    recipe = recipe.model_copy(
        update={"training": training, "presets": {"standard": Overlay()}}
    )
    with pytest.raises(UsageError, match=r"'training\.epoch'; did you mean 'training\.epochs'"):
        resolve(name, recipe, None).config("fixed", 0)


def test_a_recipe_without_its_ending_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text("")
    with pytest.raises(UsageError, match=r"unknown benchmark 'mine'; .* write mine\.toml"):
        load_recipe("mine")


def test_where_a_recipe_was_is_kept_without_the_folders_above(tmp_path):
    text = 'description = "mine"\ndefault_preset = "a"\n[presets.a]\ndescription = "all"\n'
    path = tmp_path / "mine.toml"
    path.write_text(text)
    _, recipe = load_recipe(str(path))
    assert origin_of("split-digits", recipe, None) == Origin()
    assert origin_of(str(path), recipe, None) == Origin(
        file="mine.toml", description="mine; all"
    )
    assert origin_of("../mine.toml", recipe, "a").file == "mine.toml"
    assert origin_of("own/mine.toml", recipe, "a").file == "own/mine.toml"


COMMON = """
default_preset = "a"
seeds = "0"
methods = ["fixed"]
[training_of.fixed]
lr = 0.1
[presets.a]
[presets.b.training_of.fixed]
momentum = 0.5
[presets.c]
fairness = "published"
[presets.c.training_of.fixed]
momentum = 0.5
"""


def test_methods_trained_by_rules_of_their_own_are_in_tables_of_their_own(tmp_path):
    """A learning rate may be a method's own: it is searched with one budget for all."""
    path = tmp_path / "mine.toml"
    path.write_text(COMMON)
    _, recipe = load_recipe(str(path))
    assert recipe.preset("a")[1].training_of == {"fixed": {"lr": 0.1}}
    with pytest.raises(UsageError, match=r"training_of\.fixed sets momentum"):
        recipe.preset("b")
    assert recipe.preset("c")[1].training_of["fixed"] == {"lr": 0.1, "momentum": 0.5}


@pytest.mark.parametrize("key", ["training.epochs=9", "network.width=2.0", "stream.first=1"])
def test_variants_do_not_go_round_the_rule(tmp_path, key):
    """A learning rate may differ, as between methods; all else says `published`."""
    path = tmp_path / "mine.toml"
    text = (
        COMMON.partition("[training_of")[0] + '[presets.a]\nvariants = ["ewc.strength=1 %s"]\n'
    )
    path.write_text(text % "training.lr=0.1")
    assert load_recipe(str(path))[1].preset("a")[1].variants
    path.write_text(text % key)
    with pytest.raises(UsageError, match=r"variant 'ewc\.strength=1 .* sets .* for one method"):
        load_recipe(str(path))[1].preset("a")
    path.write_text(text % key + 'fairness = "published"\n')
    assert load_recipe(str(path))[1].preset("a")[1].variants


@pytest.mark.parametrize("name", ["..evil", ".hidden", "a b", "n" * 101, "\udcff", "a\nb"])
def test_a_recipe_is_called_as_its_files_can_be(tmp_path, name):
    path = tmp_path / f"{name}.toml"
    with pytest.raises(UsageError, match=r"is no name of a benchmark: .*letters, digits"):
        load_recipe(str(path))
    path = tmp_path / "mine.toml"
    preset = name.encode("unicode_escape").decode() if name.isascii() else "\\u00e4"
    path.write_text(f'default_preset = "a"\n[presets."{preset}"]\n', encoding="utf-8")
    with pytest.raises(UsageError, match=r"recipe .*(letters, digits|one line of text)"):
        load_recipe(str(path))


@pytest.mark.parametrize(
    "content", [b"\xff", b"a = '\0'", b"x = " + b"[\n" * 100_000, b"x = " + b"1" * 1500]
)
def test_a_recipe_that_cannot_be_read_is_one_line(tmp_path, content):
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"cannot read .*mine\.toml: ") as caught:
        load_recipe(str(path))
    assert "\n" not in str(caught.value)
