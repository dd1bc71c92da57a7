"""A question declared beforehand has its own share of the error rate, and the whole study keeps its rate."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import scresist.contrasts as sc
from scresist.contrasts.families import answers
from scresist.kernels.multiple_testing import family_levels, levels_with_primary
from studies import noise, three_arms


def test_the_primary_question_has_its_share_whatever_else_is_asked():
    q = np.array([0.03, 0.5, 0.9, 0.7, 0.8])
    kind, primary = np.array([0, 1, 2, 3, 4]), np.array([True, False, False, False, False])
    assert family_levels(q, kind, 0.05)[0] == 0
    assert levels_with_primary(q, kind, primary, 0.05)[0] == pytest.approx(0.04)


def test_the_others_share_what_is_left_until_the_primary_question_is_answered():
    kind, primary = np.array([0, 0, 1]), np.array([True, True, False])
    half = levels_with_primary(np.array([0.001, 0.9, 0.02]), kind, primary, 0.05)
    np.testing.assert_allclose(half, [0.02, 0.0, 0.0])
    whole = levels_with_primary(np.array([0.001, 0.002, 0.02]), kind, primary, 0.05)
    np.testing.assert_allclose(whole, [0.04, 0.04, 0.05])


def test_a_primary_question_that_could_not_be_tested_costs_the_others_nothing():
    q, kind, primary = np.array([np.nan, 0.001, 0.9]), np.array([0, 1, 2]), np.array([True, False, False])
    np.testing.assert_array_equal(levels_with_primary(q, kind, primary, 0.05), family_levels(q, kind, 0.05))


@pytest.mark.parametrize(("primary", "shape"), [("", 0), ("kind", 2), ("contrast", 7), ("both", 1)])
def test_where_nothing_is_true_one_study_in_twenty_claims_something(primary, shape):
    """Seven kinds, two families each; Simes p-values of true nulls are uniform or larger."""
    rng = np.random.default_rng(shape)
    kind, contrast = np.repeat(np.arange(7), 2), np.tile([0, 1], 7)
    asked = {"": kind < 0, "kind": kind == 2, "contrast": contrast == 0, "both": (kind == 2) & (contrast == 0)}[primary]
    assert asked.sum() == shape
    claims = [(levels_with_primary(q, kind, asked, 0.05) > 0).any() for q in rng.uniform(size=(3000, 14))]
    assert np.mean(claims) < 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / 3000)
    assert np.mean(claims) > 0.035


def test_a_kind_or_a_contrast_or_both_answer_the_question():
    assert answers("modules", "modules", "acquired")
    assert answers("acquired", "modules", "acquired")
    assert answers("modules: acquired", "modules", "acquired")
    assert not answers("modules: primary", "modules", "acquired")
    assert not answers("survival", "modules", "")


def test_the_register_and_the_families_name_the_question():

    design = replace(three_arms(), primary="modules: acquired")
    results = {"modules": sc.modules(noise(design), design), "signatures": sc.contrast_arms(noise(design, 4), design)}
    claims = sc.register_claims(results, design).table
    asked = claims[claims["question"] == "primary"]
    assert set(zip(asked["kind"], asked["contrast"], strict=True)) == {("modules", "acquired")}
    stated = claims.loc[claims["verdict"] == "stated", "statement"].item()
    assert stated.startswith("The primary question, declared beforehand, is modules: acquired: its families share")
    assert "a level of 0.04 to themselves" in stated
    levels = sc.study_levels({k: r.table for k, r in results.items()}, primary=design.primary).table
    assert levels.loc[levels["primary"], "family"].tolist() == ["acquired"]
    assert isinstance(claims, pd.DataFrame)
