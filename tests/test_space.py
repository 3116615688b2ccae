"""What a search draws from: names, defaults, conditions, what is left out and what is the same."""

import json
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import pytest

from kerastextzoo.builders import get_spec, list_models
from kerastextzoo.errors import InputError
from kerastextzoo.spec import ModelSpec, Task
from kerastextzoo.training import TrainingConfig
from kerastextzoo.tuning import SearchWarning, check_search
from kerastextzoo.tuning.checks import warn_of_limits
from kerastextzoo.tuning.space import JointSpace, find_specs

OF_TRAINING = {"learning_rate", "batch_size", "embedding", "embedding_features"}
READERS = [name for name in list_models() if name != "sentence"]
# What leaves nothing of the training to search.
TRAINED = {"learning_rate": 0.01, "batch_size": 32, "embedding": "random", "embedding_features": 8}
DROPOUTS = {"dropout": 0.2, "embedding_dropout": 0}


def space_of(models: str, fixed: Mapping[str, object] | None = None, **options: Any) -> JointSpace:
    return JointSpace(find_specs(models), fixed or {}, **{"max_length": 50, **options})


def names(space: JointSpace) -> list[str]:
    return [parameter.name for parameter in space.hyperparameters.space]


def test_all_stands_for_every_model_that_reads_tokens() -> None:
    assert [spec.name for spec in find_specs("all")] == READERS
    assert [spec.name for spec in find_specs(["sentence", "all", "cnn"])] == ["sentence", *READERS]
    assert [spec.name for spec in find_specs("lstm,cnn,lstm")] == ["lstm", "cnn"]
    with pytest.raises(InputError, match="no model 'cn'; did you mean 'cnn'"):
        find_specs("lstm,cn")
    with pytest.raises(InputError, match="no model to search; known: all, cnn"):
        find_specs([])


def test_settings_of_one_model_have_their_own_names() -> None:
    own = {"kernel_sizes", "filters", "embedding_dropout", "dropout", "dense_units"}
    assert set(names(space_of("cnn"))) == own | OF_TRAINING


def test_settings_of_several_models_have_the_model_before_them() -> None:
    space = space_of("cnn,lstm")
    assert names(space)[0] == "model"
    assert {"cnn/filters", "lstm/units", "cnn/dropout", "lstm/dropout"} < set(names(space))
    assert set(names(space)) > OF_TRAINING
    cnn, lstm = space.defaults()
    assert not [name for name in cnn if name.startswith("lstm/")]
    drawn = space.draw({**lstm, "lstm/units": 64, "batch_size": 128})
    assert (drawn.spec.name, drawn.settings, drawn.config) == (
        "lstm",
        get_spec("lstm").config.parse({"units": 64}),
        TrainingConfig(batch_size=128),
    )


@pytest.mark.parametrize("models", [*list_models(), "all", "cnn,sentence"])
def test_the_defaults_are_the_zoos_one_a_model(models: str) -> None:
    space = space_of(models)
    drawn = [space.draw(values) for values in space.defaults()]
    assert [each.spec.name for each in drawn] == list(space.specs)
    for each in drawn:
        assert (each.settings, each.config) == (each.spec.config(), TrainingConfig())
    assert len({each.identity for each in drawn}) == len(drawn)


def test_a_fixed_setting_goes_to_the_models_that_know_it() -> None:
    space = space_of("cnn,lstm", {"filters": "64", "dropout": 0.1, "batch_size": 32})
    assert not {"cnn/filters", "cnn/dropout", "lstm/dropout", "batch_size"} & set(names(space))
    cnn, lstm = (space.draw(values) for values in space.defaults())
    assert (cnn.settings.filters, cnn.settings.dropout) == (64, 0.1)  # type: ignore[attr-defined]
    assert lstm.settings == get_spec("lstm").config.parse({"dropout": 0.1})
    assert cnn.config.batch_size == lstm.config.batch_size == 32


def test_a_fixed_setting_that_no_model_knows_is_refused() -> None:
    with pytest.raises(InputError, match="no setting 'unit'; did you mean 'units'"):
        space_of("cnn,lstm", {"unit": 3})
    with pytest.raises(InputError, match="no setting 'units'"):
        space_of("cnn", {"units": 3})
    with pytest.raises(InputError, match="setting units: "):
        space_of("cnn,lstm", {"units": 0})


def test_the_width_of_a_file_of_vectors_is_not_searched() -> None:
    assert "embedding_features" in space_of("cnn").defaults()[0]
    space = space_of("cnn", vectors="v.txt")
    (values,) = space.defaults()
    assert "embedding_features" not in values
    widths = [{**values, "embedding_features": width} for width in (50, 200)]
    assert len({space.draw(each).identity for each in widths}) == 1
    started = [{**each, "embedding": "random"} for each in widths]
    assert len({space.draw(each).identity for each in started}) == 2
    for embedding, searched in (("frozen", False), ("random", True)):
        fixed = space_of("cnn", {"embedding": embedding}, vectors="v.txt")
        assert ("embedding_features" in names(fixed)) is searched


def test_settings_of_token_ids_are_searched_for_models_that_read_them() -> None:
    assert not {"embedding", "embedding_features"} & set(names(space_of("sentence")))
    cnn, sentence = space_of("cnn,sentence").defaults()
    assert {"embedding", "embedding_features"} < set(cnn)
    assert not {"embedding", "embedding_features"} & set(sentence)


def test_texts_of_a_step_are_not_searched_where_its_tokens_are_fixed() -> None:
    assert "batch_size" not in names(space_of("cnn", {"batch_tokens": "4096"}))


def test_values_longer_than_the_texts_are_left_out() -> None:
    space = space_of("cnn,dpcnn,cnn_lstm", max_length=4)
    assert space.left_out == {"dpcnn/kernel_size": [5], "cnn_lstm/kernel_sizes": ["5"]}
    assert all(space.impossible(values) is None for values in space.defaults())
    assert space_of("cnn", max_length=2).left_out == {"kernel_sizes": ["3,4,5"]}
    (shortest,) = space_of("cnn_lstm", max_length=2).defaults()
    assert shortest["kernel_sizes"] == "2,3"


def test_impossible_values_are_told() -> None:
    space = space_of("cnn", max_length=2)
    (values,) = space.defaults()
    assert space.impossible(values) is None
    told = space.impossible({**values, "kernel_sizes": "3,4,5"})
    assert (
        told == "setting kernel_sizes: 3,4,5 spans more than the 2 tokens of a text that are read"
    )


@pytest.mark.parametrize(
    ("models", "fixed", "said"),
    [
        ("cnn", {}, "kernel_sizes: 2,3; 2,3,4; 3,4,5; 2,3,6; 2,4,6,8 spans more than the 1 tokens"),
        ("cnn", {"kernel_sizes": "3,2"}, "setting kernel_sizes: 3,2 spans more"),
        ("lstm,dpcnn", {}, "setting dpcnn/kernel_size: 3; 5 spans more"),
    ],
)
def test_a_setting_without_a_value_that_fits_is_refused(
    models: str, fixed: dict[str, object], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        check_search(models, max_length=1, fixed=fixed)


def test_kernels_that_the_fixed_head_lacks_are_never_too_long() -> None:
    fixed: dict[str, object] = {"head": "lstm", "kernel_sizes": "2,3"}
    assert space_of("sentence", fixed, max_length=1).left_out == {}


def test_points_are_all_there_and_counted() -> None:
    fixed: dict[str, object] = {**TRAINED, **DROPOUTS, "filters": 32, "kernel_sizes": "2"}
    one = space_of("cnn", {n: v for n, v in fixed.items() if n != "embedding"})
    points = list(one.points())
    assert one.count_points() == len(points) == 2 * 3
    assert points[0] == one.defaults()[0]
    assert len({json.dumps(values) for values in points}) == 6
    both = space_of("cnn,rnn", {**fixed, "layers": 1, "recurrent_dropout": 0})
    assert both.count_points() == len(list(both.points())) == 2 + 8
    assert [values["model"] for values in both.points()][:4] == ["cnn", "rnn", "cnn", "rnn"]


def test_points_with_conditions_are_counted() -> None:
    fixed = {"learning_rate": 0.01, "batch_size": 32, "filters": 8, **DROPOUTS}
    space = space_of("cnn", {**fixed, "kernel_sizes": "2", "dense_units": 0}, vectors="v.txt")
    # Frozen, fine-tuned, or random in three widths.
    assert space.count_points() == len(list(space.points())) == 5


def test_points_that_train_the_same_count_once() -> None:
    fixed = {"learning_rate": 0.01, "batch_size": 32, "dense_units": 0, **DROPOUTS}
    # cnn: 3 kernel sizes and 8 filters; lstm: 8 units; dense: nothing.
    assert space_of("sentence", {**fixed, "head": "dense", "filters": 8}).count_points() == 1
    assert space_of("sentence", fixed).count_points() == 3 * 8 + 8 + 1


def test_continuous_points_are_endless_but_of_a_grid() -> None:
    assert space_of("cnn").count_points() == space_of("all").count_points() == float("inf")
    fixed = {n: v for n, v in TRAINED.items() if n != "learning_rate"}
    space = space_of("cnn", {**fixed, **DROPOUTS, "filters": 8, "kernel_sizes": "2"})
    rates = {values["learning_rate"] for values in space.points(3)}
    assert sorted(rates) == pytest.approx([3e-4, 1e-3, 3e-6**0.5, 1e-2])
    assert (min(rates), max(rates)) == (3e-4, 1e-2)
    assert space.count_points(3) == len(list(space.points(3))) == 2 * 4


def settings_with_idle_ones(spec: ModelSpec) -> Iterator[tuple[Any, Any]]:
    heads = [{"head": head} for head in ("cnn", "lstm", "dense")]
    others: dict[str, object] = {"dense_activation": "tanh", "recurrent_dropout_form": "state"}
    others |= {"kernel_sizes": "2", "filters": 8, "units": 8}
    for given in heads if spec.name == "sentence" else [{}]:
        settings = spec.config.parse(given)
        yield settings, settings.replace(**{name: others[name] for name in settings.idle})


@pytest.mark.parametrize("name", list_models())
def test_idle_settings_change_nothing(name: str) -> None:
    spec = get_spec(name)
    task = Task(vocabulary_size=9, num_classes=2, embedding=4)
    for settings, changed in settings_with_idle_ones(spec):
        assert settings != changed
        built = []
        for each in (settings, changed):
            keras.backend.clear_session()
            built.append(spec.build(each, task).to_json())
        assert built[0] == built[1]


def test_a_space_is_known_by_what_is_searched() -> None:
    def known(models: str = "cnn", **options: Any) -> str:
        return json.dumps(space_of(models, **options).config())

    assert json.loads(known()) == space_of("cnn").config()
    assert known() == known()
    others = [known("lstm"), known("cnn,lstm"), known(max_length=2), known(vectors="v.txt")]
    assert len({known(), *others, known(fixed={"filters": 8}), known(fixed={"epochs": 2})}) == 7


def limits(models: str, tuner: str, max_trials: int, **options: Any) -> list[str]:
    space = check_search(models, tuner=tuner, **{"max_length": 50, **options})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_limits(space, tuner, max_trials)
    assert all(issubclass(each.category, SearchWarning) for each in caught)
    return [str(each.message) for each in caught]


def test_limits_of_a_search_are_told() -> None:
    assert limits("all", "random", 10) == []
    (told,) = limits("cnn", "random", 10, max_length=2)
    assert "kernel_sizes: 3,4,5 spans more than the 2 tokens" in told
    assert "left out of the search" in told
    small = {**TRAINED, **DROPOUTS, "filters": 8, "kernel_sizes": "2"}
    (told,) = limits("cnn", "random", 10, fixed=small)
    assert "the space has 2 points; the search will stop after 2 trials" in told
    rates = {name: value for name, value in small.items() if name != "learning_rate"}
    assert limits("cnn", "random", 10, fixed=rates) == []
    (told,) = limits("cnn", "grid", 10, fixed=rates)
    assert "the space has 8 points" in told


def test_a_hyperband_without_a_whole_training_is_told() -> None:
    (told,) = limits("cnn", "hyperband", 12)
    assert "hyperband takes 13 trials until the first ends after all 20 epochs" in told
    assert limits("cnn", "hyperband", 13) == []
    assert limits("cnn", "hyperband", 4, fixed={"epochs": 3}) == []


def test_a_search_of_several_models_is_checked_for_each() -> None:
    space = check_search(["cnn", "lstm"], max_length=50)
    assert list(space.specs) == ["cnn", "lstm"]
    with pytest.raises(InputError, match="no tuner 'gird'; did you mean 'grid'"):
        check_search("all", max_length=50, tuner="gird")
    with pytest.raises(InputError, match="max_trials must be at least 1; got 0"):
        check_search("all", max_length=50, max_trials=0)
    every = dict.fromkeys(names(space_of("cnn")))
    fixed = {name: space_of("cnn").defaults()[0][name] for name in every}
    with pytest.raises(InputError, match="setting refit: of one training"):
        check_search("all", max_length=50, fixed={"refit": True})
    with pytest.raises(InputError, match="nothing is left to search; use train"):
        check_search("cnn", max_length=50, fixed=fixed)
    assert names(check_search("cnn,dpcnn", max_length=50, fixed=fixed))[0] == "model"
