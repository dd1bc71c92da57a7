"""What a design can answer, said before anything runs."""

from dataclasses import replace

import pytest

from scresist.contrasts import estimable
from studies import two_arms


def row(design):
    return estimable(design).table.iloc[0]


@pytest.mark.parametrize(
    ("layout", "verdict", "floor"),
    [((3, 3, 0), "weak", 0.1), ((4, 4, 0), "ok", 2 / 70), ((8, 6, 0), "ok", 1 / 3003), ((0, 0, 5), "weak", 2 / 32)],
)
def test_floor_and_verdict(layout, verdict, floor):
    found = row(two_arms(*layout))
    assert found["p_floor"] == pytest.approx(floor)
    assert found["verdict"] == verdict


def test_the_detectable_effect_has_the_power_it_claims():
    # 17 a side for d = 1, from the tables of Cohen (1988), Statistical Power Analysis, table 2.4.1.
    assert row(two_arms(17, 17))["detectable"] == pytest.approx(1.0, abs=0.02)
    assert row(two_arms(0, 0, 10))["detectable"] == pytest.approx(0.997, abs=0.02)
    assert row(two_arms(2, 3, 4))["detectable"] < row(two_arms(4, 5))["detectable"]


@pytest.mark.parametrize(
    ("design", "words"),
    [
        (two_arms(1, 5), "at least two patients"),
        (two_arms(0, 5), "at least two patients"),
        (two_arms(3, 3, 1, pairing="paired"), "at least two pairs"),
        (two_arms(3, 3, 2, pairing="unpaired"), "set pairing to auto"),
        (two_arms(2, 2, site=["a", "a", "b", "b"]), "cannot be separated from the arm"),
    ],
)
def test_impossible_contrasts_are_refused_in_words(design, words):
    found = row(design)
    assert found["verdict"] == "refused"
    assert words in found["sentence"]


def test_a_batch_that_the_arms_do_not_share_makes_a_contrast_weak():
    design = two_arms(5, 5, batch=["x"] * 5 + ["y"] * 5)
    found = row(replace(design, covariates=(), batches=("batch",)))
    assert found["verdict"] == "weak"
    assert "share no batch" in found["sentence"]
    uneven = two_arms(5, 5, batch=["x"] * 5 + ["x"] + ["y"] * 4)
    assert "batch (R2" in row(replace(uneven, covariates=(), batches=("batch",)))["confounded"]
