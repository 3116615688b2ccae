"""The plan of experiments can be run, and RESULTS.md says what the records say."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import results
from benchmarks.results_picture import draw_results

ROOT = Path(__file__).resolve().parent.parent


def test_every_experiment_has_a_name_and_valid_settings() -> None:
    plan, experiments = results.read_plan()
    assert len({each.name for each in experiments}) == len(experiments)
    for each in experiments:
        if each.seed == 0:
            each.settings()
    # A record that no experiment asks for would be lost to the table.
    names = {f"{each.name}.json" for each in experiments}
    kept = {
        path.relative_to(results.RECORDS).as_posix() for path in results.RECORDS.rglob("*.json")
    }
    assert kept <= names
    assert set(plan["data"]) == {each.data for each in experiments}


def test_rows_may_have_vectors_and_texts_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "experiments.toml").write_text(
        'recipes = {}\ndefaults = []\n[data.films]\nseeds = 1\nvectors = "words.bin"\n'
        'options = ["--data", "films.csv"]\nnetworks = []\nown_vectors = ["cnn own"]\n'
        'self_trained = ["cnn more"]\nunlabelled = "more.txt"\n'
        '[data.films.models]\ncnn = []\n"cnn own" = []\n"cnn more" = []\n',
        "utf-8",
    )
    monkeypatch.setattr(results, "HERE", tmp_path)
    monkeypatch.setattr(results, "list_recipes", lambda: [])
    _, experiments = results.read_plan()
    usual = {"--data", "films.csv", "--embeddings", "words.bin"}
    expected = {"baselines": usual, "cnn": usual, "cnn own": {"--data", "films.csv"}}
    expected["cnn more"] = usual | {"--unlabelled", "more.txt"}
    assert {each.what: {*each.options} for each in experiments} == expected


def test_the_table_is_that_of_the_records() -> None:
    assert (ROOT / "RESULTS.md").read_text("utf-8") == results.lay_out(*results.read_plan())


def test_a_record_of_other_settings_is_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "RECORDS", tmp_path)
    one = results.Experiment("isear", "cnn", 0, (), ("epochs=3",))
    one.path.parent.mkdir()

    def write(**changed: object) -> None:
        settings = one.settings()
        settings["training"] |= changed
        record = {"command": list(one.command), "settings": settings}
        one.path.write_text(json.dumps(record), "utf-8")

    write()
    assert one.record() is not None
    assert results.Experiment("isear", "cnn", 0, (), ("epochs=4",)).record() is None
    write(learning_rate=0.5)
    assert one.record() is None
    # A setting that came later and is off changes nothing.
    write()
    record = json.loads(one.path.read_text("utf-8"))
    del record["settings"]["training"]["clip_norm"]
    one.path.write_text(json.dumps(record), "utf-8")
    assert one.record() is not None
    del record["settings"]["training"]["epochs"]
    one.path.write_text(json.dumps(record), "utf-8")
    assert one.record() is None


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[results.Experiment]:
    """Two seeds of three networks and of the linear models, as their records tell."""
    monkeypatch.setattr(results, "RECORDS", tmp_path)
    reached = {"cnn": (0.70, 0.90), "cnn wide": (0.80, 0.60), "lstm": (0.75, 0.65)}
    experiments = []
    for what, (validation, test) in ({"baselines": (0, 0)} | reached).items():
        for seed, more in enumerate((-0.01, 0.01)):
            one = results.Experiment("isear", what, seed, ())
            metrics = {
                "val_accuracy": validation, "test_accuracy": test + more, "test_macro_f1": test
            }  # fmt: skip
            record: dict[str, Any] = {"command": list(one.command), "settings": one.settings()}
            record |= {"metrics": metrics, "parameters": 1, "seconds": 1}
            if one.linear:
                shares = {"majority class": 0.14, "NB-SVM": 0.62 + more}
                record["leaderboard"] = [
                    dict.fromkeys(("macro_f1", "seconds", "parameters", "milliseconds"), 1)
                    | {"model": model, "accuracy": share}
                    for model, share in shares.items()
                ]
            one.path.parent.mkdir(exist_ok=True)
            one.path.write_text(json.dumps(record), "utf-8")
            experiments.append(one)
    return experiments


def test_a_run_that_fails_does_not_end_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan, _ = results.read_plan()
    planned = [results.Experiment("isear", "baselines", seed, ()) for seed in (0, 1)]

    def call(*words: str) -> dict[str, Any]:
        if words[-3] == "0":
            raise results.RunFailedError("out of memory")
        names = ("accuracy", "macro_f1", "seconds", "parameters", "milliseconds")
        return {"leaderboard": [dict.fromkeys(names, 1) | {"model": "NB-SVM"}]}

    monkeypatch.setattr("sys.argv", ["results", str(tmp_path)])
    for name, value in (
        ("RECORDS", tmp_path), ("ROOT", tmp_path), ("_call", call), ("_code", lambda: "0"),
        ("read_plan", lambda: ({"data": {"isear": plan["data"]["isear"]}}, planned)),
    ):  # fmt: skip
        monkeypatch.setattr(results, name, value)
    with pytest.raises(SystemExit, match="failed: isear/baselines-0"):
        results.main()
    assert "out of memory" in capsys.readouterr().err
    assert [each.path.exists() for each in planned] == [False, True]
    assert "| NB-SVM | 100.0 |" in (tmp_path / "RESULTS.md").read_text("utf-8")


def test_validation_chooses_what_is_held_against_an_aim(
    recorded: list[results.Experiment],
) -> None:
    plan, _ = results.read_plan()
    plan["data"]["isear"]["goals"] = {"cnn": 70, "lstm": 65, "dpcnn": 1, "best": 60.5}
    lines = results.lay_out(plan, recorded).splitlines()
    assert "| isear | cnn | 70 | 60.0 ± 1.4 | cnn wide | 2 | short by 10.0 |" in lines
    assert "| isear | lstm | 65 | 65.0 ± 1.4 | lstm | 2 | reached |" in lines
    assert "| isear | dpcnn | 1 | not trained yet | | | |" in lines
    assert "| isear | best | 60.5 | 60.0 ± 1.4 | cnn wide | 2 | short by 0.5 |" in lines


def test_seeds_that_other_rows_lack_do_not_choose(recorded: list[results.Experiment]) -> None:
    plan, _ = results.read_plan()
    plan["data"]["isear"] |= {"goals": {"best": 60.5}, "seeds": 1}
    more = next(each for each in recorded if (each.what, each.seed) == ("lstm", 1))
    record = json.loads(more.path.read_text("utf-8"))
    record["metrics"]["val_accuracy"] = 0.99
    more.path.write_text(json.dumps(record), "utf-8")
    (best,) = (line for line in results.lay_out(plan, recorded).splitlines() if "60.5" in line)
    assert best == "| isear | best | 60.5 | 60.0 ± 1.4 | cnn wide | 2 | short by 0.5 |"
    assert results.choose_panels(plan, recorded)["isear"].chosen == "cnn wide"


def test_a_row_that_lacks_seeds_is_not_chosen(recorded: list[results.Experiment]) -> None:
    plan, _ = results.read_plan()
    plan["data"]["isear"] |= {"goals": {"best": 60.5}, "seeds": 2}
    next(each for each in recorded if (each.what, each.seed) == ("cnn wide", 1)).path.unlink()
    (best,) = (line for line in results.lay_out(plan, recorded).splitlines() if "60.5" in line)
    assert best == "| isear | best | 60.5 | 65.0 ± 1.4 | lstm | 2 | reached |"


def test_the_picture_shows_what_the_table_says(
    recorded: list[results.Experiment], tmp_path: Path
) -> None:
    plan, _ = results.read_plan()
    (panel,) = results.choose_panels(plan, recorded).values()
    told = {"cnn": (90.0, 1.41), "cnn wide": (60.0, 1.41), "lstm": (65.0, 1.41)}
    assert {
        model: tuple(round(each, 2) for each in of) for model, of in panel.models.items()
    } == told
    assert panel.linear == pytest.approx(62)
    assert panel.chosen == "cnn wide"
    draw_results({"isear": panel}, tmp_path / "new" / "results.svg")
    drawn = (tmp_path / "new" / "results.svg").read_text("utf-8")
    names = [drawn.index(f">{name}</text>") for name in ("cnn wide", "lstm", "cnn")]
    assert names == sorted(names)
    assert ">isear</text>" in drawn
    draw_results({"isear": panel}, tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_text("utf-8") == drawn
