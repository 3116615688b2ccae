"""Runs as somebody who means harm would make them, each by one change to a run that is whole.

The manifest is made anew after most changes: who can change a file can change its sum as well.
What would run if anything did leaves a file named `canary` where the command is run.
"""

import io
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from kerastextzoo.storage import MANIFEST, _seal

CANARY = "canary"
Change = Callable[[Path], object]


class Harm:
    """Leaves the canary when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what a pickle calls."""
        return open, (CANARY, "w")


@dataclass(frozen=True)
class Crafted:
    """A change to a run, what the refusal says, and the exit status."""

    change: Change
    says: str
    status: int = 2


def sealed(change: Change) -> Change:
    """Make a change and a manifest that vouches for it."""

    def both(run: Path) -> None:
        change(run)
        _seal(run, "run")

    return both


def manifest(**changes: Any) -> Change:
    """Change the manifest."""

    def change(run: Path) -> None:
        content = json.loads((run / MANIFEST).read_text("utf-8"))
        (run / MANIFEST).write_text(json.dumps({**content, **changes}), "utf-8")

    return change


def naming(name: str) -> Change:
    """Let the manifest name one file."""
    return manifest(files={name: "0" * 64})


def text(name: str, content: str) -> Change:
    """Put another text into a file."""
    return sealed(lambda run: (run / name).write_text(content, "utf-8"))


def changed_json(name: str, **changes: Any) -> Change:
    """Change a JSON object."""

    def change(run: Path) -> None:
        content = json.loads((run / name).read_text("utf-8"))
        (run / name).write_text(json.dumps({**content, **changes}), "utf-8")

    return sealed(change)


def large(name: str, size: int) -> Change:
    """Make a file large that takes no room on disk."""
    return lambda run: os.truncate(run / name, size)


def linked(run: Path) -> None:
    """Put a link in place of a file, to one with the same content."""
    shutil.move(run / "labels.json", run.parent / "elsewhere.json")
    (run / "labels.json").symlink_to(run.parent / "elsewhere.json")


def without(name: str) -> Change:
    """Leave a file out of the manifest, but in the folder."""

    def change(run: Path) -> None:
        files = json.loads((run / MANIFEST).read_text("utf-8"))["files"]
        del files[name]
        manifest(files=files)(run)

    return change


def alone(*names: str) -> Change:
    """Keep these files alone, without a manifest."""

    def change(run: Path) -> None:
        for path in run.iterdir():
            if path.name not in names:
                path.unlink()

    return change


def network(
    config: Callable[[dict[str, Any]], object] = lambda config: None,
    weights: Callable[[h5py.File], object] = lambda weights: None,
    add: dict[str, bytes] | None = None,
    method: int = zipfile.ZIP_STORED,
) -> Change:
    """Change what the `.keras` file holds."""

    def change(run: Path) -> None:
        path = run / "model.keras"
        with zipfile.ZipFile(path) as archive:
            entries = {name: archive.read(name) for name in archive.namelist()}
        settings = json.loads(entries["config.json"])
        config(settings)
        entries["config.json"] = json.dumps(settings).encode()
        numbers = io.BytesIO(entries["model.weights.h5"])
        with h5py.File(numbers, "r+") as file:
            weights(file)
        entries["model.weights.h5"] = numbers.getvalue()
        with zipfile.ZipFile(path, "w", method) as archive:
            for name, content in {**entries, **(add or {})}.items():
                archive.writestr(name, content)

    return sealed(change)


def layer(class_name: str, module: str | None, registered: str | None = None, **config: Any) -> Any:
    """Put another object in place of the last layer."""

    def change(settings: dict[str, Any]) -> None:
        found = settings["config"]["layers"][-1]
        found |= {"class_name": class_name, "module": module, "registered_name": registered}
        found["config"] |= config

    return change


def endless_embedding(settings: dict[str, Any]) -> None:
    """Let the embedding be larger than any memory."""
    for found in settings["config"]["layers"]:
        if found["config"]["name"] == "embedding":
            found["config"]["input_dim"] = 10**12


def bomb(file: h5py.File) -> None:
    """Add weights that are large, of which the file holds nothing."""
    file.create_dataset("bomb", (10**6, 10**6), np.float32, chunks=(1000, 1000), compression="gzip")


def elsewhere(file: h5py.File) -> None:
    """Add weights that are in another file."""
    file.create_dataset("else", (10,), np.uint8, external=[("/etc/passwd", 0, 10)])


def truncated(run: Path) -> None:
    """Cut the network in half."""
    os.truncate(run / "model.keras", (run / "model.keras").stat().st_size // 2)


def flipped(run: Path) -> None:
    """Change one byte of the network."""
    content = bytearray((run / "model.keras").read_bytes())
    content[-2000] ^= 1
    (run / "model.keras").write_bytes(content)


def pickled(run: Path) -> None:
    """Put a pickle in place of the network."""
    (run / "model.keras").write_bytes(pickle.dumps(Harm()))


def deep_network(run: Path) -> None:
    """Nest the settings of the network as deeply as no reader goes."""
    with zipfile.ZipFile(run / "model.keras") as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    entries["config.json"] = b"[" * 10**6
    with zipfile.ZipFile(run / "model.keras", "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


LAMBDA: Any = {
    "function": {"class_name": "__lambda__", "config": {"code": "4wA=", "defaults": None}}
}
NOT_OURS = "no network of this package"

CRAFTED = {
    "A1-truncated": Crafted(truncated, "model.keras' differs from the manifest"),
    "A1-changed": Crafted(flipped, "model.keras' differs from the manifest"),
    "A1-truncated, sealed": Crafted(sealed(truncated), NOT_OURS),
    "A1-changed, sealed": Crafted(sealed(flipped), NOT_OURS),
    "A2": Crafted(manifest(format=2), "has format 2; this version reads 1"),
    "A3-bare": Crafted(alone("model.keras"), "holds a .keras file and no manifest.json"),
    "A3-bare run": Crafted(
        lambda run: (run / MANIFEST).unlink(), "holds a .keras file and no manifest.json"
    ),
    "A3-left out": Crafted(without("model.keras"), "its manifest lacks model.keras"),
    "A3-lambda": Crafted(
        network(layer("Lambda", "keras.layers", **LAMBDA)), "it names 'keras.layers.Lambda'"
    ),
    "A3-system": Crafted(
        network(layer("system", "os", command=f"touch {CANARY}")), "it names 'os.system'"
    ),
    "A3-builtins": Crafted(
        network(layer("eval", "builtins", source=f"open('{CANARY}', 'w')")), "'builtins.eval'"
    ),
    "A3-not registered": Crafted(
        network(layer("Path", "kerastextzoo.layers.embedding")), "kerastextzoo.layers.embedding"
    ),
    "A3-program": Crafted(
        network(layer("TFSMLayer", "keras.layers", filepath="evil")), "keras.layers.TFSMLayer"
    ),
    "A3-path": Crafted(
        network(layer("StringLookup", "keras.layers", vocabulary="/etc/passwd")),
        "keras.layers.StringLookup",
    ),
    "A3-no module": Crafted(network(layer("Harm", None)), "it names 'None.Harm'"),
    "A3-pickle": Crafted(sealed(pickled), NOT_OURS),
    "A3-way out": Crafted(network(add={f"../{CANARY}": b""}), "its entries are"),
    "A3-absolute": Crafted(network(add={f"/tmp/{CANARY}": b""}), "its entries are"),
    "A3-assets": Crafted(network(add={"assets/a/vocabulary.txt": b"a"}), "its entries are"),
    "A3-zip bomb": Crafted(
        network(lambda config: config.update(bomb="0" * 10**6), method=zipfile.ZIP_DEFLATED),
        "it is compressed",
    ),
    "A3-weights bomb": Crafted(network(weights=bomb), "weights 'bomb' are not in the file"),
    "A3-weights elsewhere": Crafted(network(weights=elsewhere), "weights 'else' are not in the"),
    "A3-endless": Crafted(network(endless_embedding), "it holds"),
    "A3-deep": Crafted(sealed(deep_network), "no network of this package: .*recursion"),
    "kind": Crafted(manifest(kind="saved_model"), "holds a saved_model; expected a run"),
    "manifest of nothing": Crafted(manifest(files=[]), "is no manifest of this package"),
    "large manifest": Crafted(large(MANIFEST, 5 * 1024**2), "bytes; at most 4194304 are read"),
    "many files": Crafted(
        manifest(files={str(n): "" for n in range(10_001)}), "names 10001 files; at most 10000"
    ),
    **{
        f"path {name!r}": Crafted(naming(name), "which is no plain name of a file")
        for name in (
            "../outside",
            "/etc/passwd",
            "a/../b",
            "./a",
            "a//b",
            "",
            "a\\b",
            "C:x",
            "a\0b",
        )
    },
    "link": Crafted(sealed(linked), "labels.json' is a link"),
    "missing": Crafted(naming("labels.txt"), "labels.txt' is missing"),
    "large labels": Crafted(
        sealed(large("labels.json", 257 * 1024**2)), "at most 268435456 are read"
    ),
    "NaN": Crafted(text("labels.json", "[NaN, 1]"), "NaN is no number in JSON"),
    "deep": Crafted(text("labels.json", "[" * 10**6), "it is nested too deeply"),
    "twice": Crafted(text("run.json", '{"model": "cnn", "model": "lstm"}'), "occurs twice"),
    "no record": Crafted(text("run.json", "[]"), "run.json' is not as runs have it"),
    "no text": Crafted(text("labels.json", "[1, 2]"), "labels.json' is not as runs have it"),
    "surrogate": Crafted(text("labels.json", r'["a", "\ud800"]'), "is not as runs have it"),
    "same label": Crafted(text("labels.json", '["a", "a"]'), "is not as runs have it"),
    "vocabulary of numbers": Crafted(
        changed_json("vocabulary.json", vocabulary=[1, 2]), "not a list of different words"
    ),
    "vocabulary twice": Crafted(
        changed_json("vocabulary.json", vocabulary=["", "[UNK]", "a", "a"]), "different words"
    ),
    "max_length": Crafted(changed_json("vocabulary.json", max_length=-1), "max_length is '-1'"),
    "tokenizer": Crafted(changed_json("vocabulary.json", tokenizer="evil"), "tokenizer 'evil'"),
    # The catalogue has these two as failures, not as bad input.
    "E3-ids": Crafted(
        changed_json("vocabulary.json", vocabulary=["", "[UNK]", *map(str, range(9999))]),
        "artifact inconsistent: the largest token id",
        1,
    ),
    "E3-labels": Crafted(text("labels.json", '["a", "b", "c", "d"]'), "artifact inconsistent", 1),
}
