"""What TensorBoard reads of a search: curves, and the table of all trials."""

import threading
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2, metadata
from tensorboard.plugins.hparams.backend_context import Context
from tensorboard.plugins.hparams.get_experiment import Handler as Experiment
from tensorboard.plugins.hparams.list_session_groups import Handler as SessionGroups
from tensorboard.util.tensor_util import make_ndarray

from kerastextzoo.tuning.tensorboard import log_trial
from kerastextzoo.tuning.trials import Trial

HISTORY = [
    {"epoch": 1, "loss": 0.9, "val_accuracy": 0.5, "learning_rate": 0.001, "seconds": 2.0},
    {"epoch": 2, "loss": 0.4, "val_accuracy": 0.8, "learning_rate": 0.0005, "seconds": 3.0},
]


def trial(number: int, **known: Any) -> Trial:
    usual = {
        "status": "completed",
        "score": 0.8,
        "seconds": 5.0,
        "values": {"filters": 64, "learning_rate": 0.001, "kernel_sizes": "2,3", "bias": True},
        "model": "cnn",
        "best_epoch": 2,
        "history": HISTORY,
    }
    return Trial(**{**usual, "id": number, **known})


def read(folder: Path) -> EventAccumulator:
    found = EventAccumulator(str(folder))
    found.Reload()
    return found


def curve(found: EventAccumulator, name: str) -> list[tuple[int, Any]]:
    return [
        (e.step, pytest.approx(make_ndarray(e.tensor_proto).item())) for e in found.Tensors(name)
    ]


def test_curves_are_read_back(tmp_path: Path) -> None:
    log_trial(tmp_path / "tensorboard", trial(3), "val_accuracy")
    found = read(tmp_path / "tensorboard" / "0003")
    assert curve(found, "loss") == [(1, 0.9), (2, 0.4)]
    assert curve(found, "val_accuracy") == [(1, 0.5), (2, 0.8)]
    assert curve(found, "learning_rate") == [(1, 0.001), (2, 0.0005)]
    assert curve(found, "best_val_accuracy") == [(2, 0.8)]
    first, second = found.Tensors("loss")
    assert second.wall_time - first.wall_time == pytest.approx(3, abs=0.01)


def test_settings_and_the_end_are_read_back(tmp_path: Path) -> None:
    log_trial(tmp_path, trial(0, status="failed", score=None, cause="no memory"), "val_accuracy")
    found = read(tmp_path / "0000")
    content = {
        tag: found.SummaryMetadata(tag).plugin_data.content
        for tag in (metadata.SESSION_START_INFO_TAG, metadata.SESSION_END_INFO_TAG)
    }
    start = metadata.parse_session_start_info_plugin_data(content[metadata.SESSION_START_INFO_TAG])
    assert start.group_name == "0000"
    assert start.hparams["filters"].number_value == 64
    assert start.hparams["kernel_sizes"].string_value == "2,3"
    assert start.hparams["bias"].bool_value is True
    assert start.hparams["model"].string_value == "cnn"
    end = metadata.parse_session_end_info_plugin_data(content[metadata.SESSION_END_INFO_TAG])
    assert end.status == api_pb2.STATUS_FAILURE
    assert make_ndarray(found.Tensors("cause")[0].tensor_proto).item() == b"no memory"
    assert "best_val_accuracy" not in found.Tags()["tensors"]


def test_the_table_holds_all_trials(tmp_path: Path) -> None:
    log_trial(tmp_path, trial(0), "val_accuracy")
    other = trial(1, model="lstm", values={"learning_rate": 0.01, "units": 32}, score=0.7)
    log_trial(tmp_path, other, "val_accuracy")
    log_trial(tmp_path, trial(2, status="failed", score=None, history=[]), "val_accuracy")
    runs = EventMultiplexer()
    runs.AddRunsFromDirectory(str(tmp_path))
    runs.Reload()
    board = Context(TBContext(data_provider=MultiplexerDataProvider(runs, str(tmp_path))))
    context = RequestContext()
    asked = api_pb2.GetExperimentRequest()
    experiment = Experiment(context, board, "", asked).run()
    kinds = {info.name: info.type for info in experiment.hparam_infos}
    assert kinds == {
        "model": api_pb2.DATA_TYPE_STRING,
        "filters": api_pb2.DATA_TYPE_FLOAT64,
        "units": api_pb2.DATA_TYPE_FLOAT64,
        "learning_rate": api_pb2.DATA_TYPE_FLOAT64,
        "kernel_sizes": api_pb2.DATA_TYPE_STRING,
        "bias": api_pb2.DATA_TYPE_BOOL,
    }
    assert "best_val_accuracy" in {info.name.tag for info in experiment.metric_infos}
    groups = SessionGroups(
        context,
        board,
        "",
        api_pb2.ListSessionGroupsRequest(
            slice_size=10,
            allowed_statuses=[api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE],
            col_params=[api_pb2.ColParams(metric=info.name) for info in experiment.metric_infos],
        ),
    ).run()
    rows = {
        group.name: {each.name.tag: each.value for each in group.metric_values}
        for group in groups.session_groups
    }
    assert {name: row.get("best_val_accuracy") for name, row in rows.items()} == {
        "0000": pytest.approx(0.8),
        "0001": pytest.approx(0.7),
        "0002": None,
    }


def test_logging_again_replaces_and_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "tensorboard"
    # What a kill in the middle of a write would leave.
    (tmp_path / ".tensorboard-0000.tmp" / "half").mkdir(parents=True)
    log_trial(folder, trial(0), "val_accuracy")
    log_trial(folder, trial(0, history=HISTORY[:1]), "val_accuracy")
    assert curve(read(folder / "0000"), "loss") == [(1, 0.9)]
    assert [path.name for path in tmp_path.iterdir()] == ["tensorboard"]
    assert len(list(folder.rglob("*"))) == 2


def test_members_of_an_ensemble_have_curves_of_their_own(tmp_path: Path) -> None:
    members = [{"member": number, **epoch} for number in (1, 2) for epoch in HISTORY]
    log_trial(tmp_path, trial(0, history=members), "val_accuracy")
    found = read(tmp_path / "0000")
    for number in (1, 2):
        assert curve(found, f"loss/member_{number}") == [(1, 0.9), (2, 0.4)]


def test_tensorflow_notices_nothing_and_no_thread_is_left(tmp_path: Path) -> None:
    import tensorflow as tf

    def state() -> tuple[object, ...]:
        operations = tf.compat.v1.get_default_graph().get_operations()
        recording = bool(tf.summary.should_record_summaries())
        return len(operations), recording, tf.summary.experimental.get_step(), threading.enumerate()

    before = state()
    log_trial(tmp_path, trial(0), "val_accuracy")
    assert state() == before
