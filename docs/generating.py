"""Writes the parts of the pages that are true of the package by being made of it."""

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import typer
import typer.cli
import typer.main
from architecture import draw_architecture

from kerastextzoo.builders import MODELS, create_model
from kerastextzoo.cli import app
from kerastextzoo.cost import count_multiply_adds
from kerastextzoo.doctor.causes import CAUSES
from kerastextzoo.recipes import list_recipes
from kerastextzoo.spec import Config, ModelSpec
from kerastextzoo.text import TextConfig
from kerastextzoo.training_config import TrainingConfig

#: What the costs of a model are told for.
_TOKENS, _CLASSES, _STEPS = 20_000, 10, 100


def write_pages(folder: Path) -> None:
    """Write every generated part into a folder; pages include them by name."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    parts = {f"{spec.name}.md": _of_model(spec) for spec in MODELS}
    parts["models.md"] = _models()
    parts["training-settings.md"] = _settings(TrainingConfig)
    parts["text-settings.md"] = _settings(TextConfig)
    parts["recipes.md"] = _recipes()
    parts["commands.md"] = _commands()
    parts["causes.md"] = _causes()
    for name, text in parts.items():
        (folder / name).write_text(text, "utf-8")


def copy_notebooks(source: Path, folder: Path) -> None:
    """Copy the notebooks to where pages are read from."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path in sorted(source.glob("*.ipynb")):
        shutil.copy(path, folder)


def _table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    lines = [list(columns), *([str(cell) for cell in row] for row in rows)]
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
    cells.insert(1, ["---"] * len(cells[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in cells) + "\n"


def _settings(config: type[Config], left_out: frozenset[str] = frozenset()) -> str:
    return _table(
        ("setting", "default", "what it is"),
        (
            (f"`{name}`", f"`{field.default}`", " ".join((field.description or "").split()))
            for name, field in config.model_fields.items()
            if name not in left_out
        ),
    )


def _cost(spec: ModelSpec) -> tuple[str, str]:
    model = create_model(spec.name, vocabulary_size=_TOKENS, num_classes=_CLASSES)
    multiply_adds = count_multiply_adds(model, _STEPS) // _STEPS
    return f"{model.count_params():,}", f"{multiply_adds:,}"


def _models() -> str:
    rows = (
        (
            f"[`{spec.name}`]({spec.name}.md)",
            spec.summary,
            f"[paper]({spec.reference})",
            *_cost(spec),
        )
        for spec in MODELS
    )
    columns = ("model", "what it is", "paper", "parameters", "multiply-adds a token")
    return _table(columns, rows) + _conditions()


def _conditions() -> str:
    return (
        f"\nParameters and multiply-adds are those of the default settings with {_TOKENS:,} "
        f"tokens of 100 features, texts of {_STEPS} tokens and {_CLASSES} classes.\n"
    )


def _of_model(spec: ModelSpec) -> str:
    model = create_model(spec.name, vocabulary_size=_TOKENS, num_classes=_CLASSES)
    parameters, multiply_adds = _cost(spec)
    picture = draw_architecture(model)
    drawn = " ".join((spec.search_space.__doc__ or "").split()).removeprefix("Draw settings. ")
    return (
        f"Paper: <{spec.reference}>\n\n## Its layers\n\n{picture}\n\n"
        f"## Its cost\n\n{parameters} parameters; {multiply_adds} multiply-adds a token.\n"
        f"{_conditions()}\n"
        f"## Its settings\n\n{_settings(spec.config)}\n"
        "Set one with `--set NAME=VALUE`. The settings that all models share are on "
        "[their own page](../reference/settings.md).\n\n"
        f"A search goes over these, and over learning rate, batch and embedding: {drawn}\n"
    )


def _recipes() -> str:
    columns = ("recipe", "what it is", "model", "data", "published", "measured here")
    return _table(
        columns,
        (
            (
                f"`{each.name}`",
                each.title,
                f"`{each.model}`",
                each.data,
                each.published or "",
                each.measured or "",
            )
            for each in list_recipes()
        ),
    )


def _commands() -> str:
    group = typer.main.get_group(app)
    context = typer.Context(group, info_name="kerastextzoo")
    text = typer.cli.get_docs_for_click(obj=group, ctx=context, name="kerastextzoo")
    # What comes before the first command is on the page already.
    return text[text.index("## ") :]


def _causes() -> str:
    def words(text: str) -> str:
        return re.sub(r"\{\w*\}", "…", text)

    return _table(
        ("finding", "how bad", "what it says", "the change to make"),
        (
            (f"`{each.code}`", each.severity, words(each.what), words(each.remedy))
            for each in CAUSES
        ),
    )
