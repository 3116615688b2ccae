"""Folders that can't be written, or must not be."""

from pathlib import Path

from bad_inputs.making import QUICK, REFUSED, Case, csv, file, files

_TRAIN = f"train {QUICK} --data data.csv"
_TUNE = f"tune {QUICK} --data data.csv"


def _precious(folder: Path) -> None:
    file(csv())(folder)
    (folder / "precious").mkdir()
    (folder / "precious" / "work.txt").write_text("years of it")


FOLDERS = [
    Case(
        "R2", file(csv()), f"{_TRAIN} --out data.csv/run", REFUSED, ("can't write into", "data.csv")
    ),
    Case(
        "R2-tune",
        file(csv()),
        f"{_TUNE} --out data.csv/run",
        REFUSED,
        ("can't write into", "data.csv"),
    ),
    Case(
        "R9",
        _precious,
        f"{_TUNE} --out precious --overwrite",
        REFUSED,
        ("precious", "holds no search.json", "not deleted"),
    ),
    *(
        Case(f"R9-{name}", _precious, f"{_TUNE} --out {out} --overwrite", REFUSED, ("not deleted",))
        for name, out in (("parent", "precious/.."), ("root", "/"), ("here", "."))
    ),
    Case(
        "R9-train", _precious, f"{_TRAIN} --out precious", REFUSED, ("exists already", "precious")
    ),
    Case("R10-NUL", files(data=csv()), f"{_TRAIN} --out 'a\0b'", REFUSED, ("--out", "null byte")),
    *(
        Case(
            f"R10-{command.split()[0]}-{word}",
            file(csv()),
            f"{command} --out 'runs/{name}'",
            REFUSED,
            ("not every system", "use letters", "choose another"),
        )
        for command in (_TRAIN, _TUNE)
        for word, name in (
            ("device", "con"),
            ("device-with-suffix", "Lpt1.run"),
            ("colon", "a:b"),
            ("star", "a*"),
            ("line-break", "a\nb"),
            ("dot", "run."),
            ("space", "run "),
        )
    ),
    *(
        Case(
            f"R10-long-{command.split()[0]}",
            file(csv()),
            f"{command} --out {'n' * 300}",
            REFUSED,
            ("too long", "choose another"),
        )
        for command in (_TRAIN, _TUNE)
    ),
]
