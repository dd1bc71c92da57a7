"""Partly paired designs: honest degrees of freedom, held on families of features and beside limma."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from oracle import SHARED, needs_shared
from scresist.contrasts import expression
from scresist.contrasts.engine import evaluate_contrast
from scresist.contrasts.units import Units
from scresist.kernels.moderated import variance_prior
from scresist.kernels.multiple_testing import benjamini_hochberg
from scresist.study.design import Contrast, Design


def units_of(n_test, n_reference, n_pairs, values):
    who = [f"q{i}" for i in range(n_pairs) for _ in range(2)]
    who += [f"t{i}" for i in range(n_test)] + [f"r{i}" for i in range(n_reference)]
    side = np.array([False, True] * n_pairs + [True] * n_test + [False] * n_reference)
    n = side.size
    contrast = Contrast("c", "test", "reference")
    return Units(contrast, np.array(who), side, values, None, np.ones((n, 1)), np.zeros(n, int), (), ())


def null_values(rng, layout, features, correlation):
    """Blocks of eight correlated features whose variance differs (8 degrees of freedom); patients share 0.4 of it."""
    n_test, n_reference, n_pairs = layout
    people, block = n_test + n_reference + n_pairs, np.full((8, 8), correlation) + (1 - correlation) * np.eye(8)
    root = np.kron(np.eye(features // 8), np.linalg.cholesky(block)).T
    unit = np.r_[np.repeat(np.arange(n_pairs), 2), np.arange(n_pairs, people)]
    own, patient = rng.normal(size=(unit.size, features)) @ root, rng.normal(size=(people, features)) @ root
    values = np.sqrt(0.4) * patient[unit] + np.sqrt(0.6) * own
    return values * np.sqrt(8 / rng.chisquare(8, features))


@pytest.mark.parametrize("layout", [(2, 3, 4), (3, 3, 3)])
@pytest.mark.parametrize(("features", "genes", "correlation"), [(40, False, 0.6), (200, True, 0.0), (200, True, 0.6)])
def test_families_where_nothing_differs_call_nothing(layout, features, genes, correlation):
    """Two layers moderated as if nothing linked them called something in 0.10 to 0.14 of families."""
    rng, called, p = np.random.default_rng(4), [], []
    for _ in range(400):
        values = null_values(rng, layout, features, correlation)
        found = evaluate_contrast(units_of(*layout, values), permutation_beside=False, independent_features=genes)
        called.append((benjamini_hochberg(found.p_value) < 0.05).any())
        p.append(found.p_value)
    assert np.mean(called) <= 0.06 + 2 * np.sqrt(0.05 * 0.95 / 400)
    assert 0.045 < (np.concatenate(p) < 0.05).mean() < 0.058
    assert (np.concatenate(p) < 0.001).mean() < 0.002  # 0.0029 before; correlated, so that it scatters by 0.0004


def test_caution_weakens_a_prior_and_fades_with_many_features():
    rng = np.random.default_rng(5)
    for features, largest in ((20, 40.0), (20_000, 10.0)):
        variance = rng.chisquare(6, features) / 6 * 8 / rng.chisquare(8, features)
        plain = variance_prior(variance, 6.0).df[0]
        cautious = variance_prior(variance, 6.0, caution=1.0).df[0]
        assert cautious < plain
        assert cautious < largest
    assert cautious == pytest.approx(plain, rel=0.05)


@needs_shared
@pytest.mark.parametrize("name", ["pp4_2v3", "pp3_3v3"])
def test_genes_rank_as_with_duplicate_correlation_of_limma(name):
    """limma 3.54.1: the same effects and order; its degrees of freedom (20.9) take one correlation for all genes."""
    folder = SHARED / "oracle" / "inference" / "limma"
    counts = pd.read_csv(folder / f"{name}_counts.csv.gz", index_col=0).T
    samples = pd.read_csv(folder / f"{name}_samples.csv.gz").set_index("sample")
    theirs = pd.read_csv(folder / f"{name}_toptables.csv.gz")
    theirs = theirs[theirs["method"] == "voom_dupcor_twice"].set_index("gene")
    design = Design(("A", "B"), (Contrast("c", "B", "A"),), samples[["patient", "arm"]])
    ours = expression(counts, design, influence=False).table.set_index("gene")
    theirs = theirs.loc[ours.index]
    assert stats.spearmanr(ours["p_value"], theirs["P.Value"]).statistic > 0.985
    assert np.corrcoef(ours["log2fc"], theirs["logFC"])[0, 1] > 0.999
    assert abs(np.median(np.log10(ours["p_value"] / theirs["P.Value"]))) < 0.05
    assert ours["df"].median() <= len(samples)
