"""Texts that are wrong."""

import re

from bad_inputs.making import (
    DONE,
    INSPECT,
    REFUSED,
    ROWS,
    SPACES,
    TRAIN,
    Case,
    csv,
    file,
    nothing,
    with_row,
)

TEXTS = [
    Case(
        "T1",
        file(csv([(re.sub(" ", "\u2028", text), label) for text, label in ROWS])),
        TRAIN,
        DONE,
    ),
    Case(
        "T1-predict",
        nothing,
        "predict run " + " ".join(f"'good{space}film'" for space in SPACES),
        DONE,
        tells=('("label".*){5}',),
    ),
    Case(
        "T2",
        file(csv([*ROWS, ("", "pos"), ("  ", "neg")])),
        INSPECT,
        DONE,
        ("data.csv:26:", "empty", "dropped", r"2 rows \(26, 27\)"),
    ),
    Case(
        "T2-predict",
        file("good film\n\nbad film\n  \n", "texts.txt"),
        "predict run --data texts.txt",
        DONE,
        ("2 of 4 texts", "empty", r"\(number 2, 4\)"),
        ('("label".*){4}',),
    ),
    Case(
        "T3",
        file(csv([(" ", label) for _, label in ROWS])),
        INSPECT,
        REFUSED,
        ("data.csv", "all 24 texts are empty"),
    ),
    Case(
        "T4",
        nothing,
        "predict run 'good film' 'xyzzy plugh' '?!'",
        DONE,
        ("2 of 3 texts", "no known word", r"\(number 2, 3\)"),
        ('("label".*){3}',),
    ),
    Case(
        "T4-evaluate",
        file(csv([("good film", "pos"), ("xyzzy", "neg")])),
        "evaluate run --data data.csv",
        DONE,
        ("1 of 2 texts", "no known word", r"\(number 2\)"),
        ('"n": 2',),
    ),
    Case(
        "T5",
        file(csv(with_row(3, "good film " * 2**20, "pos"))),
        INSPECT,
        REFUSED,
        ("data.csv:3:", "10485760 bytes", "max.text.bytes"),
    ),
    Case(
        "T5-cut",
        file(csv(with_row(3, "good film " * 2**18, "pos"))),
        f"{TRAIN} --max-text-bytes 20000000",
        DONE,
        ("1 of the training texts", "400"),
    ),
    Case(
        "T6",
        file(csv()),
        f"{TRAIN} --max-length 4",
        DONE,
        (r"100.*%", "4 tokens", "95"),
    ),
    Case(
        "T6-inspect",
        file(csv()),
        f"{INSPECT} --max-length 4",
        DONE,
        tells=('"texts": 1.0', "100.0% of the texts are longer than 4", '"95": 6'),
    ),
    Case(
        "T7",
        file(csv([(str(n), label) for n, (_, label) in enumerate(ROWS)])),
        INSPECT,
        DONE,
        ("data.csv", "100% of the texts are numbers", "column"),
    ),
    Case(
        "T8",
        file(csv([(f"{'好' if n % 2 else '坏'}电影{n}，真的", f"{n % 2}") for n in range(24)])),
        f"{TRAIN} --tokenizer word --set min_count=1",
        DONE,
        ("Chinese", "--tokenizer char or jieba"),
    ),
]
