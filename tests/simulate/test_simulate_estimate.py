"""Parameters estimated from counts are those the counts were drawn with, and cohorts drawn from them look alike."""

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from typer.testing import CliRunner

from scresist.checks import InputError, MissingColumnError
from scresist.cli import app
from scresist.kernels.negative_binomial_draws import draw_counts
from scresist.kernels.negative_binomial_moments import dispersion_by_moments, shared_factors
from scresist.power import pilot_assumptions
from scresist.simulate import Plan, compare_counts, draw_like, estimate_profiles, simulate_from, write_cohort

GENES, SD, DISPERSION = 600, 0.4, 0.5


@pytest.fixture(scope="module")
def real():
    """Six patients, two types, known dispersion, spread between patients and one shared factor over 40 genes."""
    rng = np.random.default_rng(5)
    base = rng.normal(0, 1, (2, GENES))
    base[1, :50] += 2
    loading = np.zeros(GENES)
    loading[100:140] = 0.6
    blocks, rows = [], []
    for patient in range(6):
        own = base + rng.normal(0, SD, GENES)
        kinds = rng.choice(2, 200, p=[0.6, 0.4])
        rate = np.exp(own[kinds] + np.outer(rng.normal(size=200), loading))
        rate *= (1500 * np.exp(rng.normal(0, 0.3, 200)) / rate.sum(axis=1))[:, None]
        blocks.append(draw_counts(rate, np.full(GENES, DISPERSION), rng))
        rows.append(pd.DataFrame({"patient": f"P{patient}", "cell_type": np.array(["malignant", "T cell"])[kinds]}))
    obs = pd.concat(rows, ignore_index=True).set_index(pd.Index([f"c{i}" for i in range(1200)]))
    var = pd.DataFrame(index=[f"G{i}" for i in range(GENES)])
    return ad.AnnData(sparse.csr_matrix(np.vstack(blocks)), obs=obs, var=var)


def test_dispersion_comes_back_whatever_the_depth():
    rng = np.random.default_rng(0)
    true = np.where(np.arange(400) < 200, 0.2, 1.0)
    size = np.exp(rng.normal(0, 0.5, 1500))
    mean = np.tile(np.exp(rng.normal(0.5, 0.7, 200)), 2)
    counts = sparse.csr_array(draw_counts(size[:, None] * mean, true, rng).astype(float))
    found = dispersion_by_moments(counts, size, rng.integers(0, 3, 1500), 3)
    assert np.median(found[:200]) == pytest.approx(0.2, abs=0.05)
    assert np.median(found[200:]) == pytest.approx(1.0, abs=0.15)


def test_no_factor_is_found_in_noise_and_one_where_there_is_one():
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(500, 100))
    assert len(shared_factors(noise, 5)) == 0
    loading = np.where(np.arange(100) < 30, 0.7, 0.0)
    found = shared_factors(noise + np.outer(rng.normal(size=500), loading), 5)
    assert len(found) == 1
    np.testing.assert_allclose(np.abs(found[0, :30]).mean(), 0.7, atol=0.06)


def test_profiles_are_those_the_cells_were_drawn_with(real):
    fitted = estimate_profiles(real)
    assert fitted.types == ("T cell", "malignant")
    np.testing.assert_allclose(fitted.shares, [0.4, 0.6], atol=0.04)
    np.testing.assert_allclose(fitted.means.sum(axis=1), 1e4)
    counts, kind = real.X.toarray(), real.obs["cell_type"].to_numpy()
    for k, name in enumerate(fitted.types):
        mean = counts[kind == name].sum(axis=0)
        np.testing.assert_allclose(fitted.means[k], mean / mean.sum() * 1e4, rtol=0.5, atol=0.5)
    assert np.median(fitted.patient_sd) == pytest.approx(SD, abs=0.06)
    seen = np.asarray(real.X.mean(axis=0)).ravel() > 0.5
    plain = np.r_[np.arange(100), np.arange(140, GENES)]
    assert np.median(fitted.dispersion[plain][seen[plain]]) == pytest.approx(DISPERSION, abs=0.1)
    length = np.sqrt((fitted.loadings**2).sum(axis=0))
    assert np.median(length[100:140][seen[100:140]]) == pytest.approx(0.6, abs=0.15)
    assert np.median(length[plain][seen[plain]]) < 0.2


def test_what_is_drawn_looks_like_what_was_given(real):
    drawn = draw_like(estimate_profiles(real), real.obs, rng=np.random.default_rng(2))
    assert drawn.shape == real.shape
    table = compare_counts(real.X, drawn).set_index("quantity")["distance"]
    assert table["library size"] < 0.08
    assert table["genes detected"] < 0.15
    assert table["gene mean"] < 0.08
    assert table["variance over mean, given the mean"] < 0.1
    assert table["zeros, given the mean"] < 0.03
    assert table["gene-gene correlation"] < 0.15


def test_the_comparison_sees_what_is_wrong(real):
    poisson = np.random.default_rng(0).poisson(np.asarray(real.X.mean(axis=0)).ravel(), real.shape)
    right = compare_counts(real.X, real.X).set_index("quantity")["distance"]
    np.testing.assert_allclose(right, 0, atol=1e-9)
    wrong = compare_counts(real.X, poisson).set_index("quantity")["distance"]
    assert wrong["library size"] > 0.2
    assert wrong["variance over mean, given the mean"] > 0.15
    with pytest.raises(InputError, match="10 cells and genes"):
        compare_counts(real.X[:5], poisson)


PLAN = Plan(patients={"baseline": 3, "primary": 3, "acquired": 3}, pairs=1, cells=60, module_size=15, seed=3)


def test_a_cohort_over_real_parameters_holds_the_plan(real, tmp_path):
    fitted = estimate_profiles(real)
    simulation = simulate_from(fitted, PLAN)
    assert simulation.malignant == "malignant"
    first, again = list(simulation.samples()), list(simulate_from(fitted, PLAN).samples())
    assert all((a.counts != b.counts).nnz == 0 for a, b in zip(first, again, strict=True))
    genes = simulation.truth["modules"]["primary"]["genes"]
    at = fitted.genes.index.get_indexer(genes)
    level = {}
    for sample in first:
        tumour = (sample.cells["cell_type"] == "malignant").to_numpy()
        dense = sample.counts.toarray()[tumour]
        level[sample.name] = np.log(dense[:, at].sum() / dense.sum())
    arm = simulation.samples_sheet.set_index("sample")["arm"]
    means = pd.Series(level).groupby(arm).mean()
    assert means["primary"] - means["baseline"] > 0.4
    write_cohort(simulation, tmp_path / "c")
    truth = json.loads((tmp_path / "c" / "truth.json").read_text())
    assert truth["modules"]["primary"]["hub"] == genes[0]
    assert truth["composition"]["acquired"] == {"T cell": 1.0}


def test_the_command_estimates_and_writes(real, tmp_path):
    real.write_h5ad(tmp_path / "real.h5ad")
    call = ["simulate", "--from", str(tmp_path / "real.h5ad"), "--out", str(tmp_path / "c"), "--cells", "40"]
    run = CliRunner().invoke(app, [*call, "--patients", "baseline=2,primary=2", "--pairs", "0", "--module-size", "12"])
    assert run.exit_code == 0, run.output
    assert (tmp_path / "c" / "study.toml").exists()
    run = CliRunner().invoke(app, ["power", "--patients", "4", "--pilot", str(tmp_path / "real.h5ad"), "--json"])
    assert run.exit_code == 0, run.output
    settings = json.loads(run.stdout)["settings"]
    assert settings["cells"] == 200
    run = CliRunner().invoke(app, ["power", "--patients", "4", "--pilot", str(tmp_path / "none.h5ad")])
    assert "does not exist" in str(run.exception)


def test_a_pilot_tells_what_it_knows(real):
    plan = pilot_assumptions(real)
    assert plan.malignant_share == pytest.approx(0.6, abs=0.04)
    assert plan.share == pytest.approx(0.4, abs=0.04)
    assert plan.depth_sd == pytest.approx(0.3, abs=0.05)
    assert plan.patient_sd["gene"] == pytest.approx(SD / np.log(2), abs=0.1)
    assert plan.patient_sd["composition"] < 0.25  # every patient was drawn with the same shares
    assert plan.effect["hazard"] == 2.0
    with pytest.raises(InputError, match="no cell type 'tumour'"):
        pilot_assumptions(real, malignant="tumour")
    with pytest.raises(InputError, match="at least two patients"):
        pilot_assumptions(real[real.obs["patient"] == "P0"])


def test_one_patient_says_so_and_wrong_inputs_are_refused(real):
    lone = estimate_profiles(real[real.obs["patient"] == "P0"])
    assert any("one patient does not show" in note for note in lone.notes)
    with pytest.raises(MissingColumnError, match="no column 'kind'"):
        estimate_profiles(real, groupby="kind")
    with pytest.raises(InputError, match="no cell type in 'cell_type' has 5000 cells"):
        estimate_profiles(real, min_cells=5000)
    logged = real.copy()
    logged.X = logged.X.log1p()
    with pytest.raises(InputError, match="no counts"):
        estimate_profiles(logged)
    fitted = estimate_profiles(real)
    with pytest.raises(InputError, match="no cell type 'B cell'"):
        simulate_from(fitted, PLAN, malignant="B cell")
    with pytest.raises(InputError, match="genes of moderate mean"):
        simulate_from(fitted, Plan(pairs=0, patients={"baseline": 2, "primary": 2}, module_size=500))
    with pytest.raises(InputError, match="no cell type 'B cell'"):
        draw_like(fitted, pd.DataFrame({"patient": ["a"], "cell_type": ["B cell"]}), rng=np.random.default_rng(0))


def test_ambient_doublets_and_copy_number_are_added_when_asked(real):
    symbols = real.copy()
    from scresist import resources

    known = resources.genes()
    symbols.var_names = known.index[(known["type"] == "protein-coding") & (known["cytoband"] != "")][:GENES]
    fitted = estimate_profiles(symbols)
    plan = Plan(patients={"baseline": 2, "primary": 2}, pairs=0, cells=200, module_size=12, ambient=0.3, doublets=0.2)
    plain, added = simulate_from(fitted, plan), simulate_from(fitted, plan, add=["ambient", "doublets", "copy number"])
    assert plain.copy_number == {}
    assert all(v in (0.5, 1.6, 4.0) for arms in added.truth["copy_number"].values() for v in arms.values())
    cells = pd.concat([s.cells for s in added.samples()])
    assert cells["doublet"].mean() == pytest.approx(0.2, abs=0.06)
    assert cells["contamination"].between(0.05, 0.5).all()
    own = fitted.means[fitted.types.index("T cell")]
    foreign = np.argsort(own / fitted.means[fitted.types.index("malignant")])[:30]

    def share(simulation):
        rows = [s.counts[np.flatnonzero((s.cells["cell_type"] == "T cell") & ~s.cells["doublet"])]
                for s in simulation.samples()]  # fmt: skip
        total = sum(r.sum() for r in rows)
        return sum(r[:, foreign].sum() for r in rows) / total

    assert share(added) > 1.2 * share(plain)
    with pytest.raises(InputError, match="add must be one of"):
        simulate_from(fitted, plan, add=["soup"])
    with pytest.raises(InputError, match="positions"):
        simulate_from(estimate_profiles(real), plan, add=["copy number"])
