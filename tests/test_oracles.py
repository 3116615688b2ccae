"""Every tuner: the defaults first, nothing twice, to the end of the space, the same again."""

import json
import math
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kerastextzoo.builders import list_models
from kerastextzoo.errors import InputError
from kerastextzoo.evaluation import OBJECTIVES
from kerastextzoo.tuning.oracles import ORACLES, Oracle, Proposal, bracket_count, plan_bracket
from kerastextzoo.tuning.space import JointSpace, find_specs

TUNERS = list(ORACLES)
# What leaves 2 * 3 * 5 points of a cnn.
SMALL: dict[str, object] = {
    "kernel_sizes": "2",
    "filters": 8,
    "dropout": 0.2,
    "learning_rate": 0.01,
    "batch_size": 32,
    "embedding_features": 8,
}

Score = Callable[[Proposal], float | None]
every_tuner = pytest.mark.parametrize("tuner", TUNERS)


def space_of(models: str, fixed: dict[str, object] | None = None, **options: Any) -> JointSpace:
    return JointSpace(find_specs(models), fixed or {}, **{"max_length": 50, **options})


def oracle_of(
    tuner: str, space: JointSpace, most: int = 12, seed: int = 0, **options: Any
) -> Oracle:
    settings = {"max_epochs": 9, "objective": "val_accuracy", **options}
    return Oracle(tuner, space, max_trials=most, seed=seed, **settings)


def score_of(proposal: Proposal) -> float | None:
    """Score a proposal; the same values always score the same."""
    return random.Random(json.dumps(proposal.values, sort_keys=True)).random()


def or_failed(proposal: Proposal) -> float | None:
    """Score a proposal, but for three of ten, which fail."""
    score = score_of(proposal)
    return None if score is None or score < 0.3 else score


def play(
    oracle: Oracle, score: Score = score_of, *, workers: int = 1, seed: int = 0
) -> list[tuple[int, Proposal | float | None]]:
    """Search with several workers that end in any order; return what was told, and asked as -1.

    Whoever has nothing running gets a proposal or hears that there is no other.
    """
    order = random.Random(seed)
    running: list[Proposal] = []
    done: list[tuple[int, Proposal | float | None]] = []
    while True:
        proposal = oracle.ask() if len(running) < workers else None
        if len(running) < workers:
            done.append((-1, proposal))
        if proposal is not None:
            running.append(proposal)
        if not running:
            assert oracle.finished
            assert oracle.ask() is None
            return done
        if len(running) == workers or proposal is None or order.random() < 0.3:
            ended = running.pop(order.randrange(len(running)))
            done.append((ended.id, score(ended)))
            oracle.tell(*done[-1])  # type: ignore[arg-type]


def proposed(done: list[tuple[int, Proposal | float | None]]) -> list[Proposal]:
    return [what for asked, what in done if asked == -1 and isinstance(what, Proposal)]


def identities(space: JointSpace, proposals: list[Proposal]) -> list[str]:
    """Return what is trained; a training that goes on from another is not a new one."""
    return [space.draw(each.values).identity for each in proposals if each.continues is None]


@every_tuner
@pytest.mark.parametrize("models", [*list_models(), "all", "cnn,sentence"])
def test_proposals_are_in_the_space_differ_and_begin_with_the_defaults(
    tuner: str, models: str
) -> None:
    space = space_of(models)
    most = len(space.specs) + 9
    found = proposed(play(oracle_of(tuner, space, most, max_epochs=81)))
    assert [each.id for each in found] == list(range(most))
    assert [each.values for each in found[: len(space.specs)]] == space.defaults()
    drawn = identities(space, found)
    assert len(set(drawn)) == len(drawn)
    parameters = {each.name: each for each in space.hyperparameters.space}
    for each in found:
        assert json.loads(json.dumps(each.values)) == each.values
        for name, value in each.values.items():
            if name == "learning_rate":
                assert 3e-4 <= value <= 1e-2
            else:
                assert value in list(parameters[name].values)
        if len(space.specs) > 1:
            own = [name.split("/")[0] for name in each.values if "/" in name]
            assert set(own) == {each.values["model"]}


@every_tuner
@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("score", [score_of, or_failed])
def test_the_same_asks_and_tells_bring_the_same_proposals(
    tuner: str, workers: int, score: Score
) -> None:
    for seed, models in enumerate(("cnn", "cnn,lstm")):
        first = oracle_of(tuner, space_of(models), 16, seed)
        done = play(first, score, workers=workers, seed=seed)
        assert len(proposed(done)) == 16
        # What is proposed does not depend on how many trials there may be.
        again = oracle_of(tuner, space_of(models), 40, seed)
        for number, what in done:
            if number == -1 and what is not None:
                assert again.ask() == what
            elif number != -1:
                again.tell(number, what)  # type: ignore[arg-type]


@every_tuner
def test_seeds_count_and_0_is_one(tuner: str) -> None:
    space = space_of("cnn")

    def found(seed: int) -> list[dict[str, Any]]:
        return [each.values for each in proposed(play(oracle_of(tuner, space, 4, seed)))]

    assert found(0) == found(0)
    for other in (1, 2, 3):
        same = [values for values in found(other)[1:] if values in found(0)]
        assert bool(same) is (tuner == "grid")


@every_tuner
@pytest.mark.parametrize("workers", [1, 5])
def test_no_point_of_a_small_space_is_left_out(tuner: str, workers: int) -> None:
    space = space_of("cnn", SMALL)
    assert space.count_points() == 30
    found = proposed(play(oracle_of(tuner, space, 999), workers=workers))
    drawn = identities(space, found)
    assert len(drawn) == len(set(drawn)) == 30


def test_no_point_of_a_small_space_is_left_out_by_chance() -> None:
    space = space_of("cnn", SMALL)
    for seed in range(20):
        assert len(proposed(play(oracle_of("random", space, 999, seed)))) == 30


@every_tuner
def test_what_trains_the_same_is_proposed_once(tuner: str) -> None:
    fixed = {"learning_rate": 0.01, "batch_size": 32, "dense_units": 0, "dropout": 0.2}
    space = space_of("sentence", {**fixed, "embedding_dropout": 0})
    found = proposed(play(oracle_of(tuner, space, 999)))
    assert len(set(identities(space, found))) == len(identities(space, found)) == 33


class NoneWithout(JointSpace):
    """A space in which values make a trial only together."""

    def impossible(self, values: Any) -> str | None:
        together = values["filters"] == 8 * values["batch_size"] or values == self.defaults()[0]
        return None if together else "they make none"


@every_tuner
def test_impossible_values_are_never_proposed(tuner: str) -> None:
    fixed = {**SMALL, "embedding_dropout": 0}
    free = {name: value for name, value in fixed.items() if name not in {"filters", "batch_size"}}
    space = NoneWithout(find_specs("cnn"), free, max_length=50)
    found = proposed(play(oracle_of(tuner, space, 999)))
    assert all(space.impossible(each.values) is None for each in found)
    # The defaults, and 256 filters with batches of 32, a dense layer or none, three embeddings.
    assert len(identities(space, found)) == 1 + 2 * 3


@every_tuner
def test_failures_end_no_search(tuner: str) -> None:
    oracle = oracle_of(tuner, space_of("cnn"), 40, max_epochs=27)
    assert len(proposed(play(oracle, lambda _: None, workers=3))) == 40
    small = space_of("cnn", SMALL)
    found = proposed(play(oracle_of(tuner, small, 999), lambda _: None, workers=3))
    assert len(found) == 30
    assert not any(each.continues for each in found)


@every_tuner
@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_no_number_is_a_failure(tuner: str, score: float) -> None:
    small = space_of("cnn", SMALL)
    one, other = (oracle_of(tuner, small, 99) for _ in range(2))
    assert play(one, lambda _: None) == [
        (number, None if number != -1 else what) for number, what in play(other, lambda _: score)
    ]


@every_tuner
def test_only_what_runs_can_be_told(tuner: str) -> None:
    oracle = oracle_of(tuner, space_of("cnn"))
    proposal = oracle.ask()
    assert proposal is not None
    oracle.tell(proposal.id, 0.5)
    for number in (0, 1, -1):
        with pytest.raises(InputError, match=f"must be a trial that is running; got {number}"):
            oracle.tell(number, 0.5)


@every_tuner
def test_nothing_is_written_or_printed(
    tuner: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    play(oracle_of(tuner, space_of("all"), 15), or_failed, workers=2)
    assert not list(tmp_path.rglob("*"))
    assert capfd.readouterr() == ("", "")


def test_an_unknown_tuner_is_refused() -> None:
    with pytest.raises(InputError, match="no tuner 'rnadom'; did you mean 'random'"):
        oracle_of("rnadom", space_of("cnn"))


def test_proposals_are_quick() -> None:
    started = time.process_time()
    oracle = oracle_of("random", space_of("all"), 100)
    assert all(oracle.ask() for _ in range(100))
    assert time.process_time() - started < 2
    bayesian = oracle_of("bayesian", space_of("cnn"), 51)
    asked = [bayesian.ask() for _ in range(50)]
    for proposal in asked:
        assert proposal is not None
        bayesian.tell(proposal.id, score_of(proposal))
    started = time.process_time()
    assert bayesian.ask()
    assert time.process_time() - started < 1


def test_a_grid_varies_what_comes_last_first() -> None:
    space = space_of("cnn", {**SMALL, "embedding_dropout": 0})
    found = [each.values for each in proposed(play(oracle_of("grid", space)))]
    assert [tuple(values.values()) for values in found] == [
        (units, embedding) for units in (0, 128) for embedding in ("fine_tuned", "frozen", "random")
    ]


def test_a_grid_of_several_models_takes_turns() -> None:
    found = proposed(play(oracle_of("grid", space_of("cnn,lstm,rnn"), 9)))
    assert [each.values["model"] for each in found] == ["cnn", "lstm", "rnn"] * 3


@pytest.mark.parametrize("objective", ["val_accuracy", "val_loss"])
def test_a_bayesian_search_goes_where_it_is_good(objective: str) -> None:
    """Batches of 32 and a learning rate of 0.005 are best."""
    sign = 1 if OBJECTIVES[objective] == "max" else -1
    space = space_of("cnn", {"filters": 8, "kernel_sizes": "2", "dense_units": 0})

    def quality(proposal: Proposal) -> float:
        values = proposal.values
        far = abs(math.log(values["learning_rate"] / 5e-3))
        return -sign * float(far + (values["batch_size"] != 32) + abs(values["dropout"] - 0.3))

    def best_of(tuner: str, seed: int) -> float:
        oracle = oracle_of(tuner, space, 20, seed, objective=objective)
        return max(sign * quality(each) for each in proposed(play(oracle, quality)))

    for seed in range(2):
        assert best_of("bayesian", seed) > best_of("random", seed) + 0.1


def test_rungs_of_hyperband_are_those_of_its_algorithm() -> None:
    # Algorithm 1 of Li et al. 2018, of 81 epochs.
    plans = [plan_bracket(81, halvings) for halvings in range(bracket_count(81) - 1, -1, -1)]
    assert [sizes for sizes, _ in plans] == [
        [81, 27, 9, 3, 1],
        [34, 11, 3, 1],
        [15, 5, 1],
        [8, 2],
        [5],
    ]
    assert [epochs for _, epochs in plans] == [
        [1, 3, 9, 27, 81],
        [3, 9, 27, 81],
        [9, 27, 81],
        [27, 81],
        [81],
    ]
    assert plan_bracket(1, 0) == ([1], [1])


@pytest.mark.parametrize("objective", ["val_accuracy", "val_loss"])
def test_the_best_third_of_a_rung_goes_on(objective: str) -> None:
    sign = 1 if OBJECTIVES[objective] == "max" else -1
    oracle = oracle_of("hyperband", space_of("cnn"), 13, max_epochs=20, objective=objective)
    found = proposed(play(oracle))
    by_id = {each.id: each for each in found}
    assert [each.epochs for each in found] == [3] * 9 + [7] * 3 + [20]

    def best(proposals: list[Proposal], number: int) -> list[int]:
        ordered = sorted(proposals, key=lambda each: -sign * (score_of(each) or 0))
        return [each.id for each in ordered[:number]]

    assert [each.continues for each in found[:9]] == [None] * 9
    assert [each.continues for each in found[9:12]] == best(found[:9], 3)
    assert [found[12].continues] == best(found[9:12], 1)
    for each in found[9:]:
        assert each.continues is not None
        assert each.values == by_id[each.continues].values


@pytest.mark.parametrize("workers", [1, 3, 7])
@pytest.mark.parametrize("score", [score_of, or_failed])
@pytest.mark.parametrize("seed", range(3))
def test_hyperband_promotes_each_rung_in_any_order(workers: int, score: Score, seed: int) -> None:
    oracle = oracle_of("hyperband", space_of("cnn"), 200, max_epochs=20)
    done = play(oracle, score, workers=workers, seed=seed)
    found = proposed(done)
    told = {number: what for number, what in done if number != -1}
    assert len(found) == 200
    # The first brackets are whole; those at the end may be open.
    started = [each for each in found if each.continues is None]
    gone_on = {each.continues: each for each in found if each.continues is not None}
    assert len(gone_on) == len(found) - len(started)
    for halvings in (2, 1, 0, 2, 1):
        sizes, epochs = plan_bracket(20, halvings)
        rung, started = started[: sizes[0]], started[sizes[0] :]
        for trained, following in zip(epochs, [*sizes[1:], 0], strict=True):
            assert {each.epochs for each in rung} <= {trained}
            scores = {each.id: told[each.id] for each in rung if told[each.id] is not None}
            # Of a rung so many, whatever failed; and no failure goes on.
            best = sorted(scores, key=lambda number: -scores[number])[:following]  # type: ignore[operator]
            assert {each.id for each in rung if each.id in gone_on} == set(best)
            rung = [gone_on[number] for number in best]


def test_the_best_goes_on_to_the_end_where_nearly_all_fail() -> None:
    oracle = oracle_of("hyperband", space_of("cnn"), 12)
    found = proposed(play(oracle, lambda each: each.id / 20 if each.id not in range(7) else None))
    # Two of the first nine are left for three places, and one of them for the last.
    assert [(each.epochs, each.continues) for each in found[9:]] == [(3, 8), (3, 7), (9, 10)]


def test_hyperband_waits_where_there_is_nothing_left_to_start() -> None:
    space = space_of("cnn", {**SMALL, "embedding": "random", "dense_units": 0})
    assert space.count_points() == 5
    oracle = oracle_of("hyperband", space, 99)
    started = [oracle.ask() for _ in range(5)]
    assert oracle.ask() is None
    assert not oracle.finished
    for proposal in started:
        assert proposal is not None
        oracle.tell(proposal.id, proposal.values["embedding_dropout"])
    following = [oracle.ask() for _ in range(2)]
    assert [(each.epochs, each.values["embedding_dropout"]) for each in following if each] == [
        (3, 0.4),
        (3, 0.3),
    ]
    assert oracle.ask() is None
    assert not oracle.finished
    oracle.tell(5, 0.1)
    oracle.tell(6, None)
    last = oracle.ask()
    assert last is not None
    assert (last.epochs, last.continues) == (9, 5)
    oracle.tell(last.id, 0.5)
    assert oracle.ask() is None
    assert oracle.finished
