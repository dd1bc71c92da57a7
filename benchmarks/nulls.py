"""Nulls that find ways to a false claim: unequal variances and depths, one cell type that grows, doubted findings.

Called by `benchmarks/calibration.py`; each table has the rates at three levels, what any family calls, the coverage of
the intervals, and the Monte-Carlo error of the first rate.
"""

from itertools import product
from unittest import mock

import numpy as np
import pandas as pd
from scipy import stats

from scresist import contrasts
from scresist.contrasts.engine import evaluate_contrast
from scresist.contrasts.units import Units
from scresist.kernels import arm_variance, exact_permutation_test
from scresist.kernels.multiple_testing import benjamini_hochberg, focused_q_values
from scresist.kernels.residual_permutation import residual_permutation
from scresist.study.design import Contrast, Design

LAYOUTS = ((8, 4), (4, 8), (4, 4), (3, 3), (6, 6))  # patients in the test arm, in the reference


def two_arms(n_test: int, n_reference: int) -> Design:
    arm = ["test"] * n_test + ["reference"] * n_reference
    samples = pd.DataFrame({"patient": [f"P{i:02d}" for i in range(len(arm))], "arm": arm})
    samples.index = [f"S{i:02d}" for i in range(len(arm))]
    return Design(("reference", "test"), (Contrast("c", "test", "reference"),), samples)


def rates(p: np.ndarray, covered: np.ndarray, called: list[bool]) -> dict[str, float]:
    p = p[np.isfinite(p)]
    error = float(np.sqrt(0.05 * 0.95 / p.size))
    levels = {f"p < {a:g}": float((p < a).mean()) for a in (0.05, 0.01, 0.001)}
    return {**levels, "some q < .05": float(np.mean(called)),
            "coverage": float(np.nanmean(covered)), "error of the first": error}  # fmt: skip


def unequal_variance(rng: np.random.Generator, draws: int) -> pd.DataFrame:
    """Type I error where the same mean comes with a larger SD in the test arm; features differ in variance."""
    rows = []
    for n_test, n_reference in LAYOUTS:
        design = two_arms(n_test, n_reference)
        test = (design.samples["arm"] == "test").to_numpy()
        for ratio, own in ((1.0, 0.0), (2.0, 0.0), (3.0, 0.0), (1.0, 0.7)):
            each = f"{ratio:g}, each feature's own (log SD {own:g})" if own else f"{ratio:g}"
            for name, features, how in (
                ("ours, 400 features", 400, {}), ("ours, 8 features", 8, {}),
                ("equal variances, 400", 400, {"equal_variances": True}),
            ):  # fmt: skip
                p, covered, called = [], [], []
                for _ in range(max(draws // features, 4)):
                    scale = np.sqrt(5 / rng.chisquare(5, features))
                    values = rng.normal(size=(len(test), features)) * scale
                    values[test] *= ratio * np.exp(own * rng.normal(size=features))
                    frame = pd.DataFrame(values, index=design.samples.index)
                    table = contrasts.contrast_arms(frame, design, influence=False, n_permutations=1, **how).table
                    p.append(table["p_value"].to_numpy())
                    covered.append(((table["ci_low"] <= 0) & (table["ci_high"] >= 0)).to_numpy(float))
                    called.append(bool((table["q_value"] < 0.05).any()))
                rows.append({"test v reference": f"{n_test} v {n_reference}", "SD ratio": each, "test": name,
                             **rates(np.concatenate(p), np.concatenate(covered), called)})  # fmt: skip
            if own:
                continue
            values = rng.normal(size=(len(test), draws))
            values[test] *= ratio
            for name, studentised in (("permutation, studentised", True), ("permutation of the difference", False)):
                p = exact_permutation_test(values, test, studentised=studentised).p_value
                rows.append({"test v reference": f"{n_test} v {n_reference}", "SD ratio": each, "test": name,
                             **rates(p, np.array([np.nan]), [False])})  # fmt: skip
    return pd.DataFrame(rows)


def few_features(rng: np.random.Generator, families: int) -> pd.DataFrame:
    """Families of eight features: rates with the arms' own variances in part, beside one ratio for all ("before").

    The last rows are power: all features differ by 2.5 SD, arms equally variable.
    """
    rows = []
    cases = ((1.0, 0.0, 0.0), (2.0, 0.0, 0.0), (3.0, 0.0, 0.0), (1.0, 0.7, 0.0), (1.0, 0.0, 2.5))
    for (ratio, own, shift), (n_test, n_reference) in product(cases, LAYOUTS):
        test = np.arange(n_test + n_reference) < n_test
        who = np.array([f"{i:02d}" for i in range(test.size)])
        p: dict[str, list[np.ndarray]] = {"before": [], "now": []}
        for _ in range(families):
            scale = np.sqrt(5 / rng.chisquare(5, 8))
            values = rng.normal(size=(test.size, 8)) * scale
            values[test] = values[test] * ratio * np.exp(own * rng.normal(size=8)) + shift * scale
            units = Units(Contrast("c", "test", "reference"), who, test, values, None, np.ones((test.size, 1)),
                          np.zeros(test.size, int), (), ())  # fmt: skip
            p["now"].append(evaluate_contrast(units, permutation_beside=False).p_value)
            with mock.patch.object(arm_variance._OneRatio, "apart", return_value=0.0):
                p["before"].append(evaluate_contrast(units, permutation_beside=False).p_value)
        row: dict[str, object] = {"test v reference": f"{n_test} v {n_reference}", "SD ratio": ratio, "own": own,
                                  "shift": shift}  # fmt: skip
        for name, found in p.items():
            called = [bool((benjamini_hochberg(one) < 0.05).any()) for one in found]
            own_rates = rates(np.concatenate(found), np.zeros(1), called)
            row |= {f"{name}: {c}": own_rates[c] for c in ("p < 0.05", "p < 0.01", "some q < .05")}
        rows.append({**row, "error of the first": own_rates["error of the first"]})
    return pd.DataFrame(rows)


def unequal_dispersion(rng: np.random.Generator, cohorts: int, genes: int) -> pd.DataFrame:
    """The same for counts: the log rate of a gene varies by an SD that is larger in the test arm."""
    rows = []
    for n_test, n_reference in ((8, 4), (4, 8)):
        design = two_arms(n_test, n_reference)
        test = (design.samples["arm"] == "test").to_numpy()
        for ratio in (1.0, 2.0, 3.0):
            for name, equal in (("ours", False), ("equal variances (limma-voom)", True)):
                p, covered, called = [], [], []
                for _ in range(cohorts):
                    spread = 0.3 * np.sqrt(10 / rng.chisquare(10, genes)) * np.where(test, ratio, 1.0)[:, None]
                    mean = rng.lognormal(4, 1.2, genes) * rng.uniform(0.5, 2, len(test))[:, None]
                    # The mean of the log rate is the same in both arms: what the test is about.
                    counts = rng.poisson(mean * np.exp(spread * rng.normal(size=spread.shape)))
                    frame = pd.DataFrame(counts, index=design.samples.index, columns=[f"g{i}" for i in range(genes)])
                    table = contrasts.expression(frame, design, influence=False, equal_variances=equal).table
                    p.append(table["p_value"].to_numpy())
                    covered.append(((table["ci_low"] <= 0) & (table["ci_high"] >= 0)).to_numpy(float))
                    called.append(bool((table["q_value"] < 0.05).any()))
                rows.append({"test v reference": f"{n_test} v {n_reference}", "SD ratio": ratio, "test": name,
                             **rates(np.concatenate(p), np.concatenate(covered), called)})  # fmt: skip
    return pd.DataFrame(rows)


def composition(rng: np.random.Generator, studies: int) -> pd.DataFrame:
    """Fourteen cell types that do not differ: at equal and unequal depth, and beside one that grows eightfold."""
    shares = np.array([0.4, 0.2, 0.1, 0.08, 0.06, 0.04, 0.03, 0.025, 0.02, 0.015, 0.01, 0.008, 0.007, 0.005])
    cases = [(None, (1000, 1000)), (None, (100, 5000)), (None, (5000, 100)), (1, (2000, 2000)), (1, (300, 3000))]
    rows = []
    for (n_test, n_reference), (grows, depths), generator in product(LAYOUTS[:1] + LAYOUTS[2:3] + LAYOUTS[4:], cases,
                                                                     ("Dirichlet 30", "log normal 0.5")):  # fmt: skip
        design = two_arms(n_test, n_reference)
        test = (design.samples["arm"] == "test").to_numpy()
        p, share, rare, called, covered = [], [], [], [], []
        for _ in range(studies):
            number = (
                rng.gamma(np.tile(shares * 30, (test.size, 1)))
                if generator == "Dirichlet 30"
                else shares * np.exp(0.5 * rng.normal(size=(test.size, shares.size)))
            )
            if grows is not None:
                number[test, grows] *= 8
            number = number / number.sum(axis=1, keepdims=True)
            depth = np.where(test, *depths)
            counts = np.vstack([rng.multinomial(d, own) for d, own in zip(depth, number, strict=True)])
            frame = pd.DataFrame(counts, index=design.samples.index).add_prefix("type ")
            table = contrasts.composition(frame, design, n_permutations=1).table
            unchanged = np.arange(shares.size) != (-1 if grows is None else grows)
            own = table[unchanged]
            same = np.sign(own["effect"]) == np.sign(own["share_effect"])
            p.append(own["p_value"].to_numpy())
            share.append(own["share_p_value"].to_numpy())
            rare.append(own["p_value"].to_numpy()[shares[unchanged] < 0.02])
            called.append(bool(((own["q_value"] < 0.05) & (own["share_p_value"] < 0.05) & same).any()))
            inside = (own["ci_low"] <= 0) & (own["ci_high"] >= 0)
            covered.append(inside.where(own["p_value"].notna()).to_numpy(float))
        rows.append({
            "test v reference": f"{n_test} v {n_reference}", "cells per sample": f"{depths[0]} v {depths[1]}",
            "patients": generator, "grows x 8": "" if grows is None else f"one of {shares[grows]:.0%}",
            **rates(np.concatenate(p), np.concatenate(covered), called),
            "rare types, p < 0.05": float(np.nanmean(np.where(np.isfinite(np.concatenate(rare)),
                                                              np.concatenate(rare) < 0.05, np.nan))),
            "share, p < 0.05": float((np.concatenate(share) < 0.05).mean()),
        })  # fmt: skip
    return pd.DataFrame(rows)


def partly_paired(rng: np.random.Generator, families: int) -> pd.DataFrame:
    """Families of features of which none differs; their variances do (inverse chi-square of 8) or do not."""
    rows = []
    for (n_test, n_reference, n_pairs), features, spread, correlated in product(
        ((2, 3, 4), (3, 3, 3), (0, 0, 5), (4, 4, 0)), (40, 400), (0, 8), (False, True)
    ):
        people, kind = n_test + n_reference + n_pairs, "genes" if features == 400 else "modules"
        block = np.full((8, 8), 0.6) + 0.4 * np.eye(8) if correlated else np.eye(8)
        root = np.kron(np.eye(features // 8), np.linalg.cholesky(block)).T
        unit = np.r_[np.repeat(np.arange(n_pairs), 2), np.arange(n_pairs, people)]
        who = np.array([f"{i:02d}" for i in unit])
        side = np.array([False, True] * n_pairs + [True] * n_test + [False] * n_reference)
        p, covered, called = [], [], []
        for _ in range(families if features == 40 else max(families // 4, 2)):
            own, patient = rng.normal(size=(unit.size, features)) @ root, rng.normal(size=(people, features)) @ root
            values = np.sqrt(0.4) * patient[unit] + np.sqrt(0.6) * own
            if spread:
                values = values * np.sqrt(spread / rng.chisquare(spread, features))
            units = Units(Contrast("c", "test", "reference"), who, side, values, None, np.ones((unit.size, 1)),
                          np.zeros(unit.size, int), (), ())  # fmt: skip
            found = evaluate_contrast(units, permutation_beside=False, independent_features=kind == "genes")
            p.append(found.p_value)
            covered.append((found.ci_low <= 0) & (found.ci_high >= 0))
            called.append(bool((benjamini_hochberg(found.p_value) < 0.05).any()))
        rows.append({
            "design": f"{n_pairs} pairs + {n_test} v {n_reference}", "features": f"{features} {kind}",
            "variances differ": "yes" if spread else "", "correlated": "blocks of 8, 0.6" if correlated else "",
            **rates(np.concatenate(p), np.concatenate(covered).astype(float), called), "families": len(called),
        })  # fmt: skip
    return pd.DataFrame(rows)


def supported(rng: np.random.Generator, studies: int) -> pd.DataFrame:
    """What the verdict supports in small designs: of 40 modules none, or eight by 4 SD, are changed."""
    rows = []
    for (n_test, n_reference, n_pairs), changed, heavy in product(
        ((3, 3, 0), (0, 0, 5), (4, 4, 0)), (0, 8), (False, True)
    ):
        patients = [f"q{i}" for i in range(n_pairs) for _ in range(2)] + [f"s{i}" for i in range(n_test + n_reference)]
        arm = ["reference", "test"] * n_pairs + ["test"] * n_test + ["reference"] * n_reference
        samples = pd.DataFrame({"patient": patients, "arm": arm}, index=[f"S{i:02d}" for i in range(len(arm))])
        design = Design(("reference", "test"), (Contrast("c", "test", "reference"),), samples)
        false, power, some, grades = [], [], [], []
        for _ in range(studies):
            values = rng.standard_t(4, (len(arm), 40)) if heavy else rng.normal(size=(len(arm), 40))
            values[samples["arm"] == "test", :changed] += 4
            frame = pd.DataFrame(values, index=samples.index).add_prefix("m")
            claims = contrasts.register_claims({"modules": contrasts.modules(frame, design)}, design).table
            own = claims[claims["kind"] == "modules"].set_index("feature").loc[frame.columns]
            found = (own["verdict"] == "supported").to_numpy()
            grades += list(own.loc[found, "grade"])
            some.append(found.any())
            false.append(found[changed:].sum() / max(found.sum(), 1))
            power.append(found[:changed].mean() if changed else np.nan)
        rows.append({
            "design": f"{n_pairs} pairs + {n_test} v {n_reference}", "values": "t of 4" if heavy else "normal",
            "changed": f"{changed} of 40", "some supported": float(np.mean(some)), "false share": float(np.mean(false)),
            "error": float(np.std(false) / np.sqrt(studies)), "power": float(np.mean(power)),
            "by the model": float(np.mean([g == "model" for g in grades])) if grades else np.nan,
        })  # fmt: skip
    return pd.DataFrame(rows)


def third_arm(rng: np.random.Generator, draws: int) -> pd.DataFrame:
    """Two of three arms compared: the rates where nothing differs, and the power at 2.5 SD, beside two arms alone."""
    rows = []
    for sizes, (what, spread, own) in product(
        ((3, 3, 3), (4, 4, 4), (8, 4, 6)),
        (("all arms alike", (1, 1, 1), 0.0), ("SD x 3 in the third", (1, 1, 3), 0.0),
         ("SD x 3 in the test arm", (1, 3, 1), 0.0), ("each feature's own in the third", (1, 1, 1), 0.7)),
    ):  # fmt: skip
        arm = np.repeat(["reference", "test", "third"], [sizes[1], sizes[0], sizes[2]])
        samples = pd.DataFrame({"patient": [f"P{i:02d}" for i in range(arm.size)], "arm": arm})
        samples.index = [f"S{i:02d}" for i in range(arm.size)]
        contrast = (Contrast("c", "test", "reference"),)
        designs = {"three": Design(("reference", "test", "third"), contrast, samples),
                   "two": Design(("reference", "test"), contrast, samples[arm != "third"])}  # fmt: skip
        for features in (8, 400):
            p: dict[str, list[np.ndarray]] = {name: [] for name in designs}
            power: dict[str, list[float]] = {name: [] for name in designs}
            covered, called, df = [], [], []
            for _ in range(max(draws // features, 4)):
                scale = np.sqrt(5 / rng.chisquare(5, features))
                values = rng.normal(size=(arm.size, features)) * scale
                for name, sd in zip(("reference", "test", "third"), spread, strict=True):
                    values[arm == name] *= sd * (np.exp(own * rng.normal(size=features)) if name == "third" else 1)
                for name, design in designs.items():
                    frame = pd.DataFrame(values, index=samples.index).loc[design.samples.index]
                    table = contrasts.contrast_arms(frame, design, influence=False, n_permutations=1).table
                    p[name].append(table["p_value"].to_numpy())
                    moved = frame + 2.5 * np.outer(design.samples["arm"] == "test", scale)
                    found = contrasts.contrast_arms(moved, design, influence=False, n_permutations=1).table
                    power[name].append(float((found["p_value"] < 0.01).mean()))
                    if name == "three":
                        covered.append(((table["ci_low"] <= 0) & (table["ci_high"] >= 0)).to_numpy(float))
                        called.append(bool((table["q_value"] < 0.05).any()))
                        df.append(table["df"].mean())
            rows.append({
                "test v reference + third": f"{sizes[0]} v {sizes[1]} + {sizes[2]}", "third arm": what,
                "features": features, **rates(np.concatenate(p["three"]), np.concatenate(covered), called),
                "df": float(np.mean(df)), "two arms, p < 0.05": float((np.concatenate(p["two"]) < 0.05).mean()),
                "power at p < 0.01": float(np.mean(power["three"])), "of two arms": float(np.mean(power["two"])),
            })  # fmt: skip
    return pd.DataFrame(rows)


def primary_question(rng: np.random.Generator, studies: int) -> pd.DataFrame:
    """Seven kinds of claim, two contrasts, 40 tests a family: any false claim, and what a declared question finds.

    Three of 40 modules are true in the first contrast (shifted by 3.5 SD) where the modules differ; features of a
    family correlate by 0.3. The signal elsewhere is six of 40 genes by 6 SD.
    """
    kinds = ("candidates", "expression", "modules", "composition", "signatures", "communication", "survival")
    rows = []
    for primary, modules, elsewhere in product(("", "modules", "modules: first", "first"), (0.0, 3.5), (0.0, 6.0)):
        some, power, other = [], [], []
        for _ in range(studies):
            tables, truth = {}, {}
            for kind in kinds:
                z = np.sqrt(0.3) * rng.normal(size=(2, 1)) + np.sqrt(0.7) * rng.normal(size=(2, 40))
                changed = np.zeros((2, 40), bool)
                if kind == "modules" and modules:
                    changed[0, :3] = True
                    z[changed] += modules
                if kind == "expression" and elsewhere:
                    changed[0, :6] = True
                    z[changed] += elsewhere
                p = 2 * stats.norm.sf(np.abs(z))
                q = np.concatenate([benjamini_hochberg(row) for row in p])
                tables[kind] = pd.DataFrame({"contrast": np.repeat(["first", "second"], 40), "p_value": p.ravel(),
                                             "q_value": q})  # fmt: skip
                truth[kind] = changed.ravel()
            levels = contrasts.study_levels(tables, primary=primary).table.set_index(["kind", "family"])["level"]
            called = {k: t["q_value"].to_numpy() <= levels[k].reindex(t["contrast"]).to_numpy()
                      for k, t in tables.items()}  # fmt: skip
            share = [(called[k] & ~truth[k]).sum() / max(called[k].sum(), 1) for k in kinds]
            none = modules == 0 and elsewhere == 0
            some.append(any(c.any() for c in called.values()) if none else np.mean(share))
            power.append(called["modules"][truth["modules"]].mean() if modules else np.nan)
            other.append(called["expression"][truth["expression"]].mean() if elsewhere else np.nan)
        rows.append({
            "primary": primary or "none declared", "modules differ": "yes" if modules else "",
            "genes differ": "yes" if elsewhere else "", "any false claim": np.mean(some) if none else np.nan,
            "false share, mean over kinds": np.nan if none else np.mean(some),
            "error": float(np.std(some) / np.sqrt(studies)), "power, modules": float(np.mean(power)),
            "power, genes": float(np.mean(other)),
        })  # fmt: skip
    return pd.DataFrame(rows)


def permuted_residuals(rng: np.random.Generator, draws: int) -> pd.DataFrame:
    """Permutation where labels alone do not do: unequal cells between arms, a number as covariate, a course."""
    rows = []
    for (n_test, n_reference), (what, ratio) in product(
        LAYOUTS, (("20 times the cells in the test arm", 20.0), ("in the reference", 1 / 20), ("a covariate", 1.0))
    ):
        arm = np.repeat([1.0, 0.0], [n_test, n_reference])
        n, covariate = arm.size, what == "a covariate"
        weights = np.where(arm > 0, np.sqrt(ratio), 1 / np.sqrt(ratio))
        x = rng.normal(size=n) + arm
        values = rng.normal(size=(n, draws)) / np.sqrt(weights)[:, None] + (2 * x[:, None] if covariate else 0.0)
        nuisance = np.column_stack([np.ones(n), *([x] if covariate else [])])
        found = residual_permutation(
            values, arm, nuisance, patient=np.arange(n), strata=np.zeros(n, int), weights=weights, alpha=None,
            n_permutations=2_000, rng=rng,
        )  # fmt: skip
        plain = exact_permutation_test(values, arm, weights=weights, studentised=True, n_permutations=2_000, rng=rng)
        rows.append({"design": f"{n_test} v {n_reference}", "what": what,
                     **rates(found.p_value, np.array([np.nan]), [False]),
                     "labels, p < 0.05": float((plain.p_value < 0.05).mean())})  # fmt: skip
    for name, patient, step in (
        ("course, 12 single patients", np.arange(12), np.repeat([0, 1, 2], 4)),
        ("course, 5 patients three times", np.repeat(np.arange(5), 3), np.tile([0, 1, 2], 5)),
    ):
        n = step.size
        values = rng.normal(size=(n, draws)) + rng.normal(size=(patient.max() + 1, draws))[patient]
        found = residual_permutation(
            values, step.astype(float), np.ones((n, 1)), patient=patient, strata=np.zeros(n, int), correlation=0.5,
            alpha=None, n_permutations=2_000, rng=rng,
        )  # fmt: skip
        rows.append({"design": name, "what": "", **rates(found.p_value, np.array([np.nan]), [False]),
                     "labels, p < 0.05": np.nan})  # fmt: skip
    return pd.DataFrame(rows)


def three_arms(rng: np.random.Generator, draws: int) -> pd.DataFrame:
    """The difference of two contrasts and a course, where one of three arms varies three times as much."""
    rows = []
    for sizes, spread, features in product(
        ((4, 4, 4), (8, 4, 4)), ((1, 1, 1), (1, 3, 1), (3, 1, 1), (1, 1, 3)), (8, 200)
    ):
        arms = ("before", "on", "after")
        arm = np.repeat(arms, sizes)
        samples = pd.DataFrame({"patient": [f"P{i:02d}" for i in range(arm.size)], "arm": arm})
        samples.index = [f"S{i:02d}" for i in range(arm.size)]
        pair = (Contrast("primary", "on", "before"), Contrast("acquired", "after", "before"))
        both, ordered = (
            Design(arms, pair, samples),
            Design(arms, (Contrast("c", "after", "before", order=arms),), samples),
        )
        tables: dict[str, list[pd.DataFrame]] = {"difference": [], "course": []}
        for _ in range(max(draws // features, 4)):
            values = rng.normal(size=(arm.size, features)) * np.sqrt(5 / rng.chisquare(5, features))
            frame = pd.DataFrame(values * np.repeat(spread, sizes)[:, None], index=samples.index)
            tables["difference"].append(contrasts.primary_against_acquired(frame, both).table)
            tables["course"].append(contrasts.contrast_arms(frame, ordered, influence=False, n_permutations=1).table)
        for name, found in tables.items():
            table = pd.concat(found)
            covered = ((table["ci_low"] <= 0) & (table["ci_high"] >= 0)).to_numpy(float)
            rows.append({"arms": "/".join(map(str, sizes)), "SD": "/".join(map(str, spread)), "features": features,
                         "test": name, **rates(table["p_value"].to_numpy(float), covered,
                                               [bool((t["q_value"] < 0.05).any()) for t in found])})  # fmt: skip
    return pd.DataFrame(rows)


def filtered(rng: np.random.Generator, cohorts: int) -> pd.DataFrame:
    """False share of what is left when most true changes have a doubt: 50 of 1,000 tests are true, shifted by 5 SD."""
    rows = []
    for doubted in (0.0, 0.5, 0.9, 1.0):
        shares: dict[str, list[float]] = {"focused (ours)": [], "taken away after the correction": []}
        for _ in range(cohorts):
            z = rng.normal(size=1000)
            z[:50] += 5
            p = 2 * stats.norm.sf(np.abs(z))
            kept = np.ones(1000, bool)
            kept[:50] = rng.uniform(size=50) >= doubted
            for name, q in zip(shares, (focused_q_values(p, kept), benjamini_hochberg(p)), strict=True):
                called = kept & (q < 0.05)
                shares[name].append(called[50:].sum() / max(called.sum(), 1))
        rows += [
            {"true changes doubted": doubted, "rule": name, "false share": float(np.mean(s)),
             "error": float(np.std(s) / np.sqrt(cohorts))}
            for name, s in shares.items()
        ]  # fmt: skip
    return pd.DataFrame(rows)
