"""Systems that people built, by name: their settings, what they reached, what they reach here.

Each is a TOML file of this folder. To add one, add a file; a setting may be anything that `--set`
takes for its model.
"""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

from pydantic import Field, ValidationError

from kerastextzoo.errors import InputError, KerasTextZooError, nearest, quoted
from kerastextzoo.spec import Config


class Recipe(Config):
    """One system.

    A figure that nobody published or that was not measured yet is empty.
    """

    name: str
    """What `train --recipe` takes."""
    title: str
    """What it is, in a line."""
    data: str
    """The texts that the figures are of."""
    model: str
    """A model of the zoo."""
    settings: dict[str, Any]
    """Settings of model, training and text that differ from the defaults."""
    reference: Annotated[str, Field(pattern="^(https://.+)?$")] = ""
    """Where it is described."""
    published: str = ""
    """What its authors report."""
    measured: str = ""
    """What it reaches here."""
    verdict: str = ""
    """What there is to learn from it."""
    cure: str = ""
    """The recipe that mends it, if this one is here because it fails."""


@cache
def list_recipes() -> tuple[Recipe, ...]:
    """Return the recipes, in the order of their names.

    Example:
        >>> [recipe.model for recipe in list_recipes() if recipe.name == "films-res-lstm"]
        ['res_lstm']
    """
    found = [path for path in files(__name__).iterdir() if path.name.endswith(".toml")]
    return tuple(_read(path) for path in sorted(found, key=lambda path: path.name))


def _read(path: Any) -> Recipe:
    name = path.name.removesuffix(".toml")
    try:
        return Recipe.model_validate({"name": name, **tomllib.loads(path.read_text("utf-8"))})
    except (ValidationError, tomllib.TOMLDecodeError) as error:
        raise KerasTextZooError(f"recipe {quoted(name)}: {error}") from None


def get_recipe(name: str) -> Recipe:
    """Look one recipe up.

    Raises:
        InputError: There is no such recipe.
    """
    recipes = {recipe.name: recipe for recipe in list_recipes()}
    if name not in recipes:
        raise InputError(f"no recipe {quoted(name)}; {nearest(name, list(recipes))}")
    return recipes[name]
