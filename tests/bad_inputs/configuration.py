"""Settings that are wrong."""

from bad_inputs.making import DONE, ONE_CHOICE, QUICK, REFUSED, TRAIN, Case, csv, file, nothing

CONFIGURATION = [
    Case(
        "C1",
        file(csv()),
        f"{TRAIN} --max-length 2 --set kernel_sizes=3,4",
        REFUSED,
        ("kernel_sizes", "3,4", "max_length", "2"),
    ),
    Case(
        "C1-tune",
        file(csv()),
        "tune --model cnn_lstm --data data.csv --out out --max-length 1",
        REFUSED,
        ("kernel_sizes", "3; 5; 2,3; 2,3,6; 3,5", "max_length", "1"),
    ),
    Case(
        "C2",
        file(csv()),
        "train --model cnn_lstm --data data.csv --out out --max-length 4 --set pool_size=5",
        REFUSED,
        ("pool_size", "5", "max_length", "4"),
    ),
    Case(
        "C2-tune",
        file(csv()),
        "tune --model cnn_lstm --data data.csv --out out --max-length 4 --set pool_size=5",
        REFUSED,
        ("pool_size", "5", "max_length", "4"),
    ),
    Case(
        "C3",
        file(csv()),
        f"{TRAIN} --set max_vocabulary=2",
        REFUSED,
        ("max_vocabulary", "3", "'2'"),
    ),
    Case(
        "C3-empty", file(csv()), f"{TRAIN} --set min_count=99", REFUSED, ("vocabulary", "min_count")
    ),
    Case("C4", nothing, "train --model cn", REFUSED, ("'cn'", "mean 'cnn'", "lstm, cnn_lstm")),
    # There is no configuration file: --set is the one way in.
    Case("C5", nothing, f"{TRAIN} --set filtres=3", REFUSED, ("'filtres'", "mean 'filters'")),
    *(
        Case(f"C6-{name}", file(csv()), f"{TRAIN} {option}", REFUSED, said)
        for name, option, said in (
            ("no-epochs", "--epochs 0", ("epochs", "equal to 1", "'0'")),
            ("negative-epochs", "--epochs -1", ("epochs", "equal to 1", "'-1'")),
            ("no-batch", "--batch-size 0", ("batch_size", "equal to 1", "'0'")),
            ("negative-rate", "--set learning_rate=-1", ("learning_rate", "than 0", "'-1'")),
            ("infinite-rate", "--set learning_rate=inf", ("learning_rate", "finite", "'inf'")),
        )
    ),
    # Before anything is read: no such data need be there.
    Case(
        "C6-no-trials",
        nothing,
        "tune --model cnn --data no.csv --max-trials 0",
        REFUSED,
        ("max_trials", "at least 1", "got 0"),
    ),
    *(
        Case(
            f"C7-{command}",
            nothing,
            f"{command} --model cnn --data no.csv --objective val_acc",
            REFUSED,
            ("'val_acc'", "mean 'val_accuracy'", "val_macro_f1", "for val_loss lower"),
        )
        for command in ("train", "tune")
    ),
    Case(
        "C8",
        file(csv()),
        f"tune {QUICK} --data data.csv --out out --max-trials 5 {ONE_CHOICE}",
        DONE,
        ("2 points", "will stop after 2 trials", "5"),
        ('"stopped": "all 2 points of the space were tried"',),
    ),
    Case(
        "C8-empty",
        file(csv()),
        f"tune {QUICK} --data data.csv --out out {ONE_CHOICE} --set dense_units=0",
        REFUSED,
        ("every setting is fixed", "use train"),
    ),
]
