"""Models of two drugs against plain loops, identities, and the package `synergy` (values stored with their origin)."""

import numpy as np
from scipy.optimize import brentq

from scresist.kernels.hill_curve import curve_at
from scresist.kernels.synergy import (
    bliss_expected,
    combination_index,
    highest_single_expected,
    loewe_expected,
    zip_surfaces,
)

A, B = np.array([10.0, 100, 1.3, 0.0]), np.array([20.0, 100, 0.8, np.log10(0.5)])
DOSES = 10.0 ** np.linspace(-1.5, 1.5, 7)


def alone(curve, dose):
    return curve[0] + (curve[1] - curve[0]) / (1 + (dose / 10 ** curve[3]) ** curve[2])


def test_bliss_and_highest_single_are_plain():
    assert bliss_expected(np.array([50.0]), np.array([40.0]))[0] == 20
    assert highest_single_expected(np.array([50.0]), np.array([40.0]))[0] == 40


def test_loewe_solves_its_equation_and_is_absent_beyond_the_weaker_drug():
    found = loewe_expected(A, B, DOSES[:, None], DOSES[None])

    def dose_for(curve, level):
        return 10 ** curve[3] * ((curve[1] - level) / (level - curve[0])) ** (1 / curve[2])

    for i, a in enumerate(DOSES):
        for j, b in enumerate(DOSES):

            def excess(level, a=a, b=b):
                return a / dose_for(A, level) + b / dose_for(B, level) - 1

            if excess(20 + 1e-9) > 0:
                assert np.isnan(found[i, j])
            else:
                np.testing.assert_allclose(found[i, j], brentq(excess, 20 + 1e-9, 100 - 1e-9, xtol=1e-12), rtol=1e-8)
    assert 0 < np.isnan(found).sum() < found.size


def test_a_drug_with_itself_is_the_sum_of_its_doses():
    found = loewe_expected(A, A, DOSES[:, None], DOSES[None])
    np.testing.assert_allclose(found, alone(A, DOSES[:, None] + DOSES[None]), rtol=1e-9)
    response = alone(A, DOSES[:, None] + DOSES[None])
    np.testing.assert_allclose(combination_index(A, A, DOSES[:, None], DOSES[None], response), 1, rtol=1e-9)


def test_without_the_other_drug_loewe_is_the_curve_alone():
    none = np.zeros(7)
    np.testing.assert_allclose(loewe_expected(A, B, DOSES, none), alone(A, DOSES))
    np.testing.assert_allclose(loewe_expected(A, B, none, DOSES), alone(B, DOSES))
    assert loewe_expected(A, B, np.array(0.0), np.array(0.0)) == 100


def test_zip_of_independent_drugs_is_zero():
    """Without plateaus, the product along a dose of one drug is again a logistic curve: the fit reaches it."""
    one, two = np.array([0.0, 100, 1.3, 0]), np.array([0.0, 100, 0.8, -0.3])
    response = np.outer(alone(one, DOSES), alone(two, DOSES)) / 100
    expected, fitted = zip_surfaces(response, DOSES, DOSES, one, two, max_hill=10.0)
    np.testing.assert_allclose(expected, response, rtol=1e-12)
    np.testing.assert_allclose(fitted, response, atol=1e-5)


def test_equal_to_the_package_synergy():
    """synergy 1.0.0 (PyPI; numpy 2.4.6): ZIP and Loewe(mode="delta_nan"), fit(a, b, z), one pair of doses.

    Single drugs Hill(E0=1, Emax=.1, h=1.3, C=1) and Hill(E0=1, Emax=.2, h=.8, C=.5); z is the product of the curves to
    the power 1.3 where both doses are above zero. `benchmarks/bench.py --only synergy` compares all 49 pairs.
    """
    with np.errstate(divide="ignore"):
        log = np.log10(DOSES)
    a, b = A / [100, 100, 1, 1], B / [100, 100, 1, 1]
    z = np.outer(curve_at(a[None], log[None])[0], curve_at(b[None], log[None])[0]) ** 1.3
    expected, fitted = zip_surfaces(z, DOSES, DOSES, a, b, max_hill=10.0)
    loewe = loewe_expected(a, b, DOSES[:, None], DOSES[None]) - z
    np.testing.assert_allclose((expected - fitted)[1, 3], ZIP_THERE, atol=1e-6)
    np.testing.assert_allclose(loewe[1, 3], LOEWE_THERE, atol=1e-5)


ZIP_THERE, LOEWE_THERE = 0.09475235953155792, 0.10434484628170165
