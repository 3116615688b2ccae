"""Recipes: each can be trained by name, with the settings that its file says."""

import importlib.util
from pathlib import Path

import pytest
from commands import Command

from kerastextzoo.errors import InputError
from kerastextzoo.mistakes import MISTAKES
from kerastextzoo.recipes import Recipe, get_recipe, list_recipes
from kerastextzoo.run import Run
from kerastextzoo.settings import check_training, share_out

RECIPES = [pytest.param(recipe, id=recipe.name) for recipe in list_recipes()]


@pytest.mark.parametrize("recipe", RECIPES)
def test_settings_are_settings_of_the_model(recipe: Recipe) -> None:
    settings = share_out(recipe.model, recipe.settings)
    if settings.model.reads and importlib.util.find_spec("sentence_transformers") is None:
        pytest.skip("the extra 'sentence' is not installed")
    check_training(settings.model, settings.training, max_length=settings.text.max_length)


def test_each_tells_what_was_measured_and_learned() -> None:
    silent = [each.name for each in list_recipes() if not (each.measured and each.verdict)]
    assert silent == []


def test_every_failure_has_a_cure_without_its_mistakes() -> None:
    failing = [recipe for recipe in list_recipes() if "mistakes" in recipe.settings]
    assert {name for recipe in failing for name in recipe.settings["mistakes"]} == set(MISTAKES)
    for recipe in failing:
        cure = get_recipe(recipe.cure)
        assert "mistakes" not in cure.settings
        assert cure.data.split(",")[0] == recipe.data.split(",")[0]
    assert not any(recipe.cure for recipe in list_recipes() if recipe not in failing)


def test_unknown_recipe() -> None:
    with pytest.raises(InputError, match="no recipe 'film-lstm'; did you mean 'films-lstm'"):
        get_recipe("film-lstm")


def test_train_by_name(command: Command, data: Path) -> None:
    listed = command.json("recipes")["recipes"]
    assert [recipe["name"] for recipe in listed] == [recipe.name for recipe in list_recipes()]
    options = ("--data", data, "--epochs", 1, "--set", "embedding_features=8")
    found = command.json("train", "--recipe", "films-lstm", *options, "--set", "units=8")
    record = Run(found["run"]).record
    assert (record["recipe"], record["model"]) == ("films-lstm", "lstm")
    assert record["settings"]["units"] == 8
    assert record["settings"]["dropout"] == get_recipe("films-lstm").settings["dropout"]
    assert record["training"]["epochs"] == 1
    for wrong, said in (
        (["--recipe", "films-lstm", "--model", "cnn"], "got both"),
        ([], "got none"),
        (["--recipe", "films"], "no recipe 'films'"),
    ):
        status, out, err = command("train", *wrong)
        assert (status, out) == (2, "")
        assert said in err
