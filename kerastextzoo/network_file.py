"""A `.keras` file, looked at before it is loaded: nothing in it may run code or open a file.

Keras looks as well (`safe_mode`). Here only layers, operations and initialisers of Keras and layers
of this package pass, and no more may be made of a file than it holds.
"""

import json
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerastextzoo.errors import InputError, named, quoted

if TYPE_CHECKING:
    import keras

NETWORK = "model.keras"
_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_ENTRIES = {"metadata.json", _CONFIG, _WEIGHTS}
_LARGEST_CONFIG = 16 * 1024**2
_OWN = "kerastextzoo.layers."
_MODULES = (
    "keras",
    "keras.initializers",
    "keras.layers",
    "keras.constraints",
    "keras.regularizers",
)
_BEGINNINGS = ("keras.src.models.", "keras.src.ops.")
# Layers that read files, or hold code or whole other programs.
_BARRED = {
    "FlaxLayer",
    "IntegerLookup",
    "JaxLayer",
    "Lambda",
    "StringLookup",
    "TFSMLayer",
    "TextVectorization",
    "TorchModuleWrapper",
}
_SIZES = ("input_dim", "output_dim", "units", "filters", "num_heads", "key_dim", "value_dim")


def load_network(path: Path) -> "keras.Model":
    """Return the network of a run.

    Raises:
        InputError: The file is damaged, or is none that this package wrote.
    """
    import keras

    # Registers the layers that the file names.
    import kerastextzoo.layers  # noqa: F401

    _look(path)
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, KeyError, AttributeError, OSError, MemoryError) as error:
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise _refused(path, f"Keras says {quoted(why)}") from None


def _refused(path: Path, why: str) -> InputError:
    return InputError(f"{named(path)} is no network of this package: {why}; nothing was loaded")


def _look(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = {entry.filename: entry for entry in archive.infolist()}
            if entries.keys() != _ENTRIES or len(archive.infolist()) != len(_ENTRIES):
                raise _refused(path, f"its entries are {quoted(', '.join(sorted(entries)))}")
            large = [
                entry
                for entry in entries.values()
                if entry.file_size > entry.compress_size or entry.compress_type
            ]
            if large or entries[_CONFIG].file_size > _LARGEST_CONFIG:
                raise _refused(path, "it is compressed, or its settings are too large")
            # Keras writes infinities, which parse_json refuses.
            config = json.loads(archive.read(_CONFIG))
            weights = _count_weights(path, BytesIO(archive.read(_WEIGHTS)))
    except InputError:
        raise
    except (zipfile.BadZipFile, EOFError, OSError, RecursionError, RuntimeError, ValueError) as why:
        raise _refused(path, str(why)) from None
    for each in _objects(path, config):
        _check_object(path, each, weights)


def _count_weights(path: Path, file: BytesIO) -> int:
    """Return how many numbers there are; what is only declared is refused."""
    import h5py

    size, count = len(file.getbuffer()), 0
    with h5py.File(file) as weights:

        def look(name: str, found: Any) -> None:
            nonlocal count
            if isinstance(found, h5py.Dataset):
                count += found.size or 0
                plain = found.chunks is None and not found.is_virtual and not found.external
                if not plain or found.nbytes > size:
                    raise _refused(path, f"weights {quoted(name)} are not in the file as they are")

        weights.visititems(look)
    return count


def _objects(path: Path, config: Any) -> Iterator[dict[str, Any]]:
    """Give all that a configuration wants to be made."""
    waiting = [config]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            if "class_name" in found:
                yield found
            waiting += found.values()
        elif isinstance(found, list):
            waiting += found


def _check_object(path: Path, found: dict[str, Any], weights: int) -> None:
    name, module = str(found["class_name"]), found.get("module")
    # Where a tensor comes from is no object.
    if name == "__keras_tensor__" and module is None:
        return
    module = str(module)
    own = module.startswith(_OWN) and found.get("registered_name") == f"kerastextzoo>{name}"
    known = own or module in _MODULES or module.startswith(_BEGINNINGS)
    if not known or name in _BARRED:
        raise _refused(path, f"it names {quoted(f'{module}.{name}')}")
    config = found.get("config")
    sizes = [config.get(size) for size in _SIZES] if isinstance(config, dict) else []
    rows, width, *_ = [*sizes, None, None]
    product = rows * width if isinstance(rows, int) and isinstance(width, int) else 0
    largest = max([product, *(size for size in sizes if isinstance(size, int))])
    if largest > weights:
        raise _refused(path, f"layer {quoted(name)} wants {largest} weights; it holds {weights}")
