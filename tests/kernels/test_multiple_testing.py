"""False discovery rates against the definition."""

import numpy as np
import pytest

from scresist.kernels.multiple_testing import benjamini_hochberg


def test_matches_the_definition():
    p = np.random.default_rng(0).uniform(size=50) ** 2
    ordered = np.sort(p)
    expected = [min(1, min(ordered[j] * 50 / (j + 1) for j in range(i, 50))) for i in range(50)]
    np.testing.assert_allclose(np.sort(benjamini_hochberg(p)), expected)


def test_untested_takes_no_part():
    q = benjamini_hochberg(np.array([0.01, np.nan, 0.04]))
    np.testing.assert_allclose(q[[0, 2]], [0.02, 0.04])
    assert np.isnan(q[1])
    assert np.isnan(benjamini_hochberg(np.array([np.nan]))).all()


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        benjamini_hochberg(np.array([1.2]))
