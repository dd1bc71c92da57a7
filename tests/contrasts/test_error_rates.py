"""Under the null every test keeps its level; `benchmarks/calibration.py` does the same at length."""

import numpy as np
import pandas as pd
import pytest

from scresist.contrasts import contrast_arms, primary_against_acquired
from studies import three_arms, two_arms

LAYOUTS = [(3, 3, 0), (5, 5, 0), (8, 6, 0), (0, 0, 5), (2, 3, 4), (0, 6, 6), (4, 4, 2), (8, 6, 1)]
FEATURES = 3_000


def null(design, alike, features=FEATURES, seed=0):
    """Independent features; two samples of a patient correlate by `alike`."""
    rng = np.random.default_rng(seed)
    code = pd.factorize(design.samples["patient"])[0]
    own = rng.normal(size=(code.max() + 1, features))[code]
    values = np.sqrt(alike) * own + np.sqrt(1 - alike) * rng.normal(size=(len(code), features))
    return pd.DataFrame(values, index=design.samples.index)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("method", ["moderated", "t", "mixed"])
@pytest.mark.parametrize("alike", [0.2, 0.7])
def test_rate_of_false_positives(layout, method, alike):
    if method == "mixed" and not layout[2]:
        pytest.skip("the mixed model is the t test where nobody is repeated")
    design = two_arms(*layout)
    p = contrast_arms(null(design, alike), design, method=method, influence=False, n_permutations=1).table["p_value"]
    # 0.06 and the Monte Carlo error of 3,000 draws; lone or few pairs may err on the safe side.
    assert (p < 0.05).mean() < 0.068
    if layout[2] not in (1, 2):
        assert (p < 0.05).mean() > 0.03


@pytest.mark.parametrize("layout", [(4, 4, 0), pytest.param((8, 6, 0), marks=pytest.mark.slow), (0, 0, 7), (2, 3, 4)])
def test_permutation_p_values_are_never_too_small(layout):
    design = two_arms(*layout)
    p = contrast_arms(null(design, 0.5, seed=1), design, method="permutation", influence=False).table["p_value"]
    for level in (0.05, 0.1, 0.3):
        assert (p <= level).mean() < level + 0.03


def test_features_that_move_together_do_not_lend_each_other_certainty():
    design = two_arms(3, 3)
    rng = np.random.default_rng(0)
    rates = []
    for _ in range(120):
        common = rng.normal(size=(6, 1))
        values = np.sqrt(0.9) * common + np.sqrt(0.1) * rng.normal(size=(6, 20))
        table = contrast_arms(pd.DataFrame(values, index=design.samples.index), design, influence=False).table
        rates.append((table["p_value"] < 0.05).mean())
    assert np.mean(rates) < 0.085  # the rates of a table go together: SE 0.012


def test_the_difference_of_two_effects_keeps_its_level():
    for pairs in (0, 4):
        design = three_arms(6, pairs)
        table = primary_against_acquired(null(design, 0.5), design).table
        assert 0.03 < (table["p_value"] < 0.05).mean() < 0.068
