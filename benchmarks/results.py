"""Train what `experiments.toml` lists, keep a small record of each run, write and draw RESULTS.md.

    python -m benchmarks.results ../shared/data --minutes 60
    python -m benchmarks.results ../shared/data --minutes 0     # the table alone

A run whose record is there with the same command and settings is skipped, so the work can be
stopped at any moment and goes on where it was. Each run is the command that its record shows.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from benchmarks.results_picture import Panel, draw_results
from kerastextzoo.builders import list_models
from kerastextzoo.recipes import Recipe, get_recipe, list_recipes
from kerastextzoo.settings import share_out

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RECORDS = HERE / "records"
BASELINES = "baselines"
RECIPE = "recipe "
BEST = "best"
REFIT = " refit"
PICTURE = "docs/results.svg"
_PLACES = ("folder", "scratch")


@dataclass(frozen=True)
class Experiment:
    """One run to be made.

    Attributes:
        data: A data set of `experiments.toml`.
        what: A model, perhaps with a word for its options; `recipe NAME`; or `baselines`.
        seed: Of everything.
        options: What the command line says of the data, with places to be filled in.
        given: Settings that differ from the defaults, or from the recipe's.
        change: One more, `NAME=VALUE`, to see what the default is worth.
    """

    data: str
    what: str
    seed: int
    options: tuple[str, ...]
    given: tuple[str, ...] = ()
    change: str = ""

    @property
    def name(self) -> str:
        """How it is told apart, and what its record is called."""
        told = f"{self.what} {self.change}".strip()
        return f"{self.data}/{re.sub('[^a-z0-9_.=]', '-', told)}-{self.seed}"

    @property
    def linear(self) -> bool:
        """Whether it is the linear models, perhaps with a word for their options."""
        return self.what.startswith(BASELINES)

    @property
    def path(self) -> Path:
        """Where its record is kept."""
        return RECORDS / f"{self.name}.json"

    @property
    def command(self) -> tuple[str, ...]:
        """What is run, after `kerastextzoo`."""
        if self.linear:
            head: tuple[str, ...] = ("compare", "--models", "none")
        elif self.what.startswith(RECIPE):
            head = ("train", "--recipe", self.what.removeprefix(RECIPE))
        else:
            head = ("train", "--model", self.what.split()[0])
        sets = [word for each in self._given for word in ("--set", each)]
        return (*head, *self.options, *sets, "--seed", str(self.seed))

    @property
    def _given(self) -> tuple[str, ...]:
        return (*self.given, self.change) if self.change else self.given

    def settings(self) -> dict[str, Any]:
        """Return every setting, defaults included."""
        if self.linear:
            return {}
        given: dict[str, object] = {}
        model = self.what.split()[0]
        if self.what.startswith(RECIPE):
            recipe = get_recipe(self.what.removeprefix(RECIPE))
            model, given = recipe.model, dict(recipe.settings)
        found = share_out(model, given | dict(each.split("=", 1) for each in self._given))
        parts = {"settings": found.model, "training": found.training, "text": found.text}
        return {name: part.model_dump(mode="json") for name, part in parts.items()}

    def record(self) -> dict[str, Any] | None:
        """Return the record of this very run, if there is one."""
        if not self.path.exists():
            return None
        record: dict[str, Any] = json.loads(self.path.read_text("utf-8"))
        now, then = self.settings(), record["settings"]
        same = all(_same(now[part], then.get(part, {})) for part in now)
        return record if same and record["command"] == list(self.command) else None


class RunFailedError(Exception):
    """A command ended with an error."""


#: A run that was made, and its record.
Recorded = tuple[Experiment, dict[str, Any]]


def _same(now: dict[str, Any], then: dict[str, Any]) -> bool:
    # A setting that came later changed nothing where it is off, or counts one of something.
    return all(
        value == then[name] if name in then else not value or value == 1
        for name, value in now.items()
    )


def read_plan() -> tuple[dict[str, Any], list[Experiment]]:
    """Return what `experiments.toml` says, and every run it asks for, the most telling first."""
    plan = tomllib.loads((HERE / "experiments.toml").read_text("utf-8"))
    found = []
    for name, data in plan["data"].items():
        own = data.get("models", {})
        models = dict.fromkeys([BASELINES, *own, *data.get("networks", list_models())])
        seeds = dict.fromkeys(models, data["seeds"]) | data.get("more_seeds", {})
        for seed in range(max(seeds.values())):
            found += [
                Experiment(name, model, seed, _options(data, model), _given(data, model))
                for model in models
                if seed < seeds[model]
            ]
    for each in list_recipes():
        data = next(data for start, data in plan["recipes"].items() if each.name.startswith(start))
        what = f"{RECIPE}{each.name}"
        found.append(Experiment(data, what, 0, _options(plan["data"][data], what)))
    for row in plan["defaults"]:
        found += [
            Experiment(name, model, seed, _options(data, model), _given(data, model), change)
            for name, data in plan["data"].items()
            if name in row["data"]
            for model in row["models"]
            for seed in range(row["seeds"])
            for change in row["changes"]
        ]
    return plan, found


def _options(data: dict[str, Any], what: str) -> tuple[str, ...]:
    options = tuple(data["options"])
    if what in data.get("self_trained", ()):
        options += ("--unlabelled", data["unlabelled"])
    if what in data.get("own_vectors", ()):
        return options
    vectors = data["vectors"]
    if what.startswith(RECIPE):
        vectors = data.get("recipe_vectors", vectors)
    return (*options, "--embeddings", vectors)


def _given(data: dict[str, Any], model: str) -> tuple[str, ...]:
    settings = () if model.startswith(BASELINES) else data.get("settings", ())
    return (*settings, *data.get("models", {}).get(model, ()))


def run(experiment: Experiment, places: dict[str, Path]) -> None:
    """Run the command and write its record."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "run")
        words = [word.format(**places) for word in experiment.command]
        if not experiment.linear:
            state = places["scratch"] / "checkpoints" / f"{experiment.name}.npz"
            words += ["--checkpoint", str(state), "--out", str(out)]
        answer = _call(*words, "--json", "--quiet")
        record = {"data": experiment.data, "what": experiment.what, "seed": experiment.seed}
        record |= {"command": list(experiment.command), "settings": experiment.settings()}
        if experiment.linear:
            kept = ("model", "accuracy", "macro_f1", "seconds", "parameters", "milliseconds")
            lines = [{name: line[name] for name in kept} for line in answer["leaderboard"]]
            record["leaderboard"] = lines
        else:
            told = json.loads((out / "run.json").read_text("utf-8"))
            names = ("metrics", "seconds", "best_epoch", "epochs", "parameters", "versions")
            record |= {name: told[name] for name in names}
            record["fingerprint"] = told["data"]["fingerprint"]
    record["code"] = _code()
    experiment.path.parent.mkdir(parents=True, exist_ok=True)
    partial = experiment.path.with_suffix(".partial")
    partial.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    partial.replace(experiment.path)


def _call(*words: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "kerastextzoo", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RunFailedError(f"{' '.join(words)}\n{done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _code() -> str:
    """Name the commit that was run, with a + where files differ from it."""
    commit = _git("rev-parse", "--short", "HEAD")
    changed = _git("status", "--porcelain", "--", "kerastextzoo", "builders", "embeddings")
    return commit + ("+" if changed else "")


def _git(*words: str) -> str:
    command = ("git", "-C", str(ROOT), *words)
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def make_vectors(
    plan: dict[str, Any], places: dict[str, Path], experiments: Sequence[Experiment]
) -> None:
    """Train the word vectors that the experiments need and that are not there yet."""
    needed = {word for each in experiments for word in each.command}
    for name, words in plan.get("vectors", {}).items():
        target = places["scratch"] / name
        if f"{{scratch}}/{name}" in needed and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            filled = [word.format(**places) for word in words]
            # Another process may be making them, too.
            own = target.with_name(f"{os.getpid()}-{name}")
            _call(*filled, "--to", str(own), "--json", "--quiet")
            own.replace(target)


def lay_out(plan: dict[str, Any], experiments: Sequence[Experiment]) -> str:
    """Return RESULTS.md as the records have it."""
    records = _recorded(experiments)
    lines = [
        "# Results",
        "",
        "Accuracy on the test texts in %, mean and standard deviation over seeds. Every network",
        "has its default settings but for the options in its command. In **bold**: the network",
        "with the best mean on the *validation* texts, by the seeds that all networks are to have;",
        "a row that still lacks some of them is not chosen before one that has them.",
        'The linear models learn from the same training texts; "refit" says that a model has',
        "learned from the validation texts as well, once they had told when to stop. Seconds are",
        "of one or two cores of several machines.",
        "Written by `python -m benchmarks.results FOLDER`; a record of each run is in",
        "`benchmarks/records`.",
        "",
        f"![accuracy of every model beside the best linear model]({PICTURE})",
        "",
    ]
    sections = _sections(plan, records)
    lines += _goals(plan["data"], sections)
    for name, mine in sections.items():
        lines += _section(plan["data"][name], mine) if mine else ()
    lines += _defaults(records)
    lines += _recipes([pair for pair in records if pair[0].what.startswith(RECIPE)])
    return "\n".join(lines).rstrip() + "\n"


def _recorded(experiments: Sequence[Experiment]) -> list[Recorded]:
    return [(each, record) for each in experiments if (record := each.record())]


def _sections(plan: dict[str, Any], records: Sequence[Recorded]) -> dict[str, list[Recorded]]:
    return {
        name: [pair for pair in records if pair[0].data == name and not pair[0].change]
        for name in plan["data"]
    }


def choose_panels(plan: dict[str, Any], experiments: Sequence[Experiment]) -> dict[str, Panel]:
    """Return what the picture shows: of each data set, every network and the best linear model."""
    panels = {}
    for name, records in _sections(plan, _recorded(experiments)).items():
        chosen = _preferred(plan["data"][name], records)
        if chosen is None:
            continue
        models = {}
        for what, found in _networks(records).items():
            accuracies = [100 * record["metrics"]["test_accuracy"] for record in found]
            spread = statistics.stdev(accuracies) if len(accuracies) > 1 else 0.0
            models[what] = (statistics.mean(accuracies), spread)
        means = [
            100 * statistics.mean(line["accuracy"] for line in lines)
            for lines in _linear(records).values()
        ]
        panels[name] = Panel(models, max(means, default=None), chosen)
    return panels


def _linear(records: Sequence[Recorded]) -> dict[str, list[dict[str, Any]]]:
    linear: dict[str, list[dict[str, Any]]] = {}
    for each, record in records:
        if each.linear:
            for line in record["leaderboard"]:
                linear.setdefault(line["model"] + each.what[len(BASELINES) :], []).append(line)
    return linear


def _goals(data: dict[str, Any], sections: dict[str, list[Recorded]]) -> Iterator[str]:
    """Hold what was aimed at beside what the models reached that validation texts choose."""
    yield "## What was aimed at"
    yield ""
    yield "Of a model's rows, and of all networks for `best`, the one with the best mean on the"
    yield "validation texts counts; of a row and its refit, alike in validation, the refit."
    yield "An aim below the linear model's figure says little of a network beside one."
    yield ""
    yield "| data | model | aim | reached | by | seeds | |"
    yield "|---|---|---|---|---|---|---|"
    for name, records in sections.items():
        networks = _networks(records)
        for model, aim in data[name].get("goals", {}).items():
            what = _preferred(data[name], records, model)
            if what is None:
                yield f"| {name} | {model} | {aim} | not trained yet | | | |"
                continue
            accuracies = [record["metrics"]["test_accuracy"] for record in networks[what]]
            short = round(aim - 100 * statistics.mean(accuracies), 1)
            verdict = f"short by {short}" if short > 0 else "reached"
            cells = (name, model, str(aim), _spread(accuracies), what, str(len(accuracies)))
            yield f"| {' | '.join(cells)} | {verdict} |"
    yield ""


def _networks(records: Sequence[Recorded]) -> dict[str, list[dict[str, Any]]]:
    networks: dict[str, list[dict[str, Any]]] = {}
    for each, record in records:
        if not each.linear and not each.what.startswith(RECIPE):
            networks.setdefault(each.what, []).append(record)
    return networks


def _preferred(data: dict[str, Any], records: Sequence[Recorded], model: str = BEST) -> str | None:
    # A row with more seeds than the others is held beside them by the seeds that all are to have.
    networks = _networks([pair for pair in records if pair[0].seed < data["seeds"]])
    mine = [what for what in networks if model in {BEST, what.split()[0]}]

    def order(what: str) -> tuple[int, float, bool]:
        # One good seed is no better than the mean of two. Validation can't tell a model from its
        # refit, which has learned from more texts.
        return len(networks[what]), _validation(networks[what]), what.endswith(REFIT)

    return max(mine, key=order, default=None)


def _validation(found: Sequence[dict[str, Any]]) -> float:
    return float(statistics.mean(record["metrics"]["val_accuracy"] for record in found))


def _section(data: dict[str, Any], records: Sequence[Recorded]) -> Iterator[str]:
    yield f"## {data['title']}"
    yield ""
    if data["published"]:
        yield f"Published: {data['published']}."
        yield ""
    yield "| model | test | macro-F1 | validation | seeds | parameters | seconds a run |"
    yield "|---|---|---|---|---|---|---|"
    for model, found in _linear(records).items():
        yield _row(
            model,
            [line["accuracy"] for line in found],
            [line["macro_f1"] for line in found],
            None,
            found,
        )
    best = _preferred(data, records)
    for model, found in _networks(records).items():
        yield _row(
            f"**{model}**" if model == best else model,
            [record["metrics"]["test_accuracy"] for record in found],
            [record["metrics"]["test_macro_f1"] for record in found],
            _validation(found),
            found,
        )
    yield ""
    command = Experiment("", "MODEL", 0, _options(data, ""), _given(data, "")).command
    yield f"`kerastextzoo {' '.join(command[:-1])} SEED`"
    alike: dict[tuple[str, ...], list[str]] = {}
    for model, more in data.get("models", {}).items():
        if more:
            alike.setdefault(tuple(more), []).append(model)
    for more, models in alike.items():
        yield f"and, for {', '.join(models)}, `{' '.join(f'--set {each}' for each in more)}`"
    if own := data.get("own_vectors"):
        yield f"and, for {', '.join(own)}, without `--embeddings`: vectors of the training texts"
    if own := data.get("self_trained"):
        yield f"and, for {', '.join(own)}, `--unlabelled {data['unlabelled']}`"
    compared = " ".join(Experiment("", BASELINES, 0, ()).command[:-2])
    yield f"and, for the linear models, `{compared}` in place of `train --model MODEL`."
    yield ""
    if data.get("tried"):
        yield data["tried"].strip()
        yield ""


def _row(
    name: str,
    accuracies: Sequence[float],
    macro_f1: Sequence[float],
    validation: float | None,
    found: Sequence[dict[str, Any]],
) -> str:
    cells = (
        name,
        _spread(accuracies),
        _spread(macro_f1),
        "" if validation is None else f"{100 * validation:.1f}",
        str(len(accuracies)),
        f"{found[0]['parameters']:,}",
        f"{statistics.median(each['seconds'] for each in found):.0f}",
    )
    return f"| {' | '.join(cells)} |"


def _spread(shares: Sequence[float]) -> str:
    mean = f"{100 * statistics.mean(shares):.1f}"
    return mean if len(shares) == 1 else f"{mean} ± {100 * statistics.stdev(shares):.1f}"


def _defaults(records: Sequence[Recorded]) -> Iterator[str]:
    """Show what each default is worth: the same seed with another value, on validation texts."""
    scores = {
        (each.data, each.what, each.seed, each.change): record["metrics"]["val_accuracy"]
        for each, record in records
        if not each.linear
    }
    differences: dict[tuple[str, str, str], list[float]] = {}
    for (data, what, seed, change), score in scores.items():
        default = scores.get((data, what, seed, ""))
        if change and default is not None:
            differences.setdefault((change, data, what), []).append(default - score)
    if not differences:
        return
    yield "## What the defaults are worth"
    yield ""
    yield "Points of *validation* accuracy that the default is ahead of another value, same seeds."
    yield ""
    yield "| in place of the default | data | model | ahead | seeds |"
    yield "|---|---|---|---|---|"
    for (change, data, what), found in sorted(differences.items()):
        yield f"| `{change}` | {data} | {what} | {_spread(found)} | {len(found)} |"
    yield ""


def _recipes(records: Sequence[Recorded]) -> Iterator[str]:
    if not records:
        return
    yield "## Recipes"
    yield ""
    yield "One seed each; `kerastextzoo train --recipe NAME` with the options of its data set."
    yield ""
    yield "| recipe | what it is | published | measured here | verdict |"
    yield "|---|---|---|---|---|"
    for each, record in records:
        recipe = _recipe(each)
        cells = (
            recipe.name,
            recipe.title,
            recipe.published,
            _measured(each, record),
            recipe.verdict,
        )
        yield f"| {' | '.join(cells)} |"
    yield ""


def _recipe(experiment: Experiment) -> Recipe:
    return get_recipe(experiment.what.removeprefix(RECIPE))


def _measured(experiment: Experiment, record: dict[str, Any]) -> str:
    return f"{100 * record['metrics']['test_accuracy']:.1f} % on {experiment.data}"


def tell_recipes(experiments: Sequence[Experiment]) -> None:
    """Write into the files of the recipes what each of them reached."""
    for each in experiments:
        record = each.record() if each.what.startswith(RECIPE) else None
        if record is None:
            continue
        path = ROOT / "kerastextzoo" / "recipes" / f"{_recipe(each).name}.toml"
        head, table, settings = path.read_text("utf-8").partition("\n[settings]\n")
        kept = re.sub('^measured = ".*"\n', "", head, flags=re.MULTILINE)
        line = f'measured = "{_measured(each, record)}"\n'
        path.write_text(f"{kept}{line}{table}{settings}", "utf-8")


def main() -> None:
    """Run what is missing, and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="the data sets")
    parser.add_argument("--minutes", type=float, default=60, help="start no run after so long")
    parser.add_argument("--only", nargs="+", default=["*"], help="runs, such as 'isear/cnn-*'")
    parser.add_argument("--scratch", type=Path, default=ROOT / "build" / "results")
    arguments = parser.parse_args()
    places = {name: getattr(arguments, name).resolve() for name in _PLACES}
    plan, experiments = read_plan()
    matching = (
        each for pattern in arguments.only for each in experiments if fnmatch(each.name, pattern)
    )
    chosen = list(dict.fromkeys(matching))
    missing = [each for each in chosen if each.record() is None]
    print(f"{len(chosen) - len(missing)} of {len(chosen)} are recorded", file=sys.stderr)
    started = time.monotonic()
    if missing and arguments.minutes:
        make_vectors(plan, places, missing)
    failed = []
    for each in missing:
        if time.monotonic() - started > 60 * arguments.minutes:
            break
        print(each.name, end=" ", file=sys.stderr, flush=True)
        try:
            run(each, places)
        except RunFailedError as error:
            print(error, file=sys.stderr)
            failed.append(each.name)
            continue
        record = json.loads(each.path.read_text("utf-8"))
        print(record.get("metrics", ""), record.get("seconds", ""), file=sys.stderr)
    (ROOT / "RESULTS.md").write_text(lay_out(plan, experiments), "utf-8")
    if panels := choose_panels(plan, experiments):
        draw_results(panels, ROOT / PICTURE)
    tell_recipes(experiments)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
