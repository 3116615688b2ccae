"""Parts that do not fit each other."""

from bad_inputs.making import DONE, INSPECT, REFUSED, ROWS, TRAIN, Case, csv, file, files, lettered

SPLITS = [
    # There is no command that makes folds; the nearest is a class too small for the one split.
    Case(
        "S1",
        file(csv([*ROWS, ("an odd film", "rare"), ("a strange film", "rare")])),
        TRAIN,
        REFUSED,
        ("data.csv", "'rare'", "got 2 ", "expected 3"),
    ),
    Case(
        "S2",
        files(data=csv(), valid=csv([("quite a good one", "pos")])),
        f"{TRAIN} --valid valid.csv",
        DONE,
        ("valid.csv", "'neg'", "macro F1 is over all classes"),
    ),
    Case(
        "S3",
        file(csv([*ROWS, ROWS[0], ROWS[1]])),
        INSPECT,
        DONE,
        ("data.csv:26:", "repeated text", r"2 rows \(26, 27\)"),
    ),
    Case(
        "S4",
        files(data=csv(), test=csv(ROWS[:6])),
        f"{TRAIN} --test test.csv",
        REFUSED,
        ("test.csv", "100.0%", r"6 rows \(1, 2, 3, 4, 5, ", "dedup", "allow.overlap"),
    ),
    Case(
        "S4-allow",
        files(data=csv(), test=csv(ROWS[:6])),
        f"{TRAIN} --test test.csv --allow-overlap",
        DONE,
        ("test.csv", "100.0%", "in train too"),
    ),
    Case(
        "S4-dedup",
        files(data=csv(), test=csv(ROWS[:6])),
        f"{TRAIN} --test test.csv --dedup",
        DONE,
        ("data.csv", "6 rows of train removed"),
    ),
    Case(
        "S4-few",
        files(data=csv(lettered("abcdefgh")), test=csv(lettered("hijkl"))),
        f"{TRAIN} --test test.csv",
        REFUSED,
        ("test.csv", r"20\.0%", "24 rows", "at most 1%"),
    ),
    Case(
        "S4-little",
        files(data=csv(lettered("abcde")), test=csv(lettered("vwxyz") + lettered("a")[:1])),
        f"{TRAIN} --test test.csv",
        DONE,
        ("test.csv:121:", r"0\.8%", "in train too"),
    ),
    # Texts and labels are columns of one file, so the nearest is a row with one of the two.
    Case("S5", file(csv([*ROWS, ("a film",)])), INSPECT, REFUSED, ("data.csv:26:", "expected 2")),
]
