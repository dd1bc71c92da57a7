"""The worth of a value given its cells: recovered where cells matter, equal where they do not, blind to the arms."""

import numpy as np

from scresist.kernels.precision import cell_precision


def simulate(ratio, features=200, seed=0):
    rng = np.random.default_rng(seed)
    cells = np.exp(rng.uniform(np.log(20), np.log(2000), 16)).round()
    values = rng.normal(size=(16, features)) * np.sqrt(1 + ratio / cells)[:, None] * rng.uniform(0.5, 3, features)
    return values, cells


def test_few_cells_weigh_less_where_they_are_noisier():
    values, cells = simulate(ratio=300)
    weights = cell_precision(values, cells, np.ones((16, 1)))
    expected = cells / (cells + 300)
    np.testing.assert_allclose(weights / weights.max(), expected / expected.max(), atol=0.15)


def test_cells_that_do_not_matter_do_not_weigh():
    values, cells = simulate(ratio=0)
    weights = cell_precision(values, cells, np.ones((16, 1)))
    assert weights.min() / weights.max() > 0.7


def test_no_cell_no_weight_and_constant_features_do_no_harm():
    values, cells = simulate(ratio=100, features=5)
    cells[0], values[0], values[:, 1] = 0, np.nan, 3.0
    weights = cell_precision(values, cells, np.ones((16, 1)))
    assert weights[0] == 0
    assert (weights[1:] > 0).all()
    assert cell_precision(np.ones((3, 1)), np.zeros(3), np.ones((3, 1))).tolist() == [0, 0, 0]
