import numpy as np
import pytest
from scipy import sparse

from scresist.kernels.aggregate import mean_by_group, median_and_mad, sum_by_group

RNG = np.random.default_rng(0)
VALUES = RNG.poisson(1.0, (40, 7)).astype(float)
CODES = RNG.integers(-1, 3, 40)


@pytest.mark.parametrize("stored_as", [np.asarray, sparse.csr_array, sparse.csc_array, sparse.csr_matrix])
def test_group_sums_and_means_match_a_plain_loop(stored_as):
    sums = np.vstack([VALUES[g == CODES].sum(axis=0) for g in range(3)])
    np.testing.assert_allclose(sum_by_group(stored_as(VALUES), CODES, 3), sums)
    means = np.vstack([VALUES[g == CODES].mean(axis=0) for g in range(3)])
    np.testing.assert_allclose(mean_by_group(stored_as(VALUES), CODES, 3), means)


def test_an_empty_group_sums_to_zero_and_has_no_mean():
    assert (sum_by_group(VALUES, CODES, 5)[3:] == 0).all()
    assert np.isnan(mean_by_group(VALUES, CODES, 5)[3:]).all()


def test_the_scaled_deviation_of_a_normal_is_its_standard_deviation():
    middle, mad = median_and_mad(np.random.default_rng(1).normal(3.0, 2.0, 200_000))
    assert middle == pytest.approx(3.0, abs=0.02)
    assert mad == pytest.approx(2.0, abs=0.02)
