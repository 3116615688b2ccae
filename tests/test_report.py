"""The page of a run, a search or a comparison: whole, safe, without network, fit to be seen."""

import json
import re
import shutil
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import find_browser, look_at
from commands import Command

from kerastextzoo.answers import calibration_error, describe_answers, with_texts
from kerastextzoo.builders import cnn
from kerastextzoo.comparing import Entry, Leaderboard
from kerastextzoo.data import Dataset
from kerastextzoo.errors import InputError
from kerastextzoo.evaluation import evaluate_probabilities
from kerastextzoo.preparation import Preparation
from kerastextzoo.report import check_target, write_comparison, write_report
from kerastextzoo.report.figures import draw_curve, draw_leaderboard, draw_scores
from kerastextzoo.report.searching import draw_settings
from kerastextzoo.report.svg import ticks
from kerastextzoo.report.tables import describe_confusion, order_by_confusion
from kerastextzoo.run import Run, train
from kerastextzoo.splits import make_splits
from kerastextzoo.storage import _seal, write_json
from kerastextzoo.text import TextConfig
from kerastextzoo.training import TrainingConfig

SETTINGS = cnn.CNNConfig(filters=8, kernel_sizes=(2,))
QUICK = TrainingConfig(epochs=2, batch_size=16, embedding_features=8, learning_rate=5e-3)
EVIL = "<script>alert(1)</script> &amp; \"quotes' \u2028 {{ 7*7 }}"
LABELS = ('say "hi"', "a<b>&c", "x' onload='alert(2)")
SMALL = ("--epochs", "1", "--set", "filters=8", "--set", "embedding_features=8")


class Tags(HTMLParser):
    """All start tags with their attributes, and the text outside of styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture(scope="module")
def folder(preparation: Preparation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run."""
    out = tmp_path_factory.mktemp("runs") / "cnn"
    train(preparation, "cnn", out, settings=SETTINGS, config=QUICK, command="kerastextzoo train")
    return out


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose texts, labels and name would do harm in a careless page."""
    texts = tuple(f"{EVIL} {number} " + "long " * 200 for number in range(60))
    data = Dataset('<img src="https://example.org/x.png">', texts, LABELS * 20)
    out = tmp_path_factory.mktemp("runs") / "evil"
    prepared = Preparation(make_splits(data, seed=0), TextConfig(min_count=1, max_length=500))
    train(prepared, "cnn", out, settings=SETTINGS, config=QUICK, command=EVIL)
    return out


def page_of(folder: Path, to: Path) -> str:
    return write_report(folder, to).read_text("utf-8")


def test_answers_are_recorded(folder: Path, preparation: Preparation) -> None:
    run = Run(folder)
    answers = run.answers
    assert answers is not None
    validation = preparation.splits.validation
    probabilities = run.predict_proba(validation.texts)
    assert answers["texts"] == len(validation)
    assert answers["rows"] == preparation.rows["validation"].tolist()
    assert [run.label_names[label] for label in answers["truth"]] == list(validation.labels)
    assert answers["answers"] == probabilities.argmax(axis=1).tolist()
    np.testing.assert_allclose(answers["probabilities"], probabilities.max(axis=1), atol=1e-4)
    wrong = sum(t != a for t, a in zip(answers["truth"], answers["answers"], strict=True))
    assert 0 < len(answers["errors"]) == min(wrong, 20)
    sure = [error["probability"] for error in answers["errors"]]
    assert sure == sorted(sure, reverse=True)
    first = answers["errors"][0]
    assert validation.texts[first["place"]].startswith(first["text"].removesuffix("…"))


def test_of_many_answers_some_are_kept_and_all_are_counted() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 50_000)
    probabilities = rng.dirichlet([1, 1, 1], 50_000)
    kept = describe_answers(probabilities, truth, np.arange(50_000) + 7)
    assert kept["texts"] == 50_000
    assert len(kept["rows"]) == len(kept["answers"]) == 20_000
    assert (kept["rows"][0], kept["rows"][-1]) == (7, 50_006)
    assert sum(each["answers"] for each in kept["reliability"]) == 50_000
    assert len(json.dumps(kept)) < 600_000


def test_texts_of_errors_are_cut() -> None:
    kept = describe_answers(np.array([[0.9, 0.1]]), np.array([1]), np.array([3]))
    (error,) = with_texts(kept, ["a" * 400])["errors"]
    assert error["text"] == "a" * 299 + "…"
    assert error["row"] == 3


def test_answers_that_are_as_right_as_sure_are_calibrated() -> None:
    rng = np.random.default_rng(0)
    high = rng.uniform(0.5, 1, 20_000)
    truth = (rng.uniform(size=20_000) > high).astype(int)
    calibrated = describe_answers(np.stack([high, 1 - high], axis=1), truth, truth)
    assert calibration_error(calibrated["reliability"]) < 0.01
    sure = np.where(high > 0, 0.99, 0)
    off = describe_answers(np.stack([sure, 1 - sure], axis=1), truth, truth)
    assert calibration_error(off["reliability"]) == pytest.approx(0.24, abs=0.01)


def test_multi_label_answers_err_in_both_directions() -> None:
    probabilities = np.array([[0.9, 0.2], [0.1, 0.8]], np.float32)
    kept = describe_answers(probabilities, np.array([[0, 0], [1, 1]]), np.array([5, 6]), [0.5, 0.5])
    assert kept["truth"] == [[], [0, 1]]
    assert kept["answers"] == [[0], [1]]
    wrong, missed = kept["errors"]
    assert {wrong["answer"], wrong["truth"], missed["answer"], missed["truth"]} == {0, None}
    assert sum(each["answers"] for each in kept["reliability"]) == 4


def test_page_tells_all_of_a_run(folder: Path, tmp_path: Path) -> None:
    page = page_of(folder, tmp_path / "page.html")
    run, words = Run(folder), Tags(page).words
    for name in ("Curves", "Classes", "Confusion", "Calibration", "Most confident errors", "Data"):
        assert f"<h2>{name}</h2>" in page
    assert f"{100 * run.metrics['test_accuracy']:.1f}\N{NO-BREAK SPACE}%" in words
    assert run.record["data"]["fingerprint"] in words
    assert "kerastextzoo train" in words
    assert all(version in words for version in run.record["versions"].values())
    assert all(setting in words for setting in run.record["training"])
    levels = [int(tag[1]) for tag, _ in Tags(page).found if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert all(attributes["aria-label"] for tag, attributes in Tags(page).found if tag == "svg")


def test_page_needs_no_network_and_runs_nothing(hostile: Path, tmp_path: Path) -> None:
    tags = Tags(page_of(hostile, tmp_path / "page.html"))
    assert not {"script", "link", "img", "iframe", "object", "embed"} & {
        tag for tag, _ in tags.found
    }
    for tag, attributes in tags.found:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href", "action", "srcset"):
            assert (attributes.get(name) or "#").startswith("#"), (tag, attributes)
    style = (tmp_path / "page.html").read_text("utf-8").split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_what_data_says_is_shown_as_text(hostile: Path, tmp_path: Path) -> None:
    words = Tags(page_of(hostile, tmp_path / "page.html")).words
    assert "<script>alert(1)</script> &amp; \"quotes' \u2028 {{ 7*7 }}" in words
    assert all(label in words for label in LABELS)
    assert '<img src="https://example.org/x.png">' in words


def test_a_run_stays_loadable_and_its_page_is_replaced(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert write_report(copy) == copy / "report.html"
    first = (copy / "report.html").read_bytes()
    assert write_report(copy).read_bytes() == first
    Run(copy)
    assert not list(copy.glob(".*"))


def test_nothing_but_a_report_is_replaced(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.html").write_text("<p>mine", "utf-8")
    with pytest.raises(InputError, match=r"exists already and is no report; give another --out"):
        write_report(folder, tmp_path / "mine.html")
    assert (tmp_path / "mine.html").read_text("utf-8") == "<p>mine"
    with pytest.raises(InputError, match="is no report"):
        write_report(folder, folder / "run.json")
    with pytest.raises(InputError, match="is a folder"):
        write_report(folder, tmp_path)
    with pytest.raises(InputError, match="can't write into"):
        write_report(folder, tmp_path / "lost" / "page.html")
    with pytest.raises(InputError, match="can't hold NUL"):
        check_target("a\0b")
    with pytest.raises(InputError, match="is no folder; expected a run"):
        write_report(tmp_path / "nothing")
    Run(folder)


def test_an_older_run_says_what_it_lacks(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    record = json.loads((copy / "run.json").read_text("utf-8"))
    for name in ("findings", "command", "recipe", "objective"):
        del record[name]
    for name in ("lengths", "cut_off", "warnings", "multi_label", "origin"):
        del record["data"][name]
    (copy / "run.json").write_text(json.dumps(record), "utf-8")
    (copy / "answers.json").unlink()
    _seal(copy, "run")
    page = page_of(copy, tmp_path / "page.html")
    for what in ("single answers", "lengths", "findings"):
        assert f"recorded no {what}, as older runs didn't" in page


def test_confused_classes_stand_together() -> None:
    names = [f"{chr(97 + place % 11)}{place // 11}" for place in range(22)]
    truth = np.repeat(np.arange(22), 20)
    answers = truth.copy()
    answers[::3] = (answers[::3] + 11) % 22
    found = describe_confusion(evaluate_probabilities(np.eye(22)[answers], truth, names))
    order = [name[0] for name in found["names"]]
    assert all(one == other for one, other in zip(order[::2], order[1::2], strict=True))
    assert sum(cell["count"] for row in found["rows"] for cell in row["cells"]) == 440
    assert found["pairs"][0]["count"] == 7
    assert order_by_confusion(np.eye(2, dtype=int)) == [0, 1]


def test_of_many_classes_those_with_errors_are_shown() -> None:
    truth = np.repeat(np.arange(100), 2)
    answers = truth.copy()
    answers[40:60] += 1
    names = [f"class {place}" for place in range(100)]
    found = describe_confusion(evaluate_probabilities(np.eye(100)[answers], truth, names))
    assert found["left_out"] == 60
    assert {f"class {place}" for place in range(20, 31)} <= set(found["names"])


@pytest.mark.parametrize(("low", "high"), [(0, 1), (1e-9, 2e-9), (-3, 400), (0.5, 0.5001)])
def test_ticks_are_few_and_inside(low: float, high: float) -> None:
    found = ticks(low, high)
    assert 2 <= len(found) <= 7
    assert low - 1e-9 <= found[0] <= found[-1] <= high + 1e-9


def trials_like(count: int, models: tuple[str, ...] = ("cnn", "lstm")) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    trials: list[dict[str, Any]] = []
    for number in range(count):
        model = models[number % len(models)]
        values = {
            "learning_rate": float(10 ** rng.uniform(-4, -2)),
            "embedding": EVIL if number % 2 else "random",
            f"{model}/units": int(rng.integers(1, 65)),
            "flag": bool(number % 3),
        }
        failed = number % 10 == 9
        status = "failed" if failed else "stopped" if number % 4 == 1 else "completed"
        score = None if failed else round(float(rng.uniform(0.4, 0.9)), 4)
        known = {"seconds": 1.0, "cause": EVIL if failed else None}
        trials.append(
            {"id": number, "status": status, "score": score, "model": model, "values": values}
            | known
        )
    return sorted(trials, key=lambda trial: -(trial["score"] or 0))


@pytest.mark.parametrize("count", [1, 2, 30, 300])
@pytest.mark.parametrize("objective", ["val_accuracy", "val_loss"])
def test_any_search_can_be_drawn(count: int, objective: str) -> None:
    trials = trials_like(count)
    for picture in (draw_scores(trials, objective), draw_settings(trials, objective, {})):
        assert "<script" not in str(picture)
        assert "nan" not in str(picture)
    assert (draw_settings(trials, objective, {}) is None) == (count == 1)


def test_intervals_are_drawn_beside_the_best() -> None:
    entries = [
        {"model": "cnn", "accuracy": 0.8, "behind": (0.0, 0.0), "run": "cnn"},
        {"model": EVIL, "accuracy": 0.7, "behind": (0.05, 0.15), "run": None},
    ]
    picture = draw_leaderboard(entries)
    assert "95 % interval 65.00% to 75.00%" in picture
    assert "<script" not in picture


def test_page_of_multi_label_data(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = [
        tuple(np.array(["red", "green", "blue"])[rng.uniform(size=3) < 0.5]) for _ in range(90)
    ]
    texts = tuple(" ".join(each) + f" number {place}" for place, each in enumerate(labels))
    prepared = Preparation(make_splits(Dataset("colours", texts, tuple(labels)), seed=0))
    run = train(prepared, "cnn", tmp_path / "run", settings=SETTINGS, config=QUICK)
    assert run.answers is not None
    assert len(run.answers["answers"]) == len(prepared.splits.validation)
    words = Tags(page_of(run.directory, tmp_path / "page.html")).words
    for told in ("test micro-F1", "wrongly given", "of each class", "Most confident errors"):
        assert told in words
    assert "Confusion" not in words


def test_curves_of_an_ensemble_that_diverged_can_be_drawn() -> None:
    history = [
        {"member": member, "epoch": epoch, "loss": loss, "val_loss": 0.5}
        for member in (1, 2)
        for epoch, loss in enumerate((0.5, float("inf"), float("nan")), 1)
    ]
    picture = draw_curve(history, "loss", 1)
    assert picture.count('<polyline class="line valid"') == 2
    assert 'points="nan' not in picture
    assert "inf," not in picture


@pytest.fixture
def searched(folder: Path, tmp_path: Path) -> Path:
    """The folder of a search, as far as its page looks at it."""
    out = shutil.copytree(folder, tmp_path / "search")
    told = {"objective": "val_accuracy", "tuner": "random", "stopped": "max_trials 40 was reached"}
    write_json(out / "search.json", told)
    for trial in trials_like(40):
        (out / "trials" / f"{trial['id']:04d}").mkdir(parents=True)
        write_json(out / "trials" / f"{trial['id']:04d}" / "trial.json", trial)
    write_json(out / "trial.json", trials_like(40)[0])
    finalist = {"trial": 2, "scores": [0.5, 0.75], "mean": 0.625, "standard_error": 0.125}
    write_json(out / "finalists.json", [finalist])
    entry = Entry("cnn", 0.5, 0.5, 1.0, 9, 0.1, (0.0, 0.0), "cnn")
    board = Leaderboard("test", 60, (entry,), "no network is worth its time here")
    write_comparison(out, board, "kerastextzoo tune --model cnn")
    return out


def test_page_of_a_search(searched: Path) -> None:
    page = write_report(searched).read_text("utf-8")
    words = Tags(page).words
    assert "40 trials, proposed by random, 4 failed, ranked by val_accuracy." in words
    assert "no network is worth its time here" in words
    assert "kerastextzoo tune --model cnn" in words
    assert "0.6250 ± 0.1250" in words
    assert "20 more trials" in words
    assert "Settings and scores" in words
    assert "<script" not in page
    Run(searched)


def test_page_of_a_comparison(command: Command, data: Path, tmp_path: Path) -> None:
    told = command.json(
        "compare", "--models", "cnn", "--data", data, *SMALL, "--out", tmp_path / "several"
    )
    assert told["report"] == str(tmp_path / "several" / "report.html")
    page = Path(told["report"]).read_text("utf-8")
    words = Tags(page).words
    assert told["verdict"] in words
    assert all(entry["model"] in words for entry in told["leaderboard"])
    assert "F1 by class" in words
    typed = words.split("This was typed:")[1].split("seed")[0].strip()
    assert typed == f"kerastextzoo compare --models cnn --data {data} {' '.join(SMALL)}"
    moved = shutil.move(tmp_path / "several", tmp_path / "elsewhere")
    again = command.json("report", moved, "--out", tmp_path / "again.html")
    assert again == {"run": str(moved), "report": str(tmp_path / "again.html")}
    status, _, err = command("report", tmp_path)
    assert status == 2
    assert "expected a run" in err


@pytest.mark.skipif(find_browser() is None, reason="no Chromium is installed")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_page_fits_any_screen(hostile: Path, tmp_path: Path, dark: bool) -> None:
    page = write_report(hostile, tmp_path / "page.html")
    narrow, wide = look_at(page, (360, 1600), tmp_path, dark=dark)
    for seen, width in ((narrow, 360), (wide, 1600)):
        assert seen["needed"] <= seen["width"] <= width
        assert seen["heading"] == 'cnn on <img src="https://example.org/x.png">'
        assert seen["pictures"] == 4
        assert seen["scripts"] == 0
        assert seen["cut"] == []
        assert seen["small"] == []
    brightness = [sum(map(int, re.findall(r"\d+", wide[name])[:3])) for name in ("paper", "ink")]
    assert (brightness[0] < brightness[1]) is dark


@pytest.mark.skipif(find_browser() is None, reason="no Chromium is installed")
def test_page_of_a_search_fits_any_screen(searched: Path, tmp_path: Path) -> None:
    for seen in look_at(write_report(searched), (360, 1600), tmp_path, dark=False):
        assert seen["needed"] <= seen["width"]
        assert seen["pictures"] == 7
        assert seen["cut"] == []
        assert seen["small"] == []
