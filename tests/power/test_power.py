"""Power by formula is what simulated cohorts give, and what the textbooks say."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner

from scresist.checks import InputError
from scresist.cli import app
from scresist.kernels.cox import cox_regression
from scresist.kernels.power import (
    detectable,
    discovery_level,
    drawn_hazard_p_values,
    effect_scale,
    hazard_power,
    marker_information,
    t_power,
)
from scresist.power import Assumptions, power, power_curves
from scresist.power.assumptions import change


@pytest.mark.parametrize("alpha", [0.05, 1e-5])
@pytest.mark.parametrize("df", [2, 6, 30])
def test_power_of_a_t_test_is_the_noncentral_t(df, alpha):
    critical = stats.t.isf(alpha / 2, df)
    for shift in (0.0, 1.5, 4.0):
        expected = stats.nct.sf(critical, df, shift) + stats.nct.cdf(-critical, df, shift)
        assert t_power(shift, df, alpha) == pytest.approx(expected, rel=2e-3, abs=1e-7)


def test_lent_degrees_of_freedom_lead_to_the_normal():
    gained = [t_power(2.5, 4, 0.05, prior) for prior in (0.0, 2.0, 10.0, 1e6)]
    assert gained == sorted(gained)
    assert gained[-1] == pytest.approx(stats.norm.sf(1.96 - 2.5), abs=1e-3)


def test_variance_of_the_difference_between_arms():
    ones, test = np.ones((10, 1)), np.repeat([True, False], [4, 6])
    assert effect_scale(ones, test, np.arange(10), 0.5) == pytest.approx((1 / 4 + 1 / 6, 8))
    ones, test = np.ones((10, 1)), np.repeat([True, False], 5)
    variance, df = effect_scale(ones, test, np.tile(np.arange(5), 2), 0.6)
    assert (variance, df) == pytest.approx((2 * 0.4 / 5, 4))
    some, _ = effect_scale(ones, test, np.array([0, 1, 2, 3, 4, 0, 1, 5, 6, 7]), 0.6)
    assert 2 * 0.4 / 5 < some < 2 / 5


def test_hazard_power_is_schoenfelds_number_of_events():
    events = (stats.norm.isf(0.025) + stats.norm.isf(0.2)) ** 2 / (0.25 * np.log(2) ** 2)
    assert events == pytest.approx(65.3, abs=0.1)
    assert hazard_power(np.log(2), events, 0.05, 0.25) == pytest.approx(0.8, abs=1e-3)
    assert np.isnan(hazard_power(1.0, 0, 0.05))


def test_events_carry_less_where_few_patients_are_left_and_high_risk_leaves_first():
    assert marker_information(1e-6, 20, 100_000) == pytest.approx(20, rel=1e-3)
    assert marker_information(1e-6, 10, 10) == pytest.approx(sum(1 - 1 / r for r in range(1, 11)), rel=1e-3)
    assert marker_information(1.0, 50, 100) < 0.85 * marker_information(0.1, 50, 100)
    assert marker_information(1.0, 0.5, 100) == 0


@pytest.mark.parametrize("patients", [8, 12])
def test_the_formula_holds_for_a_hazard_with_a_dozen_events(patients):
    plan = change(Assumptions(), effect={"hazard": 2.0})
    row = power(plan, patients=[patients], questions=["hazard"], simulations=200, rng=4).table.iloc[0]
    assert abs(row["power"] - row["simulated"]) < 3 * row["simulated_se"] + 0.04


def test_drawn_hazards_are_those_of_cox_regression():
    rng = np.random.default_rng(3)
    marker = rng.normal(size=(40, 9))
    marker = (marker - marker.mean(axis=1, keepdims=True)) / marker.std(axis=1, keepdims=True)
    baseline = rng.exponential(size=(40, 9))
    found = drawn_hazard_p_values(np.array([0.0, 1.5]), 6, patients=9, draws=40, rng=np.random.default_rng(3))
    for i, size in enumerate((0.0, 1.5)):
        months = baseline * np.exp(-size * marker)
        for k in range(40):
            end = np.sort(months[k])[5]
            with np.errstate(invalid="ignore"):
                fit = cox_regression(np.minimum(months[k], end), months[k] <= end, marker[k][:, None], diagnose=False)
            expected = 1.0 if fit.reason else fit.p_wald[0]
            assert found[i, k] == pytest.approx(expected, abs=2e-4), (size, k)


@pytest.mark.parametrize("pairs", [2, 4])
def test_partly_paired_designs_are_drawn_and_agree_with_simulated_cohorts(pairs):
    plan = change(Assumptions(), effect={"module": 0.8})
    table = power(plan, patients=[6], pairs=pairs, questions=["module", "composition"], simulations=200, rng=5).table
    assert (table["method"] == "t of drawn values").all()
    for row in table.to_dict("records"):
        assert abs(row["power"] - row["simulated"]) < 3 * row["simulated_se"] + 0.04, row["question"]


def test_a_curve_passes_through_the_power_of_its_effect():
    plan = change(Assumptions(), effect={"module": 1.5, "gene": 2.0, "composition": 2.0, "hazard": 3.5})
    for pairs in (0, 3):
        curves = power_curves(plan, patients=[6, 9], pairs=pairs, points=3).table
        points = power(plan, patients=[6, 9], pairs=pairs).table.set_index(["design", "question"])
        middle = curves.merge(points.reset_index(), on=["design", "question", "effect"], suffixes=("", "_point"))
        assert len(middle) == 8
        np.testing.assert_allclose(middle["power"], middle["power_point"], atol=0.02)
        np.testing.assert_allclose(middle["power_q"], middle["power_q_point"], atol=0.02)
        rising = curves.groupby(["design", "question"])["power"].agg(lambda p: (p.diff().dropna() > -0.02).all())
        assert rising.all()
    with pytest.raises(InputError, match="points must be"):
        power_curves(points=1)
    refused = power_curves(Assumptions(event_share=0.3), patients=[4], questions=["hazard"])
    assert refused.table.empty
    assert "fewer than 5 events" in refused.notes[0]


def test_level_of_a_false_discovery_rate():
    assert discovery_level(lambda level: level, 0.05, 100, 1) == pytest.approx(0.05 / 100)
    found = discovery_level(lambda level: 1.0, 0.05, 100, 10)
    assert found == pytest.approx(0.05 * (10 + 90 * found) / 100, rel=1e-3)


def test_detectable_inverts_power():
    assert detectable(lambda e: t_power(e, 8, 0.05), 0.8) == pytest.approx(3.14, abs=0.1)
    assert np.isnan(detectable(lambda _: 0.1, 0.8))


@pytest.mark.parametrize(
    ("patients", "pairs", "effect"),
    [(5, 0, {"module": 1.0, "gene": 1.4, "composition": 1.2}), (6, 6, {"module": 0.6, "gene": 0.9})],
)
def test_formula_and_simulated_cohorts_agree(patients, pairs, effect):
    plan = change(Assumptions(), effect=effect, family={"gene": 400})
    plan = replace(plan, affected={**plan.affected, "gene": 16})
    table = power(plan, patients=[patients], pairs=pairs, simulations=40, rng=7).table.set_index("question")
    for question in ("module", "gene", "composition"):
        row = table.loc[question]
        # 0.04: the formulas take log counts and log odds as normal, and the variance of a gene as typical
        assert abs(row["power"] - row["simulated"]) < 3 * row["simulated_se"] + 0.04, question
    assert (table["simulated_q"] <= table["simulated"] + 1e-9).all()


def test_schoenfeld_and_cox_agree_where_there_are_events():
    plan = change(Assumptions(), effect={"hazard": 1.6})
    row = (
        power(plan, patients=[30], questions=["hazard"], simulations=150, rng=2)
        .table.set_index("question")
        .loc["hazard"]
    )
    assert abs(row["power"] - row["simulated"]) < 3 * row["simulated_se"] + 0.03
    assert abs(row["power_q"] - row["simulated_q"]) < 3 * row["simulated_q_se"] + 0.06


def test_under_no_effect_the_power_is_the_level():
    plan = change(Assumptions(), effect={"module": 0.0, "gene": 0.0, "composition": 0.0, "hazard": 1.0})
    table = power(plan, patients=[6]).table
    gene, hazard = table["question"] == "gene", table["question"] == "hazard"
    np.testing.assert_allclose(table.loc[~gene & ~hazard, "power"], 0.05, atol=1e-3)
    assert table.loc[hazard, "power"].between(0.01, 0.1).all()  # Wald's test of eight events does not hold its level
    # Typical variance: genes whose variance came out small by chance are spared, those above are found less.
    assert table.loc[gene, "power"].between(0.03, 0.05).all()
    assert (table["power_q"] < 0.01).all()


def test_more_patients_cells_and_pairs_find_more():
    base = power(patients=[4, 8]).table.set_index(["design", "question"])["power"].unstack(0)
    assert (base["8 per arm"] > base["4 per arm"]).all()
    pairs = power(patients=[8], pairs=8).table.set_index("question")["power"]
    assert (pairs[["module", "gene", "composition"]] > base["8 per arm"][["module", "gene", "composition"]]).all()
    few = power(Assumptions(cells=60), patients=[8]).table.set_index("question")["power"]
    assert (few[["module", "gene", "composition"]] < base["8 per arm"][["module", "gene", "composition"]]).all()


def test_the_floor_of_the_exact_test_is_said():
    found = power(patients=[3, 4])
    floor = found.table[found.table["question"] == "module"].set_index("design")["p_floor"]
    assert floor["3 per arm"] == pytest.approx(0.1)
    assert floor["4 per arm"] == pytest.approx(2 / 70)
    assert any("3 per arm: no exact test" in note for note in found.notes)


@pytest.mark.parametrize(
    ("plan", "call", "expected"),
    [
        ({}, {"patients": [1]}, "at least 2 per arm"),
        ({}, {"patients": []}, "names no design"),
        ({}, {"patients": [4], "pairs": 9}, "pairs must be at most 4"),
        ({"correlation": 1.0}, {}, "correlation must lie"),
        ({"cells": 0}, {}, "cells must be"),
        ({"share": 1.0}, {}, "share must lie between"),
        ({"affected": {"module": 0, "gene": 1, "composition": 1, "hazard": 1}}, {}, "affected of module"),
    ],
)
def test_assumptions_that_cannot_be_are_refused(plan, call, expected):
    with pytest.raises(InputError, match=expected):
        power(Assumptions(**plan), **call)


def test_the_command_prints_a_table_and_json():
    run = CliRunner().invoke(app, ["power", "--patients", "4,6", "--effect", "gene=2", "--json"])
    assert run.exit_code == 0, run.output
    facts = json.loads(run.stdout)
    assert len(facts["designs"]) == 8
    assert facts["settings"]["effect"]["gene"] == 2
    text = CliRunner().invoke(app, ["power", "--patients", "4"])
    assert "4 per arm" in text.stdout
    wrong = CliRunner().invoke(app, ["power"])
    assert isinstance(wrong.exception, InputError)
    wrong = CliRunner().invoke(app, ["power", "--patients", "4,six"])
    assert "got '4,six'" in str(wrong.exception)
    wrong = CliRunner().invoke(app, ["power", "--patients", "4", "--effect", "gene=two"])
    assert "name=number" in str(wrong.exception)
    wrong = CliRunner().invoke(app, ["power", "--patients", "4", "--effect", "genes=2"])
    assert "did you mean 'gene'" in str(wrong.exception)


def test_a_study_is_judged_by_its_own_pairs_and_events(tmp_path):
    from scresist.simulate import Plan, simulate, write_cohort
    from scresist.study import read_study

    plan = Plan(patients={"baseline": 3, "primary": 3, "acquired": 4}, pairs=2, cells=30, n_genes=2500)
    study = read_study(write_cohort(simulate(plan), tmp_path / "c"))
    table = power(study=study, simulations=3).table
    pairs = table.set_index(["design", "question"])["n_pairs"]
    assert pairs["acquired", "module"] == 2
    assert pairs["primary", "module"] == 0
    assert table.loc[table["question"] == "hazard", "design"].tolist() == ["survival"]
    early = study.samples.loc[study.samples["timepoint"] == "baseline", "patient"].unique()
    assert len(early) < len(study.patients), "some patients have a sample at progression only"
    events = study.patients.loc[early, "pfs_event"].sum()
    assert table.loc[table["question"] == "hazard", "events"].iloc[0] == events


def test_the_figure_has_a_panel_per_question_and_a_curve_per_design():
    from scresist.plots.power import power_figure

    table = power_curves(patients=[5, 7], questions=["module", "gene"], points=3).table
    figure = power_figure(table)
    assert [axes.get_title() for axes in figure.axes] == ["module", "gene"]
    drawn = figure.axes[0].get_lines()[1:]  # the first is the target
    assert len(drawn) == 4
    own = table[(table["question"] == "module") & (table["design"] == "5 per arm")]
    np.testing.assert_allclose(drawn[1].get_ydata(), own["power_q"])
    assert len(power_figure(table, after_correction=False).axes[0].get_lines()) == 3
