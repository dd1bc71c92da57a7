"""Cross-type K and G: spatstat's values, plain loops, and what holds for cells thrown at random."""

import numpy as np
import pandas as pd
import pytest

from oracle import SHARED, needs_shared
from scresist.kernels.spatial import Window, cross_g, cross_k, edge_distances, nearest_distances, window_of

R = SHARED / "oracle" / "spatial"
IMAGES = ("10_2", "10_5", "107_2", "107_4")


def image(name):
    cells = pd.read_csv(R / f"cells_{name}.csv")
    xy = cells[["x", "y"]].to_numpy(float)
    return xy[cells["type"] == "tumour"], xy[cells["type"] == "cd8"], window_of(xy)


def half_open(r):
    """Radii of spatstat's bins: a pair at exactly r counts in the next one, but for the last."""
    return np.r_[r[:-1] * (1 - 1e-9), r[-1]]


@needs_shared
@pytest.mark.parametrize("name", IMAGES)
def test_k_is_that_of_spatstat(name):
    golden = pd.read_csv(R / f"Kcross_tumour_cd8_{name}.csv")
    found = cross_k(*image(name), half_open(golden["r"].to_numpy()))
    for ours, theirs in (("none", "none"), ("translation", "translate"), ("isotropic", "isotropic")):
        np.testing.assert_allclose(getattr(found, ours), golden[theirs], rtol=1e-8, atol=1e-8, err_msg=ours)


@needs_shared
@pytest.mark.parametrize("name", IMAGES)
def test_k_with_border_correction_is_that_of_spatstat_but_for_the_width_of_its_bins(name):
    """spatstat takes the cells that are at least the previous radius (5 um less) from the edge; ours the radius."""
    golden = pd.read_csv(R / f"Kcross_tumour_cd8_{name}.csv")
    around, to, window = image(name)
    r, edge = golden["r"].to_numpy(), edge_distances(around, window)
    d = np.sqrt(((around[:, None] - to[None]) ** 2).sum(axis=2))
    theirs = [0.0]
    for before, now in zip(r[:-1], half_open(r)[1:], strict=True):
        kept = edge >= before
        theirs.append(((d <= now) & kept[:, None] & (d <= edge[:, None])).sum() / kept.sum() * window.area / len(to))
    np.testing.assert_allclose(theirs, golden["border"], rtol=1e-10)
    np.testing.assert_allclose(cross_k(around, to, window, r).border[3:], golden["border"][3:], rtol=0.06)


@needs_shared
@pytest.mark.parametrize("name", IMAGES)
def test_g_is_that_of_spatstat(name):
    """Border and Hanisch differ by the width of spatstat's bins (0.5 um); Hanisch is 1 there at the largest radius."""
    golden = pd.read_csv(R / f"Gcross_tumour_cd8_{name}.csv")
    around, to, window = image(name)
    grid = np.arange(0, golden["r"].max() + 0.25, 0.5)
    at, nearest, edge = (
        np.searchsorted(grid, golden["r"]),
        nearest_distances(around, to),
        edge_distances(around, window),
    )
    found = cross_g(nearest, edge, window, grid)
    np.testing.assert_allclose(found.none[at], golden["raw"], rtol=1e-8)
    np.testing.assert_allclose(found.border[at], golden["rs"], atol=0.005)
    np.testing.assert_allclose(found.hanisch[at] / found.hanisch[-1], golden["han"], atol=2e-4)
    strict = cross_g(nearest, edge, window, grid * (1 - 1e-9))
    np.testing.assert_allclose(strict.kaplan_meier[at], golden["km"], rtol=1e-8)


@needs_shared
@pytest.mark.parametrize("name", IMAGES)
def test_nearest_distances_are_those_of_spatstat(name):
    golden = pd.read_csv(R / f"nn_tumour_to_cd8_{name}.csv").iloc[0]
    around, to, _ = image(name)
    found = nearest_distances(around, to)
    assert found.mean() == pytest.approx(golden["mean"], rel=1e-10)
    assert np.median(found) == pytest.approx(golden["median"], rel=1e-10)


def patterns(seed, n=60, m=50):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, [80, 50], (n, 2)), rng.uniform(0, [80, 50], (m, 2)), Window(0.0, 80.0, 0.0, 50.0)


def test_k_and_nearest_distances_are_those_of_a_plain_loop():
    around, to, window = patterns(1)
    radii = np.arange(0, 21, 2.0)
    found = cross_k(around, to, window, radii)
    edge = edge_distances(around, window)
    angles = np.linspace(0, 2 * np.pi, 20_001)[:-1]
    plain = np.zeros((4, len(radii)))
    for i, p in enumerate(around):
        for q in to:
            d = np.hypot(*(p - q))
            ring = p + d * np.c_[np.cos(angles), np.sin(angles)]
            inside = np.mean((ring[:, 0] >= 0) & (ring[:, 0] <= 80) & (ring[:, 1] >= 0) & (ring[:, 1] <= 50))
            weight = 80 * 50 / ((80 - abs(p[0] - q[0])) * (50 - abs(p[1] - q[1])))
            plain += np.stack([radii >= d, (radii >= d) & (edge[i] >= radii), (radii >= d) * weight,
                               (radii >= d) / max(inside, 0.01)])  # fmt: skip
    inside = np.array([(edge >= r).sum() for r in radii])
    np.testing.assert_allclose(found.none, 4000 / 3000 * plain[0], rtol=1e-10)
    np.testing.assert_allclose(found.border, 4000 / 50 * plain[1] / inside, rtol=1e-10)
    np.testing.assert_allclose(found.translation, 4000 / 3000 * plain[2], rtol=1e-10)
    np.testing.assert_allclose(found.isotropic, 4000 / 3000 * plain[3], rtol=1e-3)
    nearest = [min(np.hypot(*(p - q)) for q in to) for p in around]
    np.testing.assert_allclose(nearest_distances(around, to), nearest, rtol=1e-12)


def test_corrected_k_of_cells_at_random_is_the_area_of_the_circle():
    radii = np.array([5.0, 10.0, 15.0])
    found = np.mean([[getattr(cross_k(*patterns(s), radii), c) for c in ("none", "border", "translation", "isotropic")]
                     for s in range(300)], axis=0) / (np.pi * radii**2)  # fmt: skip
    np.testing.assert_allclose(found[1:], 1.0, atol=0.05)
    assert (found[0] < 0.95).all()


def test_without_cells_of_a_type_there_is_no_value():
    around, _, window = patterns(2)
    assert np.isnan(cross_k(around, np.zeros((0, 2)), window, np.array([5.0])).none).all()
    assert np.isinf(nearest_distances(around, np.zeros((0, 2)))).all()
    assert np.isnan(cross_g(np.zeros(0), np.zeros(0), window, np.array([5.0])).none).all()
