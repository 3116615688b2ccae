"""The commands that look at data, and that train and look at word vectors."""

import gzip
from pathlib import Path

import pytest
from commands import Command

from kerastextzoo.embeddings import load_vectors

ROWS = [
    f"{'good' if n % 2 else 'bad'} film number {n} of them,{'pos' if n % 2 else 'neg'}"
    for n in range(60)
]
LINES = "".join(f"the {a} {b} was {c}\n" for a in "xyz" for b in "pqr" for c in ("good", "bad"))


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Command:
    monkeypatch.chdir(tmp_path)
    Path("films.csv").write_text("\n".join(["text,label", *ROWS]), "utf-8")
    Path("lines.txt").write_text(LINES, "utf-8")
    return Command(monkeypatch, capsys)


def names() -> list[str]:
    return sorted(path.name for path in Path().iterdir())


# --- data inspect


def test_data_inspect_tells_programs_and_people_the_same(command: Command) -> None:
    found = command.json("data", "inspect", "films.csv")
    assert found["rows"] == {"data": 60}
    assert found["classes"] == {"neg": 30, "pos": 30}
    assert (found["encoding"], found["tokenizer"]) == ("utf-8", "word")
    assert found["lengths"]["max"] == 6
    assert found["proposal"]["max_length"] == 8
    assert (found["coverage"], found["picture"], found["overlap"]) == (None, None, {})
    assert found["cut"] == {"max_length": 400, "texts": 0, "tokens": 0}
    status, out, err = command("data", "inspect", "films.csv", "--quiet")
    assert (status, err) == (0, "")
    assert "texts       60 data" in out
    assert "--max-length 8: 99 % of the texts have at most 6 tokens" in out
    assert names() == ["films.csv", "lines.txt"]


def test_data_inspect_with_parts_vectors_and_a_picture(command: Command) -> None:
    Path("test.csv").write_text("\n".join(["text,label", ROWS[1].upper().replace("POS", "pos")]))
    Path("vectors.txt").write_text("good 1 2\nfilm 3 4\n")
    found = command.json(
        *("data", "inspect", "films.csv", "--test", "test.csv", "--valid", "films.csv"),
        *("--embeddings", "vectors.txt", "--max-length", "5", "--out", "seen/it"),
        *("--tokenizer", "word"),
    )
    assert found["overlap"]["data/validation"]["share"] == 1
    assert found["overlap"]["data/test"]["examples"][0]["row_of_first"] == 2
    assert found["coverage"]["tokens_found"] == 30 + 60
    assert found["cut"]["texts"] == 1
    assert [path.name for path in Path("seen/it").iterdir()] == ["data.png"]
    assert Path(found["picture"]).read_bytes().startswith(b"\x89PNG")
    assert Path(found["picture"]).stat().st_size > 5_000


def test_data_inspect_draws_odd_class_names_without_a_warning(command: Command) -> None:
    rows = [f"text number {n},{'电影$x^$' if n % 2 else '书$'}" for n in range(20)]
    Path("odd.csv").write_text("\n".join(["text,label", *rows]), "utf-8")
    status, _, err = command("data", "inspect", "odd.csv", "--out", "seen", "--quiet")
    assert (status, err) == (0, "")


def test_data_inspect_finds_the_official_parts_of_a_folder(command: Command) -> None:
    for name, start in {"train": 0, "dev": 40, "test": 50}.items():
        rows = [row.split(",") for row in ROWS[start:]]
        lines = [f"__label__{label} {text}" for text, label in rows]
        Path("parts").mkdir(exist_ok=True)
        Path(f"parts/{name}.txt").write_text("\n".join(lines[: 40 if start == 0 else 10]), "utf-8")
    found = command.json("data", "inspect", "parts")
    assert found["rows"] == {"data": 40, "validation": 10, "test": 10}
    assert all(overlap["rows"] == 0 for overlap in found["overlap"].values())
    assert found["unknown"]["tokens"] > 0


def test_data_inspect_tells_a_leak_and_goes_on(command: Command) -> None:
    leaky = "\n".join(["text,label", *ROWS[:5]])
    Path("leaky.csv").write_text(leaky, "utf-8")
    found = command.json("data", "inspect", "films.csv", "--test", "leaky.csv")
    assert found["overlap"]["data/test"]["share"] == 1
    assert "no training on this" in found["notes"][0]
    assert found["unknown"] is None


def test_data_inspect_without_data_takes_the_docstrings(command: Command) -> None:
    found = command.json("data", "inspect")
    assert found["name"] == "docstrings"
    assert sum(found["classes"].values()) == found["rows"]["data"] > 5_000
    assert 0 < found["unknown"]["tokens"] < 0.2


@pytest.mark.filterwarnings("ignore::kerastextzoo.data.DataWarning")
def test_data_inspect_names_the_encoding(command: Command) -> None:
    text = "\n".join(["text,label", *ROWS])
    Path("utf16.csv").write_text(text, "utf-16")
    Path("marked.csv.gz").write_bytes(gzip.compress(text.encode("utf-8-sig")))
    assert command.json("data", "inspect", "utf16.csv")["encoding"] == "utf-16"
    marked = command.json("data", "inspect", "marked.csv.gz")
    assert marked["encoding"] == "utf-8 with a byte order mark"
    told = command.json("data", "inspect", "films.csv", "--encoding", "gb18030")
    assert told["encoding"] == "gb18030"


# --- embeddings


@pytest.mark.parametrize("algorithm", ["skip-gram", "cbow", "fasttext"])
def test_embeddings_train_gives_the_same_bytes_again(command: Command, algorithm: str) -> None:
    options = ("embeddings", "train", "lines.txt", "--algorithm", algorithm, "--dim", "6")
    found = command.json(*options, "--to", "one.txt.gz")
    assert {"vectors": "one.txt.gz", "words": 10, "dim": 6, "texts": 18}.items() <= found.items()
    assert found["seconds"] >= 0
    assert load_vectors("one.txt.gz").vectors.shape == (10, 6)
    command.json(*options, "--to", "two.txt.gz")
    assert Path("one.txt.gz").read_bytes() == Path("two.txt.gz").read_bytes()
    command.json(*options, "--to", "other.bin", "--seed", "1")
    assert (load_vectors("other.bin").vectors != load_vectors("one.txt.gz").vectors).any()
    before = Path("other.bin").read_bytes()
    status, out, err = command(*options, "--to", "other.bin")
    assert (status, out) == (2, "")
    assert "exists already" in err
    assert Path("other.bin").read_bytes() == before
    command.json(*options, "--to", "other.bin", "--overwrite")
    assert Path("other.bin").read_bytes() != before
    assert names() == ["films.csv", "lines.txt", "one.txt.gz", "other.bin", "two.txt.gz"]


def test_embeddings_train_reads_labelled_texts_too(command: Command) -> None:
    status, out, err = command("embeddings", "train", "films.csv", "--to", "v.bin", "--dim", "4")
    assert status == 0
    assert "tokens      word (chosen by looking at the text)" in err
    assert "words       6" in out
    assert set(load_vectors("v.bin").index_to_key) == {
        *["good", "bad", "film", "number", "of", "them"]
    }


def test_embeddings_inspect(command: Command) -> None:
    table = {"man": "1 0 0", "woman": "1 1 0", "king": "1 0 1", "queen": "1 1 1", "film": "-1 0 0"}
    Path("v.txt").write_text("".join(f"{word} {row}\n" for word, row in table.items()))
    Path("q.txt").write_text(": royal\nman woman king queen\nman king woman queen\nman a b c\n")
    options = ("embeddings", "inspect", "v.txt", "--data", "films.csv", "--analogies", "q.txt")
    found = command.json(*options, "--words", "king, man")
    assert (found["words"], found["dim"], found["format"]) == (5, 3, "GloVe text")
    assert found["coverage"]["tokens_found"] == 60
    assert found["coverage"]["missing"][:3] == ["number", "of", "them"]
    assert found["neighbours"]["king"][0]["word"] == "queen"
    assert found["analogies"]["sections"] == [
        {"name": "royal", "right": 2, "asked": 2, "total": 3, "accuracy": 1}
    ]
    status, out, err = command(*options, "--quiet")
    assert (status, err) == (0, "")
    assert "accuracy    1.0000" in out
    assert "nearest words" in out
    assert set(command.json("embeddings", "inspect", "v.txt")["neighbours"]) == set(table)


@pytest.mark.parametrize("group", ["data", "embeddings"])
def test_a_group_alone_is_wrong_usage(command: Command, group: str) -> None:
    assert command(group) == (2, "", "error: Missing command.\n")


def test_no_command_at_all_shows_the_help(command: Command) -> None:
    status, out, err = command()
    assert (status, err) == (2, "error: no command given\n")
    assert "embeddings" in out


BAD = {
    "no such file": (["data", "inspect", "nothing.csv"], "nothing.csv: "),
    "no such sub-command": (["data", "inspct"], "No such command 'inspct'"),
    "wrong tokenizer": (["data", "inspect", "films.csv", "--tokenizer", "w"], "setting tokenizer"),
    "no length": (["data", "inspect", "films.csv", "--max-length", "0"], "setting max_length"),
    "taken folder": (["data", "inspect", "films.csv", "--out", "."], "exists already"),
    "no column": (["data", "inspect", "films.csv", "--label-column", "x"], "no column 'x'"),
    "no vectors": (
        ["data", "inspect", "films.csv", "--embeddings", "no.txt", "--out", "new"],
        "there is no such file",
    ),
    "pickle": (["embeddings", "inspect", "pickle.bin"], "a Python pickle"),
    "nothing to train on": (["embeddings", "train", "empty.txt", "--to", "v.txt"], "0 examples"),
    "blank texts": (["embeddings", "train", "blank.txt", "--to", "v.txt"], "are the texts empty?"),
    "no kind": (["embeddings", "train", "lines.txt", "--to", "v.vec"], ".txt or .bin"),
    "no folder": (["embeddings", "train", "lines.txt", "--to", "a/v.txt"], "there is no folder"),
    "a folder": (["embeddings", "train", "lines.txt", "--to", "folder.txt"], "exists already"),
    "no target": (["embeddings", "train", "lines.txt"], "Missing option '--to'"),
    "no algorithm": (
        ["embeddings", "train", "lines.txt", "--to", "v.txt", "--algorithm", "fastext"],
        "did you mean 'fasttext'",
    ),
    "no numbers": (["embeddings", "train", "lines.txt", "--to", "v.txt", "--dim", "0"], "`dim`"),
    "too rare": (
        ["embeddings", "train", "lines.txt", "--to", "v.txt", "--min-count", "99"],
        "lower `min_count`",
    ),
    "wrong tokenizer to train": (
        ["embeddings", "train", "lines.txt", "--to", "v.txt", "--tokenizer", "x"],
        "setting tokenizer",
    ),
    "no such word": (
        ["embeddings", "inspect", "v1.txt", "--words", "goood"],
        "did you mean 'good'",
    ),
    "empty word": (["embeddings", "inspect", "v1.txt", "--words", "good,"], "--words takes"),
    "no questions": (
        ["embeddings", "inspect", "v1.txt", "--analogies", "blank.txt"],
        "no question",
    ),
    "bad questions": (
        ["embeddings", "inspect", "v1.txt", "--analogies", "bad.txt"],
        "3 bad lines: line 1: words before the first ': section'; line 3: 3 words, 'a b c'; "
        "line 5: a section without a name",
    ),
    "questions of another kind": (
        ["embeddings", "inspect", "v1.txt", "--analogies", "films.csv"],
        "a .txt or .txt.gz file",
    ),
}


@pytest.mark.parametrize(("arguments", "said"), BAD.values(), ids=BAD)
def test_bad_input_gets_one_line_and_status_2(
    command: Command, arguments: list[str], said: str
) -> None:
    Path("empty.txt").write_text("")
    Path("blank.txt").write_text("\n \n")
    Path("pickle.bin").write_bytes(b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00K\x01.")
    Path("v1.txt").write_text("good 1 2\nbad 3 4\n")
    Path("bad.txt").write_text("a b c d\n: one\na b c\na b c d\n:\n")
    Path("folder.txt").mkdir()
    before = {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    status, out, err = command(*arguments, "--quiet")
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("error: ")
    assert said in err
    assert {path: path.read_bytes() for path in Path().iterdir() if path.is_file()} == before
    assert [path.name for path in Path().iterdir() if path.is_dir()] == ["folder.txt"]
