"""Laws that every model of the zoo keeps: one function `check_<behaviour>(spec)` each.

`test_every_model.py` runs all of them over all models. A law that cannot hold for a model is
declared on its `ModelSpec.exceptions` with the reason, never here.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import numpy as np
from fake_encoder import FakeNetwork

from kerastextzoo.batching import EncodedTexts, EncodedVectors
from kerastextzoo.builders import create_model
from kerastextzoo.data import Dataset
from kerastextzoo.label_sets import multi_hot
from kerastextzoo.optimizers import create_optimizer
from kerastextzoo.preparation import Preparation
from kerastextzoo.spec import ModelConfig, ModelSpec, Task
from kerastextzoo.splits import make_splits
from kerastextzoo.text import TextConfig, TextEncoder, fit_encoder
from kerastextzoo.training import Fitted, TrainingConfig, fit, predict_probabilities

ROOT = Path(__file__).resolve().parent.parent
TASK = Task(vocabulary_size=40, num_classes=3, embedding=12)
SENTENCES = 32


def _texts(spec: ModelSpec, *lengths: int) -> EncodedTexts:
    rng = np.random.default_rng(0)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    if spec.config().reads:
        return EncodedVectors(rng.normal(size=(sum(lengths), 12)).astype(np.float16), starts)
    return EncodedTexts(rng.integers(1, TASK.vocabulary_size, sum(lengths), dtype=np.int32), starts)


def _model(spec: ModelSpec, **settings: Any) -> keras.Model:
    keras.utils.set_random_seed(1)
    return spec.build(spec.config(**settings), TASK)


def _variants(spec: ModelSpec) -> Iterator[keras.Model]:
    """Build the model with its defaults, and with what changes its ends."""
    yield _model(spec)
    if "readout" in spec.config.model_fields:
        yield _model(spec, readout="max")
        yield _model(spec, readout="mean")


def _answers(model: keras.Model, tokens: np.ndarray) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(model(tokens, training=False)))


def check_names_agree(spec: ModelSpec) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", spec.name)
    assert (ROOT / "builders" / f"{spec.name}.py").is_file()
    assert spec.config.__module__ == spec.build.__module__ == f"kerastextzoo.builders.{spec.name}"
    assert _model(spec).name == spec.name
    assert spec.summary
    assert spec.reference.startswith("https://")
    assert spec.reference in (ROOT / "builders" / f"{spec.name}.py").read_text("utf-8")


def check_every_length_runs(spec: ModelSpec) -> None:
    model = _model(spec)
    for length in (1, 2, 3, 4, 50):
        answers = _answers(model, _texts(spec, length, length).padded([0, 1]))
        assert answers.shape == (2, TASK.num_classes)
        np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)


def check_settings_survive_json(spec: ModelSpec) -> None:
    settings = spec.config(dropout=0.25, dense_units=7)
    assert spec.config.parse(json.loads(settings.model_dump_json())) == settings


def check_settings_are_explained(spec: ModelSpec) -> None:
    for kind in (spec.config, TrainingConfig, TextConfig):
        for name, field in kind.model_fields.items():
            assert field.description, f"{kind.__name__}.{name} has no docstring under it"
    of_training = {*TrainingConfig.model_fields, *TextConfig.model_fields}
    assert not of_training & set(spec.config.model_fields), "one name, two settings"


def check_space_defaults_are_the_defaults(spec: ModelSpec) -> None:
    assert spec.search_space(keras_tuner.HyperParameters()) == spec.config()


def check_space_names_are_settings(spec: ModelSpec) -> None:
    space = keras_tuner.HyperParameters()
    spec.search_space(space)
    drawn = [parameter.name for parameter in space.space]
    assert drawn, "nothing to search"
    assert set(drawn) <= set(spec.config.model_fields)


def check_corners_of_the_space_build(spec: ModelSpec) -> None:
    space = keras_tuner.HyperParameters()
    spec.search_space(space)
    points = [(parameter.name, list(parameter.values)) for parameter in space.space]
    ends = [(name, (values[0], values[-1])) for name, values in points]
    lowest, highest = ({name: pair[end] for name, pair in ends} for end in (0, 1))
    crossed = {name: pair[i % 2] for i, (name, pair) in enumerate(ends)}
    for values in (lowest, highest, crossed):
        space.values = values
        settings = spec.search_space(space)
        assert isinstance(settings, ModelConfig)
        assert _answers(spec.build(settings, TASK), _texts(spec, 3).padded([0])).shape == (1, 3)


def check_more_padding_same_answer(spec: ModelSpec) -> None:
    texts = _texts(spec, 1, 2, 5, 6)
    batch = texts.padded(range(4))
    rng = np.random.default_rng(2)
    more = [(0, 0), (0, 19 * batch.shape[1]), (0, 0)][: batch.ndim]
    for model in _variants(spec):
        # Biases and n-gram vectors away from zero, so that what a padded step computes would show.
        model.set_weights([w + rng.normal(0, 0.05, w.shape) for w in model.get_weights()])
        answers = _answers(model, batch)
        alone = np.concatenate([_answers(model, texts.padded([row])) for row in range(4)])
        padded = _answers(model, np.pad(batch, more))
        np.testing.assert_allclose(alone, answers, atol=1e-5)
        np.testing.assert_allclose(padded, answers, atol=1e-5)
        assert np.abs(answers[:, None] - answers[None]).max() > 1e-3, "every text got one answer"


def check_padding_alone_is_finite(spec: ModelSpec) -> None:
    nothing = np.zeros_like(_texts(spec, 4, 4).padded([0, 1]))
    for model in _variants(spec):
        assert np.isfinite(_answers(model, nothing)).all()


def check_gradient_reaches_every_weight(spec: ModelSpec) -> None:
    texts = _texts(spec, 6, 5, 6)
    for model in _variants(spec):
        before = model.get_weights()
        model.compile(create_optimizer("sgd", 1.0), "sparse_categorical_crossentropy")
        model.fit(texts.padded(range(3)), np.array([0, 1, 2]), epochs=3, verbose=0)
        for weight, old in zip(model.weights, before, strict=True):
            changed = not np.array_equal(keras.ops.convert_to_numpy(weight), old)
            assert changed == weight.trainable or "moving" in weight.path, weight.path


def check_embedding_is_shared_and_kept(spec: ModelSpec) -> None:
    matrix = np.random.default_rng(0).normal(size=(40, 6)).astype("float32")
    frozen = create_model(
        spec.name, vocabulary_size=40, num_classes=3, embedding=matrix, embedding_trainable=False
    )
    tables = [w for w in frozen.weights if tuple(w.shape) == matrix.shape]
    assert len(tables) == 1, "one embedding, however many branches"
    assert not tables[0].trainable
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(tables[0]), matrix)
    assert str(matrix[3, 3]) not in json.dumps(frozen.get_config(), default=str)


def _without_dropout(spec: ModelSpec) -> dict[str, Any]:
    return {name: 0.0 for name in spec.config.model_fields if name.endswith("dropout")}


class _Vectors:
    """In the place of a `TextEncoder`, for models that read vectors."""

    vocabulary = range(3)
    features = 128

    def encode(self, texts: Sequence[str]) -> EncodedVectors:
        vectors = FakeNetwork(features=self.features).vectors(texts, pooled=False)
        starts = np.cumsum([0, *map(len, vectors)])
        return EncodedVectors(np.concatenate(vectors).astype(np.float16), starts)


def _encoder(spec: ModelSpec, texts: Sequence[str]) -> TextEncoder | _Vectors:
    by_words = spec.config().reads is None
    return fit_encoder(texts, TextConfig(min_count=1)) if by_words else _Vectors()


def overfit(spec: ModelSpec, corpus: Dataset) -> tuple[keras.Model, TextEncoder | _Vectors, float]:
    """Train on 32 real sentences until they are known by heart."""
    keras.utils.set_random_seed(0)
    names = sorted(set(corpus.labels))
    encoder = _encoder(spec, corpus.texts)
    texts = encoder.encode(corpus.texts)
    labels = np.array([names.index(label) for label in corpus.labels])
    model = create_model(
        spec.name,
        vocabulary_size=len(encoder.vocabulary),
        num_classes=len(names),
        embedding=encoder.features if isinstance(encoder, _Vectors) else 32,
        **_without_dropout(spec),
    )
    model.compile(create_optimizer("adam", 5e-3), "sparse_categorical_crossentropy")
    model.fit(texts.padded(range(len(texts))), labels, batch_size=8, epochs=40, verbose=0)
    return model, encoder, float(np.mean(predict_probabilities(model, texts).argmax(1) == labels))


def check_overfits_saves_and_answers_the_same(
    spec: ModelSpec, corpus: Dataset, folder: Path
) -> None:
    model, encoder, accuracy = overfit(spec, corpus)
    assert accuracy >= 0.99
    encoded = encoder.encode(corpus.texts)
    answers = predict_probabilities(model, encoded)
    model.save(folder / "model.keras")
    if isinstance(encoder, TextEncoder):
        (folder / "vocabulary.json").write_text(encoder.to_json(), "utf-8")
        (folder / "texts.json").write_text(json.dumps(corpus.texts), "utf-8")
    else:
        encoded.write(folder, [encoded])
    program = """
import json, sys
from pathlib import Path
import keras, numpy
import kerastextzoo.layers
from kerastextzoo.batching import EncodedVectors
from kerastextzoo.text import TextEncoder
from kerastextzoo.training import predict_probabilities
folder = Path(sys.argv[1])
model = keras.saving.load_model(folder / "model.keras", compile=False, safe_mode=True)
if (folder / "vocabulary.json").exists():
    encoder = TextEncoder.from_json((folder / "vocabulary.json").read_text("utf-8"))
    encoded = encoder.encode(json.loads((folder / "texts.json").read_text("utf-8")))
else:
    encoded = EncodedVectors.read(folder)
numpy.save(folder / "answers.npy", predict_probabilities(model, encoded))
"""
    subprocess.run([sys.executable, "-c", program, folder], check=True, cwd=ROOT)
    np.testing.assert_array_equal(np.load(folder / "answers.npy"), answers)


#: The words that a text is about, and its labels, none in one and all in another.
ABOUT = {
    "a red car": ("red", "car"),
    "the blue car": ("car",),
    "one red house": ("red", "house"),
    "a blue tree": (),
    "red car by the house": ("car", "house", "red"),
    "some green house": ("house",),
}


def check_multi_label_overfits_six_sentences(spec: ModelSpec) -> None:
    keras.utils.set_random_seed(0)
    names = ("car", "house", "red")
    truth = multi_hot(list(ABOUT.values()), names)
    encoder = _encoder(spec, list(ABOUT))
    texts = encoder.encode(list(ABOUT))
    model = create_model(
        spec.name,
        vocabulary_size=len(encoder.vocabulary),
        num_classes=3,
        embedding=encoder.features if isinstance(encoder, _Vectors) else 32,
        multi_label=True,
        **_without_dropout(spec),
    )
    model.compile(create_optimizer("adam", 1e-2), "binary_crossentropy")
    model.fit(texts.padded(range(len(texts))), truth, epochs=40, verbose=0)
    probabilities = predict_probabilities(model, texts)
    np.testing.assert_array_equal(probabilities > 0.5, truth > 0)
    # Each stands on its own: all three are probable, or none.
    assert probabilities.sum(axis=1).max() > 1.5
    assert probabilities.sum(axis=1).min() < 1


def same_training(one: Fitted, two: Fitted) -> None:
    """Compare two trainings to the bit; only their time may differ."""
    for each, other in zip(one.history, two.history, strict=True):
        np.testing.assert_equal({**each, "seconds": 0}, {**other, "seconds": 0})
    assert one.best_epoch == two.best_epoch
    assert one.validation == two.validation
    pairs = zip(one.model.get_weights(), two.model.get_weights(), strict=True)
    for weights, others in pairs:
        np.testing.assert_array_equal(weights, others)


def check_goes_on_from_a_checkpoint(spec: ModelSpec, corpus: Dataset, folder: Path) -> None:
    preparation = Preparation(make_splits(corpus, seed=0), TextConfig(min_count=1), seed=0)
    settings = {name: 0.3 for name in spec.config.model_fields if name.endswith("dropout")}
    config = TrainingConfig(epochs=2, batch_size=8, embedding="random", embedding_features=8)
    state, killed = folder / "state.npz", folder / "killed.npz"

    def keep_the_first(epoch: int, best: float) -> None:
        if epoch == 1:
            shutil.copy(state, killed)

    whole, again = (
        fit(preparation, spec.name, spec.config(**settings), config, checkpoint=path, judge=judge)
        for path, judge in ((state, keep_the_first), (killed, None))
    )
    assert len(whole.history) == 2
    same_training(whole, again)


LAWS = {
    name.removeprefix("check_"): law
    for name, law in list(globals().items())
    if name.startswith("check_")
}
NEEDS_CORPUS = {"goes_on_from_a_checkpoint", "overfits_saves_and_answers_the_same"}
