"""The commands as people and scripts see them: output, exit status, what is left behind."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from commands import Command

from kerastextzoo.builders import list_models
from kerastextzoo.console import Screen

ROOT = Path(__file__).resolve().parent.parent
QUICK = ["--epochs", "1", "--set", "embedding_features=8", "--set", "filters=8"]


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that the command wrote, in a process of its own."""
    out = tmp_path_factory.mktemp("cli") / "run"
    options = ["--model", "cnn", "--data", data, "--out", out, *QUICK, "--json"]
    found = launch("train", *options, cwd=out.parent).communicate()
    assert set(json.loads(found[0])) == {"run", "model", "seed", "metrics", "seconds"}
    assert json.loads(found[0])["run"] == str(out)
    return out


def launch(*arguments: object, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "kerastextzoo", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        text=True,
    )


def test_a_killed_training_goes_on_from_its_checkpoint(data: Path, tmp_path: Path) -> None:
    options = ["--model", "cnn", "--data", data, *QUICK, "--set", "patience=30", "--epochs", "30"]
    state = tmp_path / "states" / "cnn.npz"
    broken = ["train", *options, "--out", "run", "--checkpoint", state, "--json"]
    child = launch(*broken, cwd=tmp_path)
    deadline = time.monotonic() + 300
    while not state.exists():
        assert time.monotonic() < deadline, "no epoch in five minutes"
        assert child.poll() is None
        time.sleep(0.01)
    child.kill()
    assert child.wait() == -signal.SIGKILL
    child.communicate()
    assert not (tmp_path / "run").exists()
    resumed, err = launch(*broken, cwd=tmp_path).communicate()
    assert json.loads(resumed), err
    assert not list(state.parent.iterdir())
    whole, _ = launch("train", *options, "--out", "whole", "--json", cwd=tmp_path).communicate()
    assert json.loads(resumed)["metrics"] == json.loads(whole)["metrics"]


@pytest.mark.parametrize(
    ("place", "said"),
    [("run/state.npz", "is in the new folder"), ("mine.txt", "is damaged, or none")],
)
def test_a_checkpoint_that_can_not_be_used(
    command: Command, data: Path, tmp_path: Path, place: str, said: str
) -> None:
    mine, out = tmp_path / "mine.txt", tmp_path / "run"
    mine.write_text("a letter", "utf-8")
    options = ["--model", "cnn", "--data", data, *QUICK, "--out", out]
    status, _, err = command("train", *options, "--checkpoint", tmp_path / place)
    assert (status, said in err.splitlines()[-1]) == (2, True), err
    assert mine.read_text("utf-8") == "a letter"
    assert not out.exists()


def test_models(command: Command) -> None:
    models = command.json("models")["models"]
    assert [model["name"] for model in models] == list_models()
    # The one without an embedding is small.
    small = [model["name"] for model in models if model["parameters"] < 2_000_000]
    assert small == ["sentence"]
    assert all(model["multiply_adds_per_token"] < model["parameters"] for model in models)
    status, out, _ = command("models")
    assert status == 0
    assert all(name in out for name in list_models())
    settings = {each["setting"]: each for each in command.json("models", "cnn")["settings"]}
    assert settings["filters"]["default"] == "128"


@pytest.mark.filterwarnings("ignore::kerastextzoo.run.AnswerWarning")
def test_evaluate(command: Command, run: Path, data: Path) -> None:
    found = command.json("evaluate", run, "--data", data)
    assert set(found) == {"accuracy", "macro_f1", "loss", "n", "per_class", "confusion"}
    assert found["n"] == 600 == sum(map(sum, found["confusion"]))
    status, out, _ = command("evaluate", run, "--data", data)
    assert status == 0
    assert "macro-F1" in out


@pytest.mark.filterwarnings("ignore::kerastextzoo.run.AnswerWarning")
def test_predict(command: Command, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["Return the mean of an array.", "", "Open a\u2028socket."]
    given = command.json("predict", run, *texts)["predictions"]
    assert len(given) == 3
    for predicted in given:
        best = max(predicted["probabilities"].items(), key=lambda item: item[1])[0]
        assert predicted["label"] == best
        assert abs(sum(predicted["probabilities"].values()) - 1) < 1e-5
    lines = io.TextIOWrapper(io.BytesIO("\n".join(texts).encode()))
    monkeypatch.setattr(sys, "stdin", lines)
    assert command.json("predict", run)["predictions"] == given
    Path("texts.txt").write_text("\n".join(texts) + "\n", "utf-8")
    assert command.json("predict", run, "--data", "texts.txt")["predictions"] == given
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    assert command("predict", run)[:2] == (2, "")
    status, out, err = command("predict", run, texts[0], "--quiet")
    assert (status, err) == (0, "")
    assert out.split("\t")[0] == given[0]["label"]


def test_compare(command: Command, data: Path) -> None:
    options = ("--data", data, "--epochs", 1, "--set", "embedding_features=8", "--out", "board")
    found = command.json("compare", "--models", "cnn,fasttext", *options)
    assert set(found) == {"part", "texts", "leaderboard", "report", "verdict"}
    keys = {"model", "accuracy", "macro_f1", "seconds", "parameters"}
    assert all(keys < set(entry) for entry in found["leaderboard"])
    assert len(found["leaderboard"]) == 6
    status, out, err = command("compare", "--models", "cnn,fasttext", *options)
    assert (status, out) == (2, "")
    assert "exists already" in err
    status, out, _ = command("compare", "--models", "cnn,fasttext", *options, "--resume")
    assert status == 0
    assert found["verdict"] in " ".join(out.split())
    status, out, err = command("compare", "--models", "cnn,lsmt", "--out", "other")
    assert (status, out) == (2, "")
    assert "no model 'lsmt'; did you mean 'lstm'?" in err
    assert not Path("other").exists()


def test_export(command: Command, run: Path) -> None:
    found = command.json("export", run, "--to", "saved")
    assert Path(found["saved_model"], "saved_model.pb").is_file()
    status, out, err = command("export", run, "--to", "saved")
    assert (status, out) == (2, "")
    assert "exists already" in err


def test_doctor(command: Command, data: Path) -> None:
    options = ("doctor", "--data", data, *QUICK, "--quick")
    healthy = command.json(*options)
    # They come sorted, as files do.
    assert [finding["severity"] for finding in healthy["findings"]] == ["note"]
    mistaken = (*options, "--model", "cnn", "--set", "mistakes=softmax_twice")
    finding, _ = command.json(*mistaken)["findings"]
    assert set(finding) >= {"code", "severity", "cause", "evidence", "remedy"}
    assert (finding["code"], finding["severity"]) == ("softmax-twice", "error")
    status, out, err = command(*mistaken, "--quiet")
    assert (status, err) == (0, "")
    assert out.startswith("✗ softmax-twice: ")
    assert len(out.splitlines()) < 10
    assert not Path("runs").exists()


@pytest.mark.filterwarnings("ignore::kerastextzoo.run.AnswerWarning")
def test_doctor_of_a_run(command: Command, run: Path, data: Path) -> None:
    codes = {each["code"] for each in command.json("doctor", "--run", run)["findings"]}
    assert "unknown-labels" not in codes
    rows = ["text,label", *(f"Wörter ohne Bedeutung {n},Sport" for n in range(20))]
    Path("other.csv").write_text("\n".join(rows), "utf-8")
    found = command.json("doctor", "--run", run, "--data", "other.csv")["findings"]
    assert found[0]["code"] == "unknown-labels"


def test_what_can_not_learn_is_refused_before_it_is_trained(command: Command, data: Path) -> None:
    settings = ("--set", "optimizer=sgd", "--set", "clip_norm=1e-9")
    options = ("--model", "cnn", "--data", data, *QUICK, *settings)
    for name in ("train", "tune"):
        status, out, err = command(name, *options)
        assert (status, out) == (2, "")
        last = err.splitlines()[-1]
        assert last.startswith("error: the doctor found clip-too-small: ")
        assert last.endswith("--no-doctor")
        assert not Path("runs").exists()
    status, _, err = command("train", *options, "--no-doctor", "--out", "run")
    assert status == 0, err
    assert json.loads(Path("run/run.json").read_text("utf-8"))["findings"] == []


@pytest.mark.filterwarnings("ignore::kerastextzoo.text.TextWarning")
def test_a_tokenizer_that_was_asked_for_is_told_of(command: Command) -> None:
    words = {"pos": ("很好看", "真喜欢", "非常棒"), "neg": ("不好看", "真无聊", "非常差")}
    rows = [
        f"这部电影{words[label][n % 3]}我们看了{n}次,{label}" for n in range(60) for label in words
    ]
    Path("films.csv").write_text("\n".join(["text,label", *rows]), "utf-8")
    options = ("--model", "cnn", "--data", "films.csv", "--tokenizer", "word", *QUICK)
    status, _, err = command("train", *options, "--set", "min_count=1", "--out", "run")
    assert status == 0
    assert "✗ unsegmented-text: " in err
    recorded = json.loads(Path("run/run.json").read_text("utf-8"))["findings"]
    assert recorded[0]["code"] == "unsegmented-text"


def test_mistakes_on_purpose_are_trained_and_recorded(command: Command, data: Path) -> None:
    options = ("--model", "cnn", "--data", data, *QUICK, "--set", "mistakes=sigmoid_after_softmax")
    status, _, err = command("train", *options, "--out", "run")
    assert status == 0
    assert "✗ sigmoid-after-softmax: " in err
    recorded = json.loads(Path("run/run.json").read_text("utf-8"))["findings"]
    assert [finding["code"] for finding in recorded] == ["sigmoid-after-softmax"]


def test_notes_go_to_standard_error_and_quiet_stops_them(command: Command, data: Path) -> None:
    options = ("train", "--model", "cnn", "--data", data, *QUICK)
    status, out, err = command(*options)
    assert status == 0
    assert "stratified 80/10/10, seed 0" in err
    assert "tokens      word (chosen by looking at the text)" in err
    assert "epoch 1/1" in err
    assert "runs/cnn-1" in out
    assert "epoch" not in out.replace("(epoch 1 of 1", "")
    status, out, err = command(*options, "--quiet")
    assert (status, err) == (0, "")
    assert "runs/cnn-2" in out


BAD = {
    "no such command": (["trian"], "No such command 'trian'. Did you mean 'train'?"),
    "misspelt option": (["train", "--modle", "cnn"], "No such option: --modle"),
    "no model": (["tune"], "Missing option '--model'"),
    "unknown model": (["train", "--model", "cn"], "no model 'cn'; did you mean 'cnn'?"),
    "no number": (["train", "--model", "cnn", "--epochs", "x"], "Invalid value for '--epochs'"),
    "no epochs": (["train", "--model", "cnn", "--epochs", "0"], "setting epochs: "),
    "unknown setting": (
        ["train", "--model", "cnn", "--set", "filtres=3"],
        "no setting 'filtres'; did you mean 'filters'?",
    ),
    "setting without a value": (
        ["train", "--model", "cnn", "--set", "filters"],
        "--set takes KEY=VALUE; got 'filters'",
    ),
    "wrong tokenizer": (
        ["train", "--model", "cnn", "--tokenizer", "wrod"],
        "setting tokenizer: ",
    ),
    "no such file": (["train", "--model", "cnn", "--data", "nothing.csv"], "nothing.csv: "),
    "no such column": (["train", "--model", "cnn", "--data", "column.csv"], "'text'"),
    "one class": (["train", "--model", "cnn", "--data", "one.csv"], "at least 2 classes"),
    "empty file": (["train", "--model", "cnn", "--data", "empty.csv"], "0 examples"),
    "header only": (["train", "--model", "cnn", "--data", "header.csv"], "0 examples"),
    "no vectors": (
        ["train", "--model", "cnn", "--data", "good.csv", "--embeddings", "none.bin"],
        "none.bin",
    ),
    "pickled vectors": (
        ["train", "--model", "cnn", "--data", "good.csv", "--embeddings", "vectors.bin"],
        "pickle",
    ),
    "unknown tuner": (["tune", "--model", "cnn", "--tuner", "rnadom"], "did you mean 'random'"),
    "no trials": (["tune", "--model", "cnn", "--max-trials", "0"], "max_trials must be at least 1"),
    "unknown objective": (
        ["tune", "--model", "cnn", "--objective", "val_acc"],
        "did you mean 'val_accuracy'",
    ),
    "resume of nothing": (["tune", "--model", "cnn", "--resume"], "give --out"),
    "no search there": (
        ["tune", "--model", "cnn", "--resume", "--out", "."],
        "no search to resume",
    ),
    "overwriting what is not ours": (
        ["tune", "--model", "cnn", "--overwrite", "--out", "."],
        "so it is not deleted",
    ),
    "folder taken": (["train", "--model", "cnn", "--out", "."], "exists already"),
    "two to examine": (
        ["doctor", "--model", "cnn", "--run", "."],
        "doctor takes one of --model, --recipe, --run; got --model and --run",
    ),
    "no run to examine": (["doctor", "--run", "."], "expected a run"),
    "no run": (["predict", ".", "text"], "expected a run"),
    "no run to export": (["export", ".", "--to", "new"], "expected a run"),
    "no run to evaluate": (["evaluate", ".", "--data", "good.csv"], "expected a run"),
}


@pytest.mark.parametrize(("arguments", "said"), BAD.values(), ids=BAD)
def test_bad_input_gets_one_line_and_status_2(
    command: Command, arguments: list[str], said: str
) -> None:
    rows = [f"film {n},{'pos' if n % 2 else 'neg'}" for n in range(40)]
    Path("good.csv").write_text("\n".join(["text,label", *rows]), "utf-8")
    Path("column.csv").write_text("txt,label\ngood,pos\nbad,neg\n", "utf-8")
    Path("one.csv").write_text("text,label\ngood,pos\nfine,pos\n", "utf-8")
    Path("empty.csv").write_text("", "utf-8")
    Path("header.csv").write_text("text,label\n", "utf-8")
    Path("vectors.bin").write_bytes(b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00K\x01.")
    before = {path: path.read_bytes() for path in Path().iterdir()}
    status, out, err = command(*arguments)
    assert (status, out) == (2, "")
    last = err.splitlines()[-1]
    assert last.startswith("error: ")
    assert said in last
    assert "Traceback" not in err
    assert {path: path.read_bytes() for path in Path().iterdir()} == before


def test_a_fault_of_ours_is_status_1_without_a_traceback(
    command: Command, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import kerastextzoo.run

    def broken(*_: object) -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(kerastextzoo.run.Run, "predict_proba", broken)
    status, out, err = command("predict", run, "text")
    assert (status, out) == (1, "")
    assert err.splitlines()[-1].startswith(
        "error: a fault of kerastextzoo: RuntimeError: two lines"
    )
    monkeypatch.setenv("KERASTEXTZOO_DEBUG", "1")
    assert "Traceback" in command("predict", run, "text")[2]


def test_interrupted_tune_is_status_130_and_resume_ends_where_it_would_have(
    data: Path, tmp_path: Path
) -> None:
    options = ["--model", "cnn", "--data", data, "--max-trials", "3", *QUICK, "--json"]
    child = launch("tune", *options, "--out", "out", cwd=tmp_path)
    deadline = time.monotonic() + 300
    while not (tmp_path / "out/trials/0000/trial.json").exists():
        assert time.monotonic() < deadline, "no trial in five minutes"
        assert child.poll() is None
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert (child.returncode, out) == (130, ""), err
    assert "--resume --out out goes on" in err.splitlines()[-1]
    assert "Traceback" not in err
    done = {path: path.stat().st_mtime_ns for path in tmp_path.glob("out/trials/*/trial.json")}
    assert 1 <= len(done) < 3

    def tuned(*more: str) -> Any:
        found, _ = launch("tune", *options, *more, cwd=tmp_path).communicate(timeout=600)
        result = json.loads(found)
        trials = [{**trial, "seconds": 0} for trial in result["trials"]]
        return result, trials

    resumed, trials = tuned("--resume", "--out", "out")
    assert {path: path.stat().st_mtime_ns for path in done} == done
    whole, wanted = tuned("--out", "whole")
    assert trials == wanted
    assert resumed["metrics"] == whole["metrics"]
    assert set(whole) >= {"run", "model", "seed", "metrics", "seconds", "trials", "best"}
    assert set(whole["trials"][0]) >= {"id", "status", "score", "seconds", "config"}
    assert whole["metrics"].keys() >= {"val_accuracy", "test_accuracy", "test_macro_f1"}
    assert (tmp_path / "whole/saved_model/saved_model.pb").is_file()
    assert whole["report"] == "whole/report.html"
    assert whole["comparison"]["verdict"] in (tmp_path / whole["report"]).read_text("utf-8")
    assert json.loads((tmp_path / "out/answers.json").read_text("utf-8"))["errors"][0]["text"]
    for picture in ("search.png", "curves.png", "confusion.png"):
        assert (tmp_path / "whole" / picture).stat().st_size > 5_000


def test_an_interrupt_that_a_library_drops_comes_again(capsys: pytest.CaptureFixture[str]) -> None:
    class Careless:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with Screen(quiet=True) as screen:
        Careless()
        with pytest.raises(KeyboardInterrupt):
            screen.track("training", 1, 2)
    assert capsys.readouterr().err == ""
    assert signal.getsignal(signal.SIGINT) == before


def test_a_second_interrupt_ends_at_once(tmp_path: Path) -> None:
    program = (
        "import contextlib, signal, time\n"
        "from kerastextzoo.console import Screen\n"
        "with Screen(quiet=True):\n"
        "    with contextlib.suppress(KeyboardInterrupt): signal.raise_signal(signal.SIGINT)\n"
        "    with contextlib.suppress(BaseException): signal.raise_signal(signal.SIGTERM)\n"
        "    time.sleep(60)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, check=False, timeout=30
    )
    assert found.returncode == 130
