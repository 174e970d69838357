"""Verdicts follow from the figures: the same saying holds, holds in part or does not show as the numbers have it."""

import pytest

from models.study import inside, outside
from models.study.case import CASES
from models.study.claim import Claim, by_count, by_direction
from models.study.outside import VARIANTS

PLAIN = "plain"


def accuracies(*last: float) -> list[list[float]]:
    return [[0.8, accuracy] for accuracy in last]


@pytest.mark.parametrize(
    ("directions", "verdict"),
    [
        ([1, 1], "holds"),
        ([1, 0], "holds in part"),
        ([0, 0], "does not show"),
        ([0, -1], "the opposite shows in part"),
        ([-1, -1], "the opposite shows"),
        ([1, -1], "holds in part, the opposite in part"),
    ],
)
def test_verdict_on_comparisons_follows_from_their_directions(directions, verdict):
    assert by_direction(directions) == verdict


def test_verdict_on_cases_follows_from_their_number():
    assert [by_count(right, 3) for right in (3, 1, 0)] == ["holds", "holds in part", "does not show"]
    assert by_count(0, 0) == "does not show"


def test_dying_that_is_nowhere_does_not_show(made_up):
    assert inside.die(made_up()).verdict == "does not show"


def test_dying_holds_where_every_seed_of_every_training_has_dead_units(made_up):
    everywhere = {(case, "relu"): {"dead": [[0, 1, 2], [0, 1, 1], [0, 3, 3], [0, 0, 7]]} for case in CASES}
    assert inside.die(made_up(everywhere)).verdict == "holds"
    everywhere[PLAIN, "relu"]["dead"][2] = [0, 3, 0]
    claim = inside.die(made_up(everywhere))
    assert claim.verdict == "holds in part"
    assert "plain training: 2.5 ± 3.1" in claim.seen
    assert "2, 1, 0, 7" in claim.evidence


def test_one_unit_that_came_back_is_told(made_up):
    died = {(case, "relu"): {"dead": [[0, 2, 2]] * 4} for case in CASES}
    assert inside.stay_dead(made_up(died)).verdict == "holds"
    claim = inside.stay_dead(made_up(died | {(PLAIN, "relu"): {"dead": [[0, 2, 2]] * 4, "revived": [0, 1, 0, 0]}}))
    assert claim.verdict == "holds in part"
    assert "plain training: 1 of 9" in claim.seen


def test_nothing_that_died_cannot_stay_dead(made_up):
    assert inside.stay_dead(made_up()).verdict == "does not show"


def test_leaky_relu_that_dies_once_keeps_alive_in_part(made_up):
    assert inside.leaky_lives(made_up()).verdict == "holds"
    claim = inside.leaky_lives(made_up({("fast_sgd", "leaky_relu"): {"dead": [[0, 0, 1], *[[0, 0, 0]] * 3]}}))
    assert claim.verdict == "holds in part"
    assert claim.seen.startswith("No dead unit with any seed in 3 of 4 trainings; accuracy above that of `relu` in 0")


def test_accuracy_that_leaky_relu_saves_is_told_by_training(made_up):
    found = {("low_bias", "relu"): {"accuracy": accuracies(0.1, 0.11, 0.1, 0.1)}}
    claim = inside.leaky_lives(made_up(found))
    assert "in 1 of them: `fc1` bias starting at −3." in claim.seen
    assert "+79.75 ± 0.50 points (p < 0.0001)" in claim.evidence


def test_variant_that_dies_is_named(made_up):
    claim = inside.variants_live(made_up({("fast_adam", "gelu"): {"dead": [[0, 0, 5], *[[0, 0, 0]] * 3]}}))
    assert claim.verdict == "holds in part"
    assert claim.seen.endswith("in 23 of 24 trainings; the others: `gelu`, Adam at rate 0.1.")
    assert "| `gelu` | Adam at rate 0.1 | 1.2 ± 2.5 | 0.0 ± 0.0 |" in claim.evidence


def test_variants_that_all_live_hold(made_up):
    assert inside.variants_live(made_up()).verdict == "holds"


def test_sparsity_holds_only_with_more_zeros_than_all_others_have(made_up):
    own = {(PLAIN, "relu"): {"zeros": [0.4, 0.5, 0.45, 0.4]}}
    claim = inside.sparse(made_up(own | {(PLAIN, "gelu"): {"zeros": [0.01, 0.02, 0.01, 0.02]}}))
    assert claim.verdict == "holds"
    assert claim.seen.endswith("with no seed under 40.0 %. Most of the others has `gelu`: 1.5 ± 0.6 %.")
    assert inside.sparse(made_up(own | {(PLAIN, "gelu"): {"zeros": [0.3, 0.6, 0.3, 0.4]}})).verdict == "holds in part"
    assert inside.sparse(made_up()).verdict == "does not show"


def test_few_zeros_are_not_sparse(made_up):
    assert inside.sparse(made_up({(PLAIN, "relu"): {"zeros": [0.05, 0.15, 0.1, 0.1]}})).verdict == "does not show"


def test_saturation_is_counted_by_training(made_up):
    claim = inside.saturate(made_up({("fast_adam", "tanh"): {"saturated": [9, 8, 7, 6]}}))
    assert claim.verdict == "holds in part"
    assert claim.seen == "With every seed in 1 of 8 trainings: `tanh`, Adam at rate 0.1."


def test_smallest_slope_must_be_below_all_others(made_up):
    low = {(PLAIN, "sigmoid"): {"slope": [0.1, 0.11, 0.1, 0.12]}}
    assert inside.smallest_slope(made_up(low)).verdict == "holds"
    assert inside.smallest_slope(made_up(low | {(PLAIN, "tanh"): low[PLAIN, "sigmoid"]})).verdict == "holds in part"


def test_mean_nearer_to_zero_is_measured_in_standard_deviations(made_up):
    near = {(PLAIN, name): {"mean": [0.1, -0.1, 0.05, 0.1]} for name in ("elu", "selu", "tanh")}
    assert inside.centred(made_up(near)).verdict == "holds"
    spread_out = {(PLAIN, name): {"mean": [1.0] * 4, "std": [2.0] * 4} for name in ("elu", "selu", "tanh")}
    assert inside.centred(made_up(spread_out)).verdict == "does not show"


@pytest.mark.parametrize(
    ("first", "reached", "verdict"),
    [
        ([0.81, 0.82, 0.81, 0.82], [1.0, 1.1, 1.0, 1.1], "holds"),
        ([0.81, 0.82, 0.81, 0.82], [1.5, 1.5, 1.5, 1.5], "holds in part"),
        ([0.81, 0.79, 0.8, 0.8], [1.4, 1.6, 1.5, 1.5], "does not show"),
        ([0.79, 0.78, 0.79, 0.78], [1.9, 1.8, 1.9, None], "the opposite shows"),  # never reached counts as 2
    ],
)
def test_faster_needs_both_accuracy_and_epochs(made_up, first, reached, verdict):
    found = made_up({(PLAIN, "relu"): {"accuracy": [[one, 0.9] for one in first], "reached": reached}})
    assert outside.faster(found, "relu", "tanh", "said").verdict == verdict


def test_variants_are_told_apart_by_what_shows(made_up):
    better, worse = accuracies(0.92, 0.93, 0.92, 0.93), accuracies(0.88, 0.87, 0.88, 0.87)
    claim = outside.more_accurate(
        made_up({(PLAIN, "gelu"): {"accuracy": better}, (PLAIN, "selu"): {"accuracy": worse}})
    )
    assert claim.verdict == "holds in part, the opposite in part"
    assert claim.seen == (
        "Better than `relu`: `gelu`; no difference that shows: `leaky_relu`, `prelu`, `elu` and `silu`; "
        "worse than `relu`: `selu`."
    )


def test_variants_that_all_gain_hold(made_up):
    better = {(PLAIN, name): {"accuracy": accuracies(0.92, 0.93, 0.92, 0.93)} for name in VARIANTS}
    assert outside.more_accurate(made_up(better)).verdict == "holds"
    assert outside.more_accurate(made_up()).verdict == "does not show"


def test_sigmoid_and_tanh_are_less_accurate_where_both_are(made_up):
    worse = {(PLAIN, name): {"accuracy": accuracies(0.88, 0.87, 0.88, 0.87)} for name in ("sigmoid", "tanh")}
    assert outside.less_accurate(made_up(worse)).verdict == "holds"
    del worse[PLAIN, "tanh"]
    claim = outside.less_accurate(made_up(worse))
    assert claim.verdict == "holds in part"
    assert claim.seen == "No difference that shows: `tanh`; worse than `relu`: `sigmoid`."


@pytest.mark.parametrize(("seconds", "verdict"), [(1.2, "holds"), (1.04, "does not show")])
def test_cheapest_is_what_all_others_take_a_twentieth_longer_than(made_up, seconds, verdict):
    assert outside.cheapest(made_up(seconds=seconds)).verdict == verdict


def test_anchor_is_the_one_of_the_heading():
    assert Claim("ReLU's units (all) die", "", "", "").anchor == "relus-units-all-die"
