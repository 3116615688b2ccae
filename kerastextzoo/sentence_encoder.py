"""Texts to the vectors of a frozen sentence encoder, by sentence-transformers, from local files.

The only module that imports it, and only when texts are encoded. An encoder is an installed package
that carries a model, or a folder that its `save` wrote. Nothing is downloaded, no code of the model
is run, and weights are read from safetensors alone: other formats can hold code.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from importlib.metadata import PackageNotFoundError, distribution, version
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from kerastextzoo.batching import EncodedTexts, EncodedVectors
from kerastextzoo.errors import InputError, KerasTextZooError, named, quoted
from kerastextzoo.storage import parse_json, read_json

_LIBRARY = "sentence_transformers"
_VERSIONED = ("sentence-transformers", "transformers", "torch")
_EXTRA = "pip install 'kerastextzoo[sentence]'"
_MODULES = "modules.json"
_SAFE, _PICKLED = "*.safetensors", "pytorch_model*.bin"
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# What a folder's vectors don't depend on.
_ASIDE = {".py", ".pyc", ".md"}
_CONFIG = "config.json"
# What kinds of encoders call the number of their layers.
_LAYERS = ("num_hidden_layers", "n_layers", "num_layers")
# Where the longest text that an encoder reads is written down.
_LIMITS = (
    ("sentence_bert_config.json", "max_seq_length"),
    ("tokenizer_config.json", "model_max_length"),
    (_CONFIG, "max_position_embeddings"),
)
_TEXTS_AT_ONCE = 512
_GPU_BYTES = 2 * 1024**3


def encoder_versions() -> dict[str, str]:
    """Return the versions of the libraries that vectors depend on."""
    return {name: version(name) for name in _VERSIONED}


def find_encoder(name: str) -> Path:
    """Return the folder of an encoder that can be used.

    Args:
        name: An installed package that carries the encoder, or its folder.

    Raises:
        InputError: There is none, a library is missing, or its files are not safe to load.
    """
    require_library()
    folder = _packaged(name) if _PACKAGE.fullmatch(name) else None
    folder = folder or Path(name)
    if not folder.is_dir():
        raise InputError(
            f"encoder {quoted(name)} is neither an installed package nor a folder; install the "
            f"package or give the folder (the default one comes with {_EXTRA})"
        )
    _check_files(folder)
    return folder


def require_library() -> None:
    """Refuse to go on without sentence-transformers.

    Raises:
        InputError: It is not installed.
    """
    if find_spec(_LIBRARY) is None:
        raise InputError(f"a sentence encoder needs sentence-transformers; {_EXTRA}")


def _packaged(name: str) -> Path | None:
    """Return the folder in an installed package that holds a model; the package isn't imported."""
    try:
        files = distribution(name).files or []
    except PackageNotFoundError:
        return None
    for file in files:
        if file.name == _MODULES:
            return Path(str(file.locate())).parent
    raise InputError(f"package {quoted(name)} holds no {_MODULES}; it carries no sentence encoder")


def _check_files(folder: Path) -> None:
    if not (folder / _MODULES).is_file():
        raise InputError(
            f"{named(folder)} holds no {_MODULES}; expected what save() of a sentence-transformers "
            "model wrote"
        )
    modules = read_json(folder / _MODULES)
    try:
        kinds = [str(module["type"]) for module in modules]
        places = [folder / str(module["path"]) for module in modules]
    except (KeyError, TypeError):
        kinds, places = [], []
    foreign = [kind for kind in kinds if not kind.startswith(f"{_LIBRARY}.")]
    if foreign or not kinds or not kinds[0].endswith(".Transformer"):
        raise InputError(
            f"{named(folder / _MODULES)}: expected modules of {_LIBRARY}, a Transformer first; "
            f"got {quoted(', '.join(foreign or kinds))}; choose another encoder"
        )
    for place in places:
        safe = any(place.glob(_SAFE))
        if (place == places[0] or any(place.glob(_PICKLED))) and not safe:
            raise InputError(
                f"{named(place)} holds no weights in safetensors, and others can run code when "
                "read; load the model where you trust it and save it again"
            )
    if (places[0] / "adapter_config.json").exists():
        raise InputError(f"{named(folder)} is an adapter to another model; save them as one")


def check_layers(folder: Path, layers: int) -> None:
    """Refuse more layers than an encoder says that it has; its embedding counts as one.

    Raises:
        InputError: It has fewer.
    """
    told = _read_settings(folder / str(read_json(folder / _MODULES)[0]["path"]) / _CONFIG)
    found = [told[name] for name in _LAYERS if isinstance(told.get(name), int)]
    if found:
        _check_layers(layers, found[0] + 1)


def _check_layers(layers: int, there: int) -> None:
    if layers > there:
        raise InputError(
            f"setting encoder_layers: the encoder has {there} with its embedding; got {layers}; "
            "lower it"
        )


def _digest(folder: Path) -> str:
    """Return a SHA-256 over the names and contents of an encoder's files."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in name.parts)
        if path.is_file() and not hidden and path.suffix not in _ASIDE:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(f"{name.as_posix()}\0{content}\0".encode())
    return digest.hexdigest()


def _limit(folder: Path) -> int | None:
    """Return how many tokens of a text an encoder reads; None if it doesn't say."""
    given = [_read_settings(folder / name).get(key) for name, key in _LIMITS]
    return min((limit for limit in given if isinstance(limit, int) and limit > 0), default=None)


def _read_settings(path: Path) -> dict[str, Any]:
    """Return what a file of an encoder says, nothing if it is not there."""
    told = read_json(path) if path.is_file() else {}
    if not isinstance(told, dict):
        raise InputError(f"{named(path)}: expected an object of settings; restore it from a copy")
    return told


class SentenceEncoder:
    """Raw strings to vectors.

    Args:
        name: An installed package that carries the encoder, or its folder.
        max_length: Tokens of a text that are read, if the encoder reads as many.
        pooled: One vector a text, not one a token: as the encoder pools them, or, of several
            layers, the mean over its tokens.
        layers: From how many of its layers, the last ones, side by side.
        digest: The SHA-256 that its files must have; None: any.

    Attributes:
        digest: A SHA-256 over its files.
        max_length: Tokens of a text that are read.

    Raises:
        InputError: There is no such encoder, or it is another one.
    """

    FILE = "sentence_encoder.json"

    def __init__(
        self,
        name: str,
        *,
        max_length: int,
        pooled: bool,
        layers: int = 1,
        digest: str | None = None,
    ) -> None:
        self.name, self.pooled, self.layers = name, pooled, layers
        self.folder = find_encoder(name)
        self.digest = _digest(self.folder)
        if digest not in {None, self.digest}:
            raise InputError(
                f"encoder {quoted(name)} has changed since the training: SHA-256 {self.digest[:12]}"
                f", then {str(digest)[:12]}; install that version again, or train again"
            )
        self.limit = _limit(self.folder)
        self.max_length = min(max_length, self.limit or max_length)

    @property
    def identity(self) -> dict[str, Any]:
        """What its vectors depend on, ready for JSON."""
        return {
            "sha256": self.digest,
            "max_length": self.max_length,
            "pooled": self.pooled,
            "layers": self.layers,
        }

    def encode(self, texts: Iterable[str]) -> EncodedVectors:
        """Turn many strings into vectors at once."""
        return EncodedVectors.join(self.encode_parts(texts))

    def encode_parts(self, texts: Iterable[str]) -> Iterator[EncodedVectors]:
        """Turn strings into vectors, some hundreds at a time."""
        left = iter(texts)
        while part := list(islice(left, _TEXTS_AT_ONCE)):
            yield self._encode_part(part)

    def _encode_part(self, texts: Sequence[str]) -> EncodedVectors:
        vectors = self._network.vectors(texts, self.pooled)
        half = np.concatenate(vectors).astype(np.float16)
        if not np.isfinite(half).all():
            raise KerasTextZooError(
                f"encoder {quoted(self.name)}: vectors beyond the range of half precision; "
                "choose another encoder"
            )
        starts = np.cumsum([0, *map(len, vectors)])
        ids = self._network.pieces(texts)
        read = [row[: self.max_length] for row in ids]
        pieces = EncodedTexts(
            # An id of 0 would be padding.
            np.concatenate(read).astype(np.int32) + 1,
            np.cumsum([0, *map(len, read)]),
        )
        uncut = np.array([len(row) for row in ids], np.int64)
        return EncodedVectors(half, starts, uncut, pieces)

    @cached_property
    def _network(self) -> "Network":
        return Network(self.folder, self.max_length, self.layers)

    def to_json(self) -> str:
        """Return everything needed to find the same encoder again."""
        return json.dumps({"encoder": self.name, **self.identity}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Find the encoder that `to_json` wrote down.

        Raises:
            InputError: It is missing, or its files have changed.
        """
        state: dict[str, Any] = parse_json(text.encode(), Path(cls.FILE))
        return cls(
            state["encoder"],
            max_length=state["max_length"],
            pooled=state["pooled"],
            # Older runs don't say.
            layers=state.get("layers", 1),
            digest=state["sha256"],
        )


class Network:
    """A sentence-transformers model, loaded.

    Args:
        folder: Its files, checked.
        max_length: Tokens of a text that are read.
        layers: From how many of its layers vectors come.

    Raises:
        InputError: Its files can't be loaded, or it has fewer layers.
    """

    def __init__(self, folder: Path, max_length: int, layers: int = 1) -> None:
        # Read when the libraries are imported; the arguments below say it again.
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        # Threads that spin while they wait make short texts ten times slower on busy cores.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        import sentence_transformers
        import torch
        from transformers.utils import logging

        free = torch.cuda.mem_get_info()[0] if torch.cuda.is_available() else 0
        logging.disable_progress_bar()
        try:
            self._model: Any = sentence_transformers.SentenceTransformer(
                str(folder),
                # TensorFlow may have taken the memory of the GPU for itself.
                device="cuda" if free > _GPU_BYTES else "cpu",
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
        except Exception as error:
            told = " ".join(str(error).split())
            raise InputError(
                f"{named(folder)}: the sentence encoder can't be loaded: {told}; restore it from "
                "a copy or choose another one"
            ) from None
        finally:
            logging.enable_progress_bar()
        if layers > 1:
            self._model = _side_by_side(self._model, layers)
        self._model.max_seq_length = max_length

    def pieces(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of the pieces of words of each text, none cut off."""
        found = self._model.tokenizer(list(texts), truncation=False, verbose=False)
        return list(found["input_ids"])

    def vectors(self, texts: Sequence[str], pooled: bool) -> list[npt.NDArray[np.float32]]:
        """Return the vectors of each text, `(tokens, features)`, or `(1, features)` if pooled."""
        found = self._model.encode(
            list(texts),
            output_value="sentence_embedding" if pooled else "token_embeddings",
            show_progress_bar=False,
            convert_to_numpy=pooled,
        )
        if pooled:
            return list(found[:, None])
        return [vectors.float().cpu().numpy() for vectors in found]


def _side_by_side(model: Any, layers: int) -> Any:
    """Return a model that gives a token the vectors of several layers, and a text their mean."""
    import sentence_transformers
    import torch
    from sentence_transformers.sentence_transformer.modules import Pooling

    class SideBySide(torch.nn.Module):  # type: ignore[misc]
        def forward(self, features: dict[str, Any]) -> dict[str, Any]:
            found = features.pop("all_layer_embeddings")
            _check_layers(layers, len(found))
            return features | {"token_embeddings": torch.cat(found[-layers:], dim=-1)}

    reader = model[0]
    reader.model.config.output_hidden_states = True
    width = layers * reader.get_embedding_dimension()
    modules = [reader, SideBySide(), Pooling(width)]
    return sentence_transformers.SentenceTransformer(modules=modules, device=str(model.device))
