"""A network whose modules start from correlations of expression beneath the counts."""

import numpy as np
import pytest
from scipy import sparse

import networks_cohort
import scresist as sr
from scresist.checks import InputError
from scresist.networks.latent import Counted
from scresist.study import read_study
from tiny import TOML, write_study


@pytest.fixture(scope="module")
def cells():
    return networks_cohort.cohort()


def test_planted_programmes_are_found(cells):
    net = sr.networks.build(cells, groupby="patient", compartment="malignant", fraction=0.0, correlation="latent")
    planted = networks_cohort.planted_labels()
    found = dict(zip(net.genes, net.labels, strict=True))
    labels = np.array([found.get(g, 0) for g in cells.var_names])
    assert labels.max() == 3
    for programme in (1, 2, 3):
        inside = planted == programme
        best = np.bincount(labels[inside]).argmax()
        assert best > 0
        assert (inside & (labels == best)).sum() / (inside | (labels == best)).sum() > 0.9
    assert net.settings["correlation"] == "latent"
    stable = sr.networks.stability(net, n_bootstraps=2, leave_one_out=False)
    assert (stable.modules["recurrence"] == 1).all()


def test_correlations_that_chance_explains_are_zero_and_rows_have_no_order():
    rng = np.random.default_rng(5)
    n, genes = 2000, np.arange(60)
    u = rng.gamma(2.0, 0.5, (n, 60))
    u[:, :15] = rng.gamma(1.0, 0.5, (n, 1)) + rng.gamma(1.0, 0.5, (n, 15))
    depth, codes = np.exp(rng.normal(8, 0.5, n)), np.resize([0, 1, 2, 3], n)
    counts = sparse.csr_array(rng.poisson(depth[:, None] * 5e-4 * u * np.exp(rng.normal(0, 0.3, (4, 60)))[codes]))
    counted = Counted(counts, depth, codes)
    R = counted.correlations(genes)
    inside = np.zeros((60, 60), dtype=bool)
    inside[:15, :15] = True
    apart = ~np.eye(60, dtype=bool)
    assert (R[inside & apart] != 0).all()
    assert np.median(R[inside & apart]) == pytest.approx(0.5, abs=0.08)
    assert (R[~inside & apart] != 0).mean() < 0.02
    assert (R == R.T).all()
    order = rng.permutation(n)
    np.testing.assert_allclose(counted.of(order).correlations(genes), R, atol=1e-4)
    np.testing.assert_array_equal(np.diag(counted.correlations(np.array([3, 7, 50]))), 1)


def test_it_needs_counts_of_cells(cells, tmp_path):
    with pytest.raises(InputError, match='needs values="residuals"'):
        sr.networks.build(cells, groupby="patient", compartment="malignant", values="log", correlation="latent")
    asked = TOML + '\n[networks]\nvalues = "log"\ncorrelation = "latent"\n'
    with pytest.raises(InputError, match=r'set values = "residuals"'):
        read_study(write_study(tmp_path, toml=asked))
