"""What a person or a program is told of runs and searches, of data and word vectors."""

from typing import TYPE_CHECKING, Any

from kerastextzoo.console import settings_in_words, table
from kerastextzoo.errors import quoted
from kerastextzoo.label_sets import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt
    from rich.table import Table

    from kerastextzoo.answering import Answering
    from kerastextzoo.comparing import Leaderboard
    from kerastextzoo.embeddings import VectorsInspection
    from kerastextzoo.evaluation import Evaluation
    from kerastextzoo.explaining import Explanation
    from kerastextzoo.inspection import Inspection
    from kerastextzoo.recipes import Recipe
    from kerastextzoo.run import Run
    from kerastextzoo.tuning import SearchResult

_MOST_WEIGHTS = 10


def run_as_dict(run: "Run") -> dict[str, Any]:
    """Return the JSON keys of `train` and `tune`."""
    record = run.record
    return {
        "run": str(run.directory),
        "model": record["model"],
        "seed": record["seed"],
        "metrics": record["metrics"],
        "seconds": record["seconds"],
    }


def describe_run(run: "Run") -> list[str]:
    """Return a run's figures in lines."""
    metrics, record = run.metrics, run.record
    several = "val_micro_f1" in metrics
    micro = f"micro-F1 {metrics['val_micro_f1']:.4f}, " if several else ""
    lines = [
        f"{record['model']:<12}validation {micro}accuracy {metrics['val_accuracy']:.4f} "
        f"(epoch {record['best_epoch']} of {record['epochs']}, {record['parameters']:,} parameters)"
    ]
    if told := record.get("self_training"):
        lines.append(
            f"unlabelled  {told['learned']:,} of {told['texts']:,} texts were learned from, "
            "labelled by the model itself"
        )
    if "test_accuracy" in metrics:
        micro = f"micro-F1 {metrics['test_micro_f1']:.4f}, " if several else ""
        lines.append(
            f"test        {micro}accuracy {metrics['test_accuracy']:.4f}, "
            f"macro-F1 {metrics['test_macro_f1']:.4f}"
        )
    return [*lines, f"run         {run.directory}"]


def answers_picture(run: "Run") -> str:
    """Return the name of the picture of a run's answers."""
    return "confusion.png" if run.thresholds is None else "classes.png"


def describe_recipe(recipe: "Recipe") -> list[str]:
    """Return what a recipe is known for in lines."""
    told = {
        name: getattr(recipe, name) for name in ("published", "measured", "verdict", "cure", "data")
    }
    return [
        f"recipe      {recipe.name}: {recipe.title}",
        *(f"{name:<12}{value}" for name, value in told.items() if value),
    ]


def per_class(run: "Run") -> "Table":
    """Lay out precision, recall and F1 by class, on the test texts where there are any."""
    parts = run.evaluation
    name = "test" if "test" in parts else "validation"
    return class_table(parts[name].per_class, title=f"{name} texts by class")


def class_table(rows: "list[dict[str, Any]]", title: str = "") -> "Table":
    """Lay out the rows of `Evaluation.per_class`."""
    columns = ("class", "precision", "recall", "f1", "texts")
    cells = [
        (
            row["label"],
            *(f"{row[name]:.3f}" for name in ("precision", "recall", "f1")),
            row["support"],
        )
        for row in rows
    ]
    return table(columns, cells, title=title)


def describe_evaluation(evaluation: "Evaluation") -> list[object]:
    """Lay out an evaluation: figures, a table by class, and the answers that were given."""
    micro = "" if evaluation.micro_f1 is None else f"micro-F1 {evaluation.micro_f1:.4f}   "
    names = [str(row["label"]) for row in evaluation.per_class]
    if evaluation.multi_label:
        columns = ["class", "rightly given", "wrongly given", "missed"]
        cells = [(given[1], wrong[1], given[0]) for wrong, given in evaluation.confusion]
    else:
        columns, cells = ["true class", *names], [tuple(row) for row in evaluation.confusion]
    return [
        f"accuracy {evaluation.accuracy:.4f}   {micro}macro-F1 {evaluation.macro_f1:.4f}   "
        f"loss {evaluation.loss:.4f}   texts {evaluation.n}",
        class_table(evaluation.per_class),
        table(
            columns,
            [(name, *row) for name, row in zip(names, cells, strict=True)],
            title="answers",
        ),
    ]


def predictions_as_dicts(
    run: "Answering", probabilities: "npt.NDArray[np.float32]"
) -> list[dict[str, Any]]:
    """Return what `predict` answers, ready for JSON."""
    told = [
        {
            "label": run.label_names[row.argmax()],
            "probabilities": dict(zip(run.label_names, row.tolist(), strict=True)),
        }
        for row in probabilities
    ]
    if run.thresholds is None:
        return told
    chosen = run.choose(probabilities)
    return [{"labels": list(labels), **each} for labels, each in zip(chosen, told, strict=True)]


def describe_predictions(
    run: "Answering",
    texts: "Sequence[str]",
    probabilities: "npt.NDArray[np.float32]",
    explanations: "Sequence[Explanation] | None" = None,
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return what `predict` answers, for programs and in lines for people."""
    predictions = predictions_as_dicts(run, probabilities)
    answers = run.choose(probabilities)
    lines = []
    for place, (text, row) in enumerate(zip(texts, probabilities, strict=True)):
        lines.append(f"{shown(answers[place])}\t{row.max():.4f}\t{text}")
        if explanations is not None:
            predictions[place] |= explanations[place].as_dict()
            lines += _describe_explanation(explanations[place])
    return predictions, lines


def _describe_explanation(explanation: "Explanation") -> list[str]:
    """Return the tokens that matter most, and how many were looked at, in lines."""
    tokens = sorted(explanation.tokens, key=lambda each: -abs(each.weight))[:_MOST_WEIGHTS]
    told = [
        ("for", [each for each in tokens if each.weight > 0]),
        ("against", [each for each in tokens if each.weight < 0]),
    ]
    unknown = list(dict.fromkeys(each.token for each in explanation.tokens if not each.known))
    more = ", ..." if len(unknown) > _MOST_WEIGHTS else ""
    looked_at = f"{len(explanation.tokens)} of {explanation.in_text} tokens looked at"
    return [
        *(
            f"    {side:<9}{', '.join(f'{each.token} {each.weight:+.4f}' for each in some)}"
            for side, some in told
            if some
        ),
        f"    ({looked_at}"
        + (f"; unknown: {', '.join(unknown[:_MOST_WEIGHTS])}{more})" if unknown else ")"),
    ]


def leaderboard(result: "SearchResult") -> "Table":
    """Lay the trials out, best first, each with the settings that differ from the defaults.

    A trial that failed has its cause in their place.
    """
    # The first trial of each model is the defaults.
    firsts = {each.model: each for each in sorted(result.trials, key=lambda each: -each.id)}
    several = len(firsts) > 1
    rows = []
    for trial in result.trials:
        defaults = firsts[trial.model].values
        drawn = {k: v for k, v in trial.values.items() if v != defaults.get(k)}
        told = settings_in_words(drawn, trial.model) or "the defaults"
        rows.append(
            (
                trial.id,
                *([trial.model] if several else []),
                trial.cause if trial.status == "failed" else told,
                "winner" if trial.id == result.best.id else trial.status,
                None if trial.score is None else f"{trial.score:.4f}",
                f"{trial.seconds:.0f}",
            )
        )
    columns = (
        "trial",
        *(["model"] if several else []),
        "settings that differ from the defaults",
        "status",
        result.objective,
        "seconds",
    )
    return table(columns, rows, title="leaderboard")


def finalists(result: "SearchResult") -> "list[Table]":
    """Lay out the best few over their seeds; nothing where each was trained once."""
    if all(len(each.scores) == 1 for each in result.finalists):
        return []
    rows = [
        (
            each.trial.id,
            each.trial.model,
            " ".join(f"{score:.4f}" for score in each.scores),
            f"{each.mean:.4f} ± {each.error:.4f}",
            "winner" if each.trial.id == result.best.id else "",
        )
        for each in result.finalists
    ]
    columns = ("trial", "model", f"{result.objective} by seed", "mean ± standard error", "")
    return [table(columns, rows, title="the best, trained again with other seeds")]


def comparison(board: "Leaderboard") -> "Table":
    """Lay out a leaderboard over models."""
    several = board.entries[0].micro_f1 is not None
    rows = [
        (
            entry.model,
            *([] if entry.micro_f1 is None else [f"{entry.micro_f1:.4f}"]),
            f"{entry.accuracy:.4f}",
            f"{100 * entry.behind[0]:.1f} to {100 * entry.behind[1]:.1f}",
            f"{entry.macro_f1:.4f}",
            f"{entry.seconds:.1f}",
            f"{entry.parameters:,}",
            f"{entry.milliseconds:.2f}",
        )
        for entry in board.entries
    ]
    columns = (
        "model",
        *(["micro-F1"] if several else []),
        "accuracy",
        "points behind",
        "macro-F1",
        "seconds",
        "parameters",
        "ms a text",
    )
    return table(columns, rows, title=f"{board.texts:,} {board.part} texts")


def describe_inspection(found: "Inspection") -> list[object]:
    """Lay out what was found in a data set, what deserves a look at the end."""
    how = "chosen by looking at the text" if found.tokenizer_chosen else "as told"
    cut, proposal, order = found.cut, found.proposal, found.order
    total = found.rows["data"]
    classes = [(name, count, f"{count / total:.1%}") for name, count in found.classes.items()]
    repeats, conflicts = found.repeats, found.conflicts
    several = found.label_sets
    facts = {
        "texts": ", ".join(f"{count:,} {name}" for name, count in found.rows.items()),
        "encoding": found.encoding or "-",
        "classes": f"{len(classes)}, the largest {found.imbalance:.3g} times the smallest",
        **({"labels": _describe_labels(several)} if several else {}),
        "tokens": f"{found.tokenizer} ({how})",
        f"cut at {cut['max_length']}": f"{cut['texts']:.2%} of the texts, {cut['tokens']:.2%} of "
        "the tokens",
        "proposal": f"--max-length {proposal['max_length']}: {proposal['why']}",
        "repeats": f"{repeats['rows']} rows repeat one of {repeats['texts']} texts",
        "conflicts": f"{conflicts['texts']} texts under several labels, {conflicts['rows']} rows",
        "order": f"{order['changes']} changes of label; a shuffle gives {order['shuffled']:.0f}",
    }
    for name, overlap in found.overlap.items():
        facts[name] = f"{overlap['rows']} rows of the second in the first ({overlap['share']:.2%})"
    if found.unknown:
        facts["unknown"] = (
            f"{found.unknown['tokens']:.2%} of the validation tokens, "
            f"{found.unknown['texts']:.2%} of its texts hold nothing else"
        )
    if found.coverage:
        facts["coverage"] = str(found.coverage)
    lengths = found.percentiles
    return [
        f"data        {found.name}",
        *(f"{name:<11} {fact}" for name, fact in facts.items()),
        table(("class", "texts", "share"), classes),
        table(
            [f"{at} %" if at != "max" else at for at in lengths],
            [tuple(lengths.values())],
            title="tokens that so many of the texts have at most",
        ),
        *(
            f"conflict    rows {', '.join(map(str, example['rows']))}: {quoted(example['text'])} "
            f"is {' and '.join(map(quoted, example['labels']))}"
            for example in conflicts["examples"]
        ),
        *(f"look at     {note}" for note in found.notes),
    ]


def _describe_labels(found: dict[str, Any]) -> str:
    return (
        f"{found['mean']:.2f} a text, {found['most']} at most; {found['none']} texts have none; "
        f"{found['different']} different sets"
    )


def describe_vectors(found: "VectorsInspection") -> list[object]:
    """Lay out what was found in a file of word vectors."""
    lines: list[object] = [
        f"format      {found.format or '-'}",
        f"words       {found.words:,}, {found.dim} numbers each",
    ]
    if found.coverage:
        lines.append(f"coverage    {found.coverage}")
    near = [
        (word, ", ".join(f"{other} {cosine:.2f}" for other, cosine in others))
        for word, others in found.neighbours.items()
    ]
    lines.append(table(("word", "nearest words, with their cosines"), near))
    if found.analogies is not None:
        rows = [
            (section.name, section.right, section.asked, section.total, section.accuracy)
            for section in found.analogies
        ]
        lines.append(table(("analogies", "right", "asked", "questions", "accuracy"), rows))
        accuracy = found.accuracy
        told = "no question has vectors for all its words"
        lines.append(f"accuracy    {told if accuracy is None else format(accuracy, '.4f')}")
    return lines
