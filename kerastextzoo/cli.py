"""The commands. Each is a thin function over the library, which it imports only when it runs.

To add a command, write a function under `@_command` whose parameter `options` is one of the groups
of `kerastextzoo.options`; raise `InputError` for whatever a user can mend. The commands about data
and about embeddings are in `kerastextzoo.cli_data`, those that take a run in
`kerastextzoo.cli_runs`.
"""

import errno
import os
import shlex
import shutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from kerastextzoo import __version__
from kerastextzoo.cli_data import data_app, embeddings_app
from kerastextzoo.cli_runs import runs_app
from kerastextzoo.errors import InputError, KerasTextZooError, quoted
from kerastextzoo.options import (
    OutputOptions,
    TrainingOptions,
    load_tensorflow,
    typed,
    with_options,
)

if TYPE_CHECKING:
    from kerastextzoo.doctor import Diagnosis

_DONE, _FAULT, _BAD_INPUT, _INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Text classifiers in Keras that learn, and a search that finds good ones.",
)


app.add_typer(data_app, name="data")
app.add_typer(embeddings_app, name="embeddings")
app.add_typer(runs_app)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"kerastextzoo {__version__}")
        raise typer.Exit


@app.callback()
def _every_command(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and stop."
        ),
    ] = False,
) -> None: ...


def _command(function: Callable[..., None]) -> Callable[..., None]:
    return app.command()(with_options(function))


_MODEL = "A model of the zoo; 'kerastextzoo models' lists them."
_RECIPE = "Model and settings of a recipe; 'kerastextzoo recipes'."
_CHECKPOINT = (
    "A file that keeps the state of the training after each epoch; one that was stopped goes on "
    "from it when the same command is given again."
)
_UNLABELLED = (
    "A file of more texts; those whose label the model is sure of are learned from in a second "
    "training."
)
Model = Annotated[str, typer.Option(help=_MODEL)]
NoDoctor = Annotated[
    bool, typer.Option("--no-doctor", help="Don't examine the program first, nor watch it train.")
]


@_command
def models(
    options: OutputOptions,
    name: Annotated[str | None, typer.Argument(help="Show this model's settings.")] = None,
) -> None:
    """List the models of the zoo, or the settings of one."""
    load_tensorflow()
    from kerastextzoo import settings
    from kerastextzoo.builders import MODELS, create_model
    from kerastextzoo.console import table
    from kerastextzoo.cost import count_multiply_adds

    screen = options.screen()
    if name:
        explained = settings.explain(name)
        rows = [tuple(setting.values()) for setting in explained]
        screen.result({"model": name, "settings": explained}, table(tuple(explained[0]), rows))
        return
    listed = []
    for spec in MODELS:
        model = create_model(spec.name, vocabulary_size=20_000, num_classes=10)
        listed.append(
            {
                "name": spec.name,
                "summary": spec.summary,
                "reference": spec.reference,
                "parameters": model.count_params(),
                "multiply_adds_per_token": count_multiply_adds(model, 100) // 100,
            }
        )
    screen.result(
        {"models": listed},
        table(
            ("model", "what it is", "paper", "parameters*", "multiply-adds a token*"),
            [
                tuple(f"{cell:,}" if isinstance(cell, int) else cell for cell in entry.values())
                for entry in listed
            ],
        ),
        "* with 20,000 tokens, 100 features each, texts of 100 tokens and 10 classes",
    )


@_command
def recipes(options: OutputOptions) -> None:
    """List systems that people built, which 'train --recipe' trains."""
    from kerastextzoo.console import table
    from kerastextzoo.recipes import list_recipes

    listed = list_recipes()
    columns = ("name", "title", "model", "data", "published", "measured")
    options.screen().result(
        {"recipes": [recipe.model_dump() for recipe in listed]},
        table(columns, [tuple(getattr(recipe, name) for name in columns) for recipe in listed]),
    )


@_command
def train(
    options: TrainingOptions,
    model: Annotated[str | None, typer.Option(help=_MODEL)] = None,
    recipe: Annotated[str | None, typer.Option(help=_RECIPE)] = None,
    checkpoint: Annotated[Path | None, typer.Option(help=_CHECKPOINT)] = None,
    unlabelled: Annotated[str | None, typer.Option(help=_UNLABELLED)] = None,
    no_doctor: NoDoctor = False,
) -> None:
    """Train one model and write a run."""
    with options.screen() as screen:
        if (model is None) == (recipe is None):
            raise InputError(f"train takes --model or --recipe; got {'both' if model else 'none'}")
        load_tensorflow()
        from kerastextzoo.checkpoints import check_apart
        from kerastextzoo.data import load_texts
        from kerastextzoo.recipes import get_recipe
        from kerastextzoo.run import train
        from kerastextzoo.summary import describe_recipe, describe_run, per_class, run_as_dict

        followed = get_recipe(recipe) if recipe else None
        model = followed.model if followed else str(model)
        settings = options.checked_settings(model, followed.settings if followed else {})
        out = options.new_folder(recipe or model)
        if checkpoint:
            check_apart(checkpoint, out)
            _on_interrupt("the same command goes on after its last whole epoch")
        more = load_texts(unlabelled, reading=options.reading()) if unlabelled else None
        splits = options.read_splits(screen)
        preparation = options.prepare(screen, splits, settings)
        findings = [] if no_doctor else options.examine(screen, preparation, model, settings)
        run = train(
            preparation,
            model,
            out,
            settings=settings.model,
            config=settings.training,
            seed=options.seed,
            objective=options.choose_objective(splits),
            strategy=options.strategy,
            recipe=recipe,
            watch=not no_doctor,
            findings=findings,
            tell=lambda finding: screen.note(str(finding)),
            command=typed(),
            track=screen.track,
            checkpoint=checkpoint,
            unlabelled=more,
        )
        told = describe_recipe(followed) if followed else []
        screen.result(run_as_dict(run), per_class(run), *describe_run(run), *told)


@_command
def tune(
    options: TrainingOptions,
    model: Annotated[
        str, typer.Option(help="A model of the zoo, several with commas between them, or all.")
    ],
    tuner: Annotated[
        str, typer.Option(help="How trials are proposed: random, hyperband, bayesian or grid.")
    ] = "random",
    max_trials: Annotated[int, typer.Option(help="Trials in all.")] = 10,
    executions: Annotated[
        int, typer.Option(help="Trainings of each of the best three, with seeds of their own.")
    ] = 2,
    budget: Annotated[
        str | None, typer.Option(help="Time for the search, such as 30m; late by an epoch at most.")
    ] = None,
    trial_timeout: Annotated[
        str | None, typer.Option(help="Time after which a trial is killed and counts as failed.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Trials at once.")] = 1,
    executor: Annotated[
        str, typer.Option(help="local: processes of this machine; ray: tasks of a Ray cluster.")
    ] = "local",
    keep: Annotated[int, typer.Option(help="Models that are kept on disk.")] = 3,
    early_stopping: Annotated[
        bool, typer.Option(help="Stop a trial that is far behind the others.")
    ] = True,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with --out.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start --out anew.")] = False,
    no_doctor: NoDoctor = False,
) -> None:
    """Search the settings of a model; the best trial becomes a run, exported as a SavedModel.

    The run of a sentence encoder stays as it is: no SavedModel can hold the encoder.
    """
    if (resume or overwrite) and options.out is None:
        raise InputError("--resume and --overwrite need the folder of the search: give --out")
    seconds, longest = _seconds("--budget", budget), _seconds("--trial-timeout", trial_timeout)
    with options.screen() as screen:
        load_tensorflow()
        from kerastextzoo import tuning
        from kerastextzoo.comparing import rank_with_baselines
        from kerastextzoo.export import can_export
        from kerastextzoo.report import write_comparison, write_report
        from kerastextzoo.summary import (
            answers_picture,
            comparison,
            describe_run,
            finalists,
            leaderboard,
            per_class,
            run_as_dict,
        )

        settings = options.settings_of_search(model)
        tuning.check_search(
            model,
            max_length=settings.text.max_length,
            tuner=tuner,
            max_trials=max_trials,
            fixed=settings.fixed,
            vectors=options.embeddings,
            objective=options.choose_objective(),
            strategy=options.strategy,
        )
        runner = tuning.make_executor(executor, workers)
        taken = options.out if resume or overwrite else None
        out = taken or options.new_folder(f"tune-{model.replace(',', '-')}")
        splits = options.read_splits(screen)
        preparation = options.prepare(screen, splits, settings)
        examined = not (no_doctor or resume)
        first = tuning.find_specs(model)[0].name
        findings = options.examine(screen, preparation, first, settings) if examined else []
        _on_interrupt(f"what is done is saved; the same command with --resume --out {out} goes on")
        result = tuning.tune(
            preparation,
            model,
            out,
            tuner=tuner,
            max_trials=max_trials,
            executions=executions,
            budget=seconds,
            trial_timeout=longest,
            fixed=settings.fixed,
            seed=options.seed,
            objective=options.choose_objective(splits),
            strategy=options.strategy,
            workers=workers,
            executor=runner,
            keep=keep,
            early_stopping=early_stopping,
            resume=resume,
            overwrite=overwrite,
            watch=not no_doctor,
            findings=findings,
            track=screen.track,
            view=screen.show,
        )
        run = result.run
        board = rank_with_baselines(run, splits)
        exported = None
        if can_export(out):
            screen.note(f"writing, loading and comparing the SavedModel {out / 'saved_model'}")
            exported = str(_export_again(out))
        content = {
            **run_as_dict(run),
            "trials": [trial.as_dict() for trial in result.trials],
            "best": result.best.as_dict(),
            "finalists": [finalist.as_dict() for finalist in result.finalists],
            "stopped": result.stopped,
            "comparison": board.as_dict(),
            "saved_model": exported,
        }
        write_comparison(out, board, command=typed())
        page = write_report(out)
        content["report"] = str(page)
        example = shlex.quote(splits.validation.texts[0][:60])
        screen.result(
            content,
            leaderboard(result),
            *finalists(result),
            f"stopped     {result.stopped}",
            per_class(run),
            comparison(board),
            *describe_run(run),
            board.verdict,
            f"SavedModel  {exported or 'none: the sentence encoder runs in PyTorch'}",
            f"report      {page}",
            f"pictures    {out / 'search.png'}, {out / 'curves.png'}, {out / answers_picture(run)}",
            f"trials      {out / 'trials.csv'}; tensorboard --logdir {out / 'tensorboard'}",
            f"classify    kerastextzoo predict {out} {example}",
        )


def _seconds(option: str, time: str | None) -> float | None:
    if time is None:
        return None
    import pandas as pd

    try:
        return float(pd.Timedelta(time).total_seconds())
    except ValueError:
        told = f"{option} takes a time such as 30m or 1h30m; got {quoted(time)}"
        raise InputError(told) from None


@_command
def compare(
    options: TrainingOptions,
    models: Annotated[
        str, typer.Option(help="Models of the zoo, with commas between them; all; or none.")
    ] = "cnn,lstm,cnn_lstm,res_lstm",
    resume: Annotated[bool, typer.Option("--resume", help="Go on with --out.")] = False,
) -> None:
    """Rank several models and the linear ones on the same split."""
    if resume and options.out is None:
        raise InputError("--resume needs the folder of the comparison: give --out")
    with options.screen() as screen:
        load_tensorflow()
        from kerastextzoo.builders import list_models
        from kerastextzoo.comparing import compare
        from kerastextzoo.report import write_report
        from kerastextzoo.summary import comparison

        several = {"all": list_models(), "none": []}
        names = several.get(models, [name.strip() for name in models.split(",")])
        settings = {name: options.checked_settings(name) for name in names}
        resumed = options.out if resume else None
        out = resumed or options.new_folder("compare")
        splits = options.read_splits(screen)
        first = options.settings([*names, "cnn"][0])
        preparation = options.prepare(screen, splits, first)
        _on_interrupt(f"what is done is saved; the same command with --resume --out {out} goes on")
        board = compare(
            preparation,
            settings,
            out,
            seed=options.seed,
            objective=options.choose_objective(splits),
            strategy=options.strategy,
            refit=first.training.refit,
            command=typed(),
            track=screen.track,
        )
        page = write_report(out)
        screen.result(
            {**board.as_dict(), "report": str(page)},
            comparison(board),
            board.verdict,
            f"report      {page}",
            f"runs        {out}",
            f"picture     {out / 'leaderboard.png'}",
        )


@_command
def doctor(
    options: TrainingOptions,
    model: Annotated[str | None, typer.Option(help=f"{_MODEL} Default: cnn.")] = None,
    recipe: Annotated[str | None, typer.Option(help=_RECIPE)] = None,
    run: Annotated[
        Path | None, typer.Option(help="A run; with --data, how it does on these texts.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Seconds: no trial trainings, no linear models.")
    ] = False,
) -> None:
    """Find out why a model does not learn, or would not."""
    given = {"--model": model, "--recipe": recipe, "--run": run}
    if len(several := [name for name, value in given.items() if value is not None]) > 1:
        raise InputError(f"doctor takes one of {', '.join(given)}; got {' and '.join(several)}")
    with options.screen() as screen:
        load_tensorflow()
        from kerastextzoo import checkup

        if run is not None:
            diagnosis = _examine_run(options, run)
        else:
            from kerastextzoo.recipes import get_recipe

            followed = get_recipe(recipe) if recipe else None
            model = followed.model if followed else model or "cnn"
            settings = options.checked_settings(model, followed.settings if followed else {})
            preparation = options.prepare(screen, options.read_splits(screen), settings)
            diagnosis = checkup.examine(
                preparation,
                model,
                settings.model,
                settings.training,
                seed=options.seed,
                quick=quick,
                track=screen.track,
            )
        screen.result(checkup.as_json(diagnosis), str(diagnosis))


def _examine_run(options: TrainingOptions, run: Path) -> "Diagnosis":
    from kerastextzoo.checkup import examine_run
    from kerastextzoo.data import load_dataset
    from kerastextzoo.run import Run

    loaded = Run(run)
    data = load_dataset(options.data, reading=options.reading()) if options.data else None
    return examine_run(loaded, data)


def _export_again(run: Path) -> Path:
    from kerastextzoo.export import KIND, export
    from kerastextzoo.storage import verify

    to = run / "saved_model"
    if to.exists():
        verify(to, KIND)
        shutil.rmtree(to)
    return export(run, to)


_NOT_ALLOWED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG)
_interrupt_hint = ""


def _on_interrupt(hint: str) -> None:
    global _interrupt_hint  # noqa: PLW0603 - one command a process
    _interrupt_hint = hint


def _stop(status: int, message: str) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.write(" ".join(message.split()) + "\n")
    sys.exit(status)


def _told_of_machine(error: Exception) -> str | None:
    """Say what a disk or a permission stood in the way of; None if neither did."""
    from kerastextzoo.errors import named
    from kerastextzoo.storage import is_disk_full

    where = getattr(error, "filename", None)
    at = f" at {named(where)}" if where else ""
    if is_disk_full(error):
        free = shutil.disk_usage(Path.cwd()).free
        return (
            f"the disk is full, or a file may not grow{at}; {free} bytes are free in this folder; "
            "nothing half-written was left; make room, then give the same command again"
        )
    if isinstance(error, OSError) and error.errno in _NOT_ALLOWED:
        return f"{error.strerror}{at}; choose another place or name"
    return None


def main() -> None:
    """Run one command; every failure is one line and the exit status that the user relies on."""
    # Before anything loads TensorFlow, which otherwise fills standard error.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    try:
        status = app(standalone_mode=False) or _DONE
        # Typer turns an interrupt into its status.
        if status == _INTERRUPTED:
            raise KeyboardInterrupt
        sys.exit(status)
    except (InputError, typer.TyperException) as error:
        message = error.format_message() if isinstance(error, typer.TyperException) else error
        _stop(_BAD_INPUT, f"error: {message or 'no command given'}")
    except KerasTextZooError as error:
        _stop(_FAULT, f"error: {error}")
    except (KeyboardInterrupt, typer.Abort):
        _stop(_INTERRUPTED, f"interrupted: {_interrupt_hint or 'nothing was written'}")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_FAULT)
    except Exception as error:
        if told := _told_of_machine(error):
            _stop(_BAD_INPUT, f"error: {told}")
        if os.environ.get("KERASTEXTZOO_DEBUG"):
            traceback.print_exc()
        _stop(
            _FAULT,
            f"error: a fault of kerastextzoo: {type(error).__name__}: {error} "
            "(KERASTEXTZOO_DEBUG=1 shows where)",
        )
