"""Survival: error rates and coverage, arms that are a function of the endpoint, cuts, speed, real cohorts.

    python benchmarks/survival.py [--quick] [--only nulls circular runs cuts tests intervals ...]

Real cohorts are read from ../shared/data, where it is there.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from scresist.contrasts.verdict import SUPPORTED, evidence_of, verdict
from scresist.kernels.cox import concordance_index
from scresist.kernels.cox_added import added_term
from scresist.kernels.cox_forms import changing_effect, natural_spline, net_benefit, predicted_risk
from scresist.kernels.cox_scan import scan_cox
from scresist.kernels.cut_points import best_cut
from scresist.kernels.fine_gray import fine_gray, fine_gray_limits, fine_gray_permutation
from scresist.kernels.gray_test import gray_test
from scresist.kernels.log_rank import max_combo, permutation_log_rank, survival_scores
from scresist.kernels.logistic import bootstrap_roc, firth_logistic, roc_area
from scresist.kernels.multiple_testing import benjamini_hochberg
from scresist.kernels.ordinal import ordinal_logistic, ordinal_permutation
from scresist.kernels.restricted_mean import adjusted_mean_difference, median_limits, permuted_mean_difference
from scresist.kernels.searched_cut import searched_cut
from scresist.kernels.survival_curves import log_rank
from scresist.simulate import Plan, simulate, write_cohort
from scresist.study.design import Contrast, Design
from scresist.survival import cox
from scresist.survival.adjusted import adjusted_curves
from scresist.survival.assumptions import CHANGE_EVENTS, KNOTS, MIN_EVENTS
from scresist.survival.endpoint import gather
from scresist.survival.external import external_cohorts
from scresist.survival.groups import MEDIAN_EVENTS
from scresist.survival.response import best_response
from scresist.survival.scores import THRESHOLDS, nested_score
from scresist.survival.scores import _score as score_of

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def censored(
    hazard: np.ndarray, share: float, rng: np.random.Generator, *, ties: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Exponential times with about a share of events; with ties, seen at scans every fifth of the median."""
    t = rng.exponential(1 / hazard)
    c = rng.exponential(np.quantile(t, 0.5) * 1.44 * share / (1 - share), t.size)
    event, t = t <= c, np.minimum(t, c)
    return (np.ceil(5 * t / np.median(t)) if ties else t), event


def frame(values: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(values, [f"p{i}" for i in range(len(values))], [f"g{k}" for k in range(values.shape[1])])


NULLS = ((15, (0, 1, 3)), (25, (0, 1, 3)), (40, (0, 3)), (100, (0, 2)))  # patients, numbers of covariates


def nulls(rng: np.random.Generator, studies: int, cohorts: int, features: int = 10) -> pd.DataFrame:
    """Type I error, and coverage of a hazard ratio of 2 per SD, of `survival.cox` as it chooses its model.

    Studies of ten features without an effect give the error rate, cohorts with one true feature the coverage. Markers
    that separate the events, which are frequent with 15 patients, are among them. Every second study has its times
    rounded up to scans, a fifth of the median time apart (`coverage, scans`). `error` are the standard errors
    of both, from the number of tests and cohorts.
    """
    rows = []
    for n, sizes in NULLS:
        for share in (0.3, 0.6, 0.9):
            for skewed in (False, True):
                for q in sizes:
                    p, none, covered = [], 0, ([], [])
                    for i in range(studies + cohorts):
                        truth = 0.0 if i < studies else np.log(2)
                        z = rng.normal(size=(n, q))
                        x = rng.normal(size=(n, 1 if truth else features)) + (0.4 * z[:, :1] if q else 0)
                        x = np.exp(1.2 * x) if skewed else x
                        b = truth / x[:, 0].std(ddof=1)
                        hazard = np.exp(0.3 * z.sum(axis=1) + b * (x[:, 0] - x[:, 0].mean()))
                        t, e = censored(hazard, share, rng, ties=i % 2 == 1)
                        names, values = [f"z{j}" for j in range(q)], frame(x)
                        people = pd.DataFrame(z, values.index, names).assign(t=t, e=e.astype(int))
                        got = cox(values, people, time="t", event="e", covariates=names, permutations=199, rng=rng)
                        own = got.table[got.table["p_value"].notna()]
                        if truth:
                            covered[i % 2].extend((own["ci_low"] <= 2) & (own["ci_high"] >= 2))
                            none += not len(own)
                        else:
                            p += list(own["p_value"])
                    rows.append({
                        "n": n, "events": share, "marker": "log-normal" if skewed else "normal", "covariates": q,
                        "tests": len(p), "p <= .05": np.mean(np.array(p) <= 0.05), "error": np.sqrt(0.0475 / len(p)),
                        "cohorts": len(covered[0]), "coverage of 2": np.mean(covered[0]),
                        "error ": np.sqrt(0.0475 / max(len(covered[0]), 1)), "coverage, scans": np.mean(covered[1]),
                        "no test": none / cohorts,
                    })  # fmt: skip
                    print({k: round(v, 4) if isinstance(v, float) else v for k, v in rows[-1].items()}, flush=True)
    table = pd.DataFrame(rows)
    for by in (["n", "events"], ["marker", "covariates"], ["n", "marker"]):
        parts = table.groupby(by)
        means = {}
        for name, weight in (("p <= .05", "tests"), ("coverage of 2", "cohorts"), ("coverage, scans", "cohorts")):
            sums = (table[name] * table[weight]).groupby([table[b] for b in by]).sum()
            means[name] = sums / parts[weight].sum()
        print(pd.DataFrame(means).join(parts[["tests", "cohorts"]].sum()).round(4).to_string(), flush=True)
    return table


def circular(rng: np.random.Generator, studies: int, genes: int) -> pd.DataFrame:
    """Arms that are the halves of PFS, nothing else differs: the share of studies with a survival claim.

    `supported` asks the verdict of a run at its plain level. `unmarked` is the same without the mark that the arms are
    a function of the endpoint; `old way` has q over the 50 genes with the smallest p between the arms.
    """
    rows = []
    for n in (16, 24, 40):
        found: dict[str, list[bool]] = {"supported": [], "unmarked": [], "old way": []}
        for _ in range(studies):
            t, e = censored(np.ones(n), 0.8, rng)
            values = frame(rng.normal(size=(n, genes)))
            people = pd.DataFrame({"t": t, "e": e.astype(int)}, values.index)
            arm = np.where(t < np.median(t), "short", "long")
            sheet = pd.DataFrame({"patient": values.index, "arm": arm, "taken": "before"}, values.index)
            design = Design(("long", "short"), (Contrast("c", "short", "long"),), sheet)
            table = cox(values, people, time="t", event="e", design=design, permutations=199, rng=rng).table
            records = table[table["q_value"] < 0.05].to_dict("records")
            found["supported"].append(
                any(verdict(evidence_of(r, weak=str(r["weak"]))).verdict == SUPPORTED for r in records)
            )
            found["unmarked"].append(any(verdict(evidence_of(r)).verdict == SUPPORTED for r in records))
            first = np.argsort(stats.ttest_ind(values[arm == "short"], values[arm == "long"]).pvalue)[:50]
            found["old way"].append(bool((benjamini_hochberg(table["p_value"].to_numpy()[first]) < 0.05).any()))
        rows.append({"patients": n, "studies": studies, "genes": genes, **{k: np.mean(v) for k, v in found.items()}})
        print(rows[-1], flush=True)
    return pd.DataFrame(rows)


def circular_runs(studies: int, sizes: tuple[int, ...] = (16, 24, 40)) -> pd.DataFrame:
    """The same through `scresist run`: simulated cells without any effect, arms that are the halves of PFS."""
    rows = []
    for seed, size in [(s, n) for n in sizes for s in range(studies)]:
        plan = Plan(
            patients={"baseline": size // 2, "primary": size // 2},
            pairs=0,
            cells=80,
            n_genes=2500,
            decoys=False,
            seed=100 + seed + size,
        )
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "cohort"
            study = write_cohort(simulate(plan.null()), folder)
            study.write_text(study.read_text(encoding="utf-8").replace('"malignant"', '"epithelial"'), encoding="utf-8")
            months = pd.read_csv(folder / "patients.csv").set_index("patient")["pfs_months"]
            sheet = pd.read_csv(folder / "samples.csv")
            sheet["arm"] = np.where(sheet["patient"].map(months) < months.median(), "primary", "baseline")
            sheet.to_csv(folder / "samples.csv", index=False)
            out = Path(place) / "results"
            command = [sys.executable, "-m", "scresist", "run", str(study), "--out", str(out)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if not (out / "claims.csv").exists():
                raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])
            claims, table = pd.read_csv(out / "claims.csv"), pd.read_csv(out / "tables" / "survival.csv")
            own = claims[claims["kind"] == "survival"]
            first = pd.read_csv(out / "tables" / "expression_contrasts.csv").nsmallest(50, "p_value")["gene"]
            p = table.set_index("feature")["p_value"].reindex(first).dropna().to_numpy()
            rows.append({
                "seed": plan.seed, "patients": size, "features": len(table), "supported": int(
                    (own["verdict"] == SUPPORTED).sum()), "q < .05": int((table["q_value"] < 0.05).sum()),
                "old way, genes": int((benjamini_hochberg(p) < 0.05).sum()),
            })  # fmt: skip
        print(rows[-1], flush=True)
    return pd.DataFrame(rows)


def cuts(rng: np.random.Generator, draws: int) -> pd.DataFrame:
    """The searched cut under the null: its p-value and its hazard ratio."""
    rows = []
    for n in (20, 40):
        p, old, naive, honest = [], [], [], []
        for _ in range(draws):
            x = rng.normal(size=n)
            t, e = censored(np.ones(n), 0.7, rng)
            if e.sum() < 5:
                continue
            found, before = searched_cut(x, t, e, rng, draws=999, repeats=5, resamples=2), best_cut(x, t, e)
            p.append(found.p_value)
            old.append(min(before.p_lausen92, before.p_lausen94))
            one = scan_cox(t, e, (x > found.cut).astype(float)[:, None], firth=True, limits=False)
            naive.append(np.exp(abs(one.coef[0])))
            honest.append(np.exp(abs(found.coef)))
        rows.append({
            "n": n, "p < .05": np.mean(np.array(p) < 0.05), "approximations": np.mean(np.array(old) < 0.05),
            "median hazard ratio, naive": np.nanmedian(naive), "cross-validated": np.nanmedian(honest),
        })  # fmt: skip
    return pd.DataFrame(rows)


CELLS = [(n, share) for n in (15, 25, 40, 100) for share in (0.3, 0.6, 0.9)]
HORIZON = 0.5  # of the restricted means, in units of the mean time of the first group


def _tables(found: dict[tuple[int, float], dict[str, list[float]]], *, level: bool) -> pd.DataFrame:
    """Rates by test (rows) over sizes and shares of events (columns), NaN left out, and how many were NaN at most."""
    rows = {}
    for cell, tests_ in found.items():
        for name, values in tests_.items():
            known = np.array(values, float)
            known = known[np.isfinite(known)]
            rate = (known <= 0.05).mean() if level else known.mean()
            # Fewer than a fifth of the studies with an answer tell nothing about a rate.
            enough = known.size >= max(0.2 * len(values), 50)
            rows.setdefault(name, {})[f"{cell[0]}, {cell[1]:g}"] = rate if enough else np.nan
    return pd.DataFrame(rows).T.rename_axis("n, events").reset_index()


def tests(rng: np.random.Generator, draws: int) -> pd.DataFrame:
    """Tests of groups and of logistic models under the null, n 15 to 100, 30 to 90 % events."""
    found: dict[tuple[int, float], dict[str, list[float]]] = {}
    for n, share in CELLS:
        p = found.setdefault((n, share), defaultdict(list))
        for i in range(draws):
            t, e = censored(np.ones(n), share, rng, ties=i % 2 == 1)
            g = rng.permutation(np.arange(n) % 2).astype(bool)
            x = np.exp(rng.normal(size=n)) if i % 4 > 1 else rng.normal(size=n)
            exact = permutation_log_rank(survival_scores(t, e), g, draws=199, rng=rng)
            p["log-rank, permutation"].append(exact.p_exact)
            p["log-rank, asymptotic"].append(log_rank(t, e, g.astype(int)).p_value)
            p["MaxCombo, permutation"].append(max_combo(t, e, g, draws=199, rng=rng, asymptotic=False).p_permutation)
            mean = permuted_mean_difference(t, e, g, float(np.quantile(t, 0.5)), rng, draws=199)
            p["restricted means, permutation"].append(mean.p_value)
            y = rng.permutation(n) < round(share * n / 1.5)
            p["logistic, Firth"].append(firth_logistic(y, x, which=(1,), limits=False).p_value[1])
            p["logistic, permutation"].append(ordinal_permutation(y.astype(int), x, rng, draws=199))
            rank = rng.integers(0, 4, n)
            p["ordinal, permutation"].append(ordinal_permutation(rank, x, rng, draws=199))
            if i % 2 == 0:
                status = np.where(e, 1, np.where(rng.random(n) < 0.5, 2, 0))
                p["Gray, asymptotic"].append(gray_test(t, status, g, 1).p_value)
                p["Fine-Gray, Wald"].append(fine_gray(t, status, x, 1).p_value[0])
                p["Fine-Gray, permutation"].append(fine_gray_permutation(t, status, x, 1, rng, 199))
        print(f"n {n}, {share:.0%} events: " + ", ".join(
            f"{k} {np.mean(np.array(v)[np.isfinite(v)] <= 0.05):.3f}" for k, v in p.items()), flush=True)  # fmt: skip
    return _tables(found, level=True)


def forms(rng: np.random.Generator, draws: int) -> pd.DataFrame:
    """The tests of a curved and of a changing effect where there is none; every second study has a straight effect."""
    found: dict[tuple[int, float], dict[str, list[float]]] = {}
    for n, share in CELLS:
        p = found.setdefault((n, share), defaultdict(list))
        for i in range(draws):
            x = np.exp(rng.normal(size=n)) if i % 4 > 1 else rng.normal(size=n)
            hazard = np.exp(0.8 * (x - x.mean()) / x.std()) if i % 4 in (1, 2) else np.ones(n)
            t, e = censored(hazard, share, rng, ties=i % 8 > 3)
            bend, line = natural_spline(x, np.quantile(x, KNOTS))[:, 0], x[:, None]
            late, early = e.sum() >= CHANGE_EVENTS, e.sum() >= MIN_EVENTS
            change = added_term(t, e, line, x, rng, over_time=True).p_value if late else np.nan
            p["changing effect"].append(change)
            p["curved effect"].append(added_term(t, e, line, bend, rng).p_value if early else np.nan)
        print(f"n {n}, {share:.0%} events: " + ", ".join(
            f"{k} {np.mean(np.array(v)[np.isfinite(v)] <= 0.05):.3f}" for k, v in p.items()), flush=True)  # fmt: skip
    return _tables(found, level=True)


def intervals(rng: np.random.Generator, draws: int) -> pd.DataFrame:
    """Coverage of 95 % intervals where there is an effect: the truth of each is known."""
    found: dict[tuple[int, float], dict[str, list[float]]] = {}
    gained = (1 - np.exp(-2 * HORIZON)) / 2 - (1 - np.exp(-HORIZON))  # hazards 1 and 2
    for n, share in CELLS:
        c = found.setdefault((n, share), defaultdict(list))
        for i in range(draws):
            g = np.arange(n) % 2 == 1
            t, e = censored(np.where(g, 2.0, 1.0), share, rng)
            mean = permuted_mean_difference(t, e, g, HORIZON, rng, draws=199)
            c["restricted means, permutation"].append(
                mean.low <= gained <= mean.high if np.isfinite(mean.low) else np.nan
            )
            own, seen = censored(np.ones(n), share, rng)
            middle = median_limits(own, seen)
            given = np.isfinite(middle[1]) and seen.sum() >= MEDIAN_EVENTS
            c["median"].append((middle[1] <= np.log(2)) & (not middle[2] < np.log(2)) if given else np.nan)
            x = rng.normal(size=n)
            y = rng.random(n) < 1 / (1 + np.exp(-0.7 * x))
            fit = firth_logistic(y, x, which=(1,))
            c["odds ratio, Firth"].append(fit.low[1] <= 0.7 <= fit.high[1] if not fit.reason else np.nan)
            z = rng.normal(size=n)
            late, died = censored(np.exp(0.7 * z), share, rng)
            if i % 2 == 0 and died.sum() >= CHANGE_EVENTS:
                change = changing_effect(late, died, z)
                for name, ends in (("early", change.early), ("late", change.late)):
                    c[f"hazard ratio {name}"].append(ends[1] <= 0.7 <= ends[2] if np.isfinite(ends[0]) else np.nan)
            if i % 2 == 0:
                # Cause 1 has the subdistribution hazard of Fine and Gray's simulation, p = 0.6, coefficient 0.7.
                late, status = subdistribution(z, 0.7, 0.6, share, rng)
                ends = fine_gray_limits(late, status, z, 1)
                c["Fine-Gray"].append(ends[0] <= 0.7 <= ends[1] if np.isfinite(ends[0]) else np.nan)
                # The same for a log-normal value.
                heavy = np.exp(z) / np.exp(z).std()
                heavy = heavy - heavy.mean()
                late, status = subdistribution(heavy, 0.7, 0.6, share, rng)
                ends = fine_gray_limits(late, status, heavy, 1)
                c["Fine-Gray, log-normal"].append(ends[0] <= 0.7 <= ends[1] if np.isfinite(ends[0]) else np.nan)
            if i % 4 == 0:
                rank = np.digitize(0.7 * x + rng.logistic(size=n), [-1, 0, 1.5])
                model = ordinal_logistic(rank, x)
                c["odds ratio, ordinal"].append(model.low <= 0.7 <= model.high if not model.reason else np.nan)
                low, high = bootstrap_roc(x, y, rng, draws=300)
                c["area under the curve"].append(low <= AUC <= high if np.isfinite(low) else np.nan)
        print(f"n {n}, {share:.0%} events: " + ", ".join(
            f"{k} {np.nanmean(v):.3f}" for k, v in c.items()), flush=True)  # fmt: skip
    return _tables(found, level=False)


def adjusted(rng: np.random.Generator, draws: int) -> pd.DataFrame:
    """Tests and intervals beside a covariate that drives the hazard and goes with the group, and within strata.

    Type I error, and for the difference of restricted means its coverage where the group has an effect (`gained` by
    400,000 patients). The covariate raises the hazard by 2 per SD and is half an SD higher in the second group. `plain`
    is the same test without the covariate.
    """
    found: dict[tuple[int, float], dict[str, list[float]]] = {}
    covered: dict[tuple[int, float], dict[str, list[float]]] = {}
    z = rng.normal(size=200_000)
    gained = float(np.mean([
        np.mean((1 - np.exp(-b * HORIZON)) / b * sign) for sign, b in ((1, 2 * np.exp(0.7 * z)), (-1, np.exp(0.7 * z)))
    ]) * 2)  # fmt: skip
    for n, share in CELLS:
        p, c = found.setdefault((n, share), defaultdict(list)), covered.setdefault((n, share), defaultdict(list))
        for i in range(draws):
            z = rng.normal(size=n)
            g = rng.permutation(np.argsort(np.argsort(0.6 * z + rng.normal(size=n))) >= n // 2) if i % 8 == 0 else (
                np.argsort(np.argsort(0.6 * z + rng.normal(size=n))) >= n // 2)  # fmt: skip
            t, e = censored(np.exp(0.7 * z), share, rng, ties=i % 2 == 1)
            beside, layer = z[:, None], (z > 0).astype(int)
            if e.sum() < 5:
                continue
            p["log-rank beside a covariate"].append(added_term(t, e, beside, g.astype(float), rng).p_value)
            exact = permutation_log_rank(survival_scores(t, e), g, draws=199, rng=rng)
            p["log-rank, plain"].append(exact.p_exact)
            within, e2 = censored(np.where(layer == 1, 3.0, 1.0), share, rng, ties=i % 2 == 1)
            test = permutation_log_rank(survival_scores(within, e2, strata=layer), g, draws=199, rng=rng, strata=layer)
            p["log-rank by strata"].append(test.p_exact)
            combo = max_combo(within, e2, g, draws=199, rng=rng, asymptotic=False, strata=layer)
            p["MaxCombo by strata"].append(combo.p_permutation)
            until = float(min(t[g].max(), t[~g].max(), np.quantile(t, 0.6)))
            p["restricted means beside a covariate"].append(
                adjusted_mean_difference(t, e, g, beside, until, rng, draws=199).p_value
            )
            x, status = g + rng.normal(size=n) if i % 4 > 1 else np.exp(0.5 * z + rng.normal(size=n)), 0
            late, status = subdistribution(z, 0.7, 0.6, share, rng)
            p["Fine-Gray beside a covariate"].append(
                fine_gray_permutation(late, status, x, 1, rng, 199, adjust=beside)
                if (status == 1).sum() > 4
                else np.nan
            )
            y = rng.random(n) < 1 / (1 + np.exp(-0.7 * z))
            p["logistic beside a covariate, Firth"].append(
                firth_logistic(y, np.column_stack([x, z]), which=(1,), limits=False).p_value[1]
            )
            rank = np.digitize(0.7 * z + rng.logistic(size=n), [-1, 0, 1.5])
            p["order beside a covariate"].append(ordinal_permutation(rank, x, rng, draws=199, adjust=beside))
            own, seen = censored(np.where(g, 2.0, 1.0) * np.exp(0.7 * z), share, rng)
            mean = adjusted_mean_difference(own, seen, g, beside, HORIZON, rng, draws=199)
            c["coverage, restricted means beside a covariate"].append(
                mean.low <= gained <= mean.high if np.isfinite(mean.low) else np.nan
            )
            if i % 2 == 0:
                u = rng.normal(size=n)
                late, status = subdistribution(0.7 * z + 0.7 * u, 1.0, 0.6, share, rng)
                ends = fine_gray_limits(late, status, np.column_stack([u, z]), 1)
                c["coverage, Fine-Gray beside a covariate"].append(
                    ends[0] <= 0.7 <= ends[1] if np.isfinite(ends[0]) else np.nan
                )
        print(f"n {n}, {share:.0%} events: " + ", ".join(
            f"{k} {np.mean(np.array(v)[np.isfinite(v)] <= 0.05):.3f}" for k, v in p.items()) + ", " + ", ".join(
            f"{k} {np.nanmean(v):.3f}" for k, v in c.items()), flush=True)  # fmt: skip
    return pd.concat([_tables(found, level=True), _tables(covered, level=False)])


def subdistribution(
    z: np.ndarray, coef: float, p: float, share: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Times and causes whose first cause has proportional subdistribution hazards (Fine & Gray 1999, section 5)."""
    chance = 1 - (1 - p) ** np.exp(coef * z)
    first = rng.random(z.size) < chance
    u = rng.random(z.size) * chance
    time = np.where(first, -np.log(1 - (1 - (1 - u) ** np.exp(-coef * z)) / p), rng.exponential(size=z.size))
    late = rng.exponential(np.quantile(time, 0.5) * 1.44 * share / (1 - share), z.size)
    return np.minimum(time, late), np.where(time <= late, np.where(first, 1, 2), 0)


def _area() -> float:
    """Area under the curve of a standard normal with a log odds ratio of 0.7: the truth of `intervals`."""
    x = np.random.default_rng(0).normal(size=400_000)
    y = np.random.default_rng(1).random(x.size) < 1 / (1 + np.exp(-0.7 * x))
    return roc_area(x, y)


AUC = _area()


PREDICTED = [(40, 0.6), (40, 0.9), (100, 0.3), (100, 0.6), (100, 0.9)]


def predictions(rng: np.random.Generator, studies: int) -> pd.DataFrame:
    """Coverage of the intervals of the cross-validated score: concordance, net benefit, slope, observed risk.

    Twenty features, three of which have an effect of 0.5 per SD. The truth of each study is that of its own score: the
    concordance, and the share by the horizon at each threshold, in 4,000 new patients, of the score and the risks as
    they would be made from four fifths of its patients (mean of five such models). `on average` asks for the mean of
    these truths over the studies instead.
    """
    rows, effect = [], np.r_[[0.5, 0.5, -0.5], np.zeros(17)]
    for n, share in PREDICTED:
        low, high, true, bends, inside, benefit = [], [], [], [], [], defaultdict(list)
        steep: list[bool] = []
        for _ in range(studies):
            x = rng.normal(size=(n, 20))
            t, e = censored(np.exp(x @ effect), share, rng)
            if e.sum() < MIN_EVENTS:
                continue
            values = frame(x)
            found = gather(values, pd.DataFrame({"t": t, "e": e.astype(int)}, values.index), time="t", event="e")
            horizon = float(np.quantile(t, 0.5))
            made = nested_score(found, endpoint="t", repeats=2, horizon=horizon, rng=rng)
            one = made.score.table.iloc[0]
            new = rng.normal(size=(4000, 20))
            when = rng.exponential(1 / np.exp(new @ effect))
            size = (int(one["n_genes"]),)
            order, truths, gains, slopes = rng.permutation(n) % 5, [], [], []
            for f in range(5):
                train = order != f
                own, other = (score_of(x[train], t[train], e[train], v, size)[0] for v in (x[train], new))
                truths.append(concordance_index(other[:1000], when[:1000], np.ones(1000)))
                risk = predicted_risk(t[train], e[train], own, other, horizon)
                gains.append(net_benefit(when, np.ones(4000), risk, horizon, THRESHOLDS))
                there = scan_cox(when, np.ones(4000), other[:, None], limits=False).coef[0]
                slopes.append(there / scan_cox(t[train], e[train], own[:, None], firth=True, limits=False).coef[0])
            low.append(one["ci_low"])
            high.append(one["ci_high"])
            true.append(np.mean(truths))
            bends.append(one["slope"])
            steep.append(one["slope_low"] <= np.mean(slopes) <= one["slope_high"])
            decided = made.decision.table
            for k, threshold in enumerate(THRESHOLDS):
                if 0.25 < threshold < 0.75 and len(decided):
                    benefit[k].append(
                        (decided["ci_low"].iloc[k], decided["ci_high"].iloc[k], np.mean(gains, axis=0)[k])
                    )
        a, b, c = np.array(low), np.array(high), np.array(true)
        for ends in benefit.values():
            lo, hi, own = np.array(ends).T[:, np.isfinite(np.array(ends)[:, 0])]
            if lo.size < 20:
                continue
            inside.append([np.mean((lo <= own) & (own <= hi)), np.mean((lo <= own.mean()) & (own.mean() <= hi))])
        rows.append({
            "n": n, "events": share, "studies": c.size, "true concordance": c.mean(), "concordance": np.mean(
                (a <= c) & (c <= b)), "on average": np.mean((a <= c.mean()) & (c.mean() <= b)),
            "median width": np.median(b - a), "slope, median": np.median(bends), "slope": np.mean(steep),
            "net benefit, .3 to .7": np.mean(
                inside, axis=0)[0], "on average ": np.mean(inside, axis=0)[1],
        })  # fmt: skip
        print(rows[-1], flush=True)
    return pd.DataFrame(rows)


def curves(rng: np.random.Generator, studies: int) -> pd.DataFrame:
    """Coverage of the limits of the adjusted curves at three times: true curves are means over all covariates."""
    rows, covariate = [], rng.normal(size=100_000)
    for n, share in [(25, 0.6), *PREDICTED]:
        inside = []
        for _ in range(studies):
            z = rng.normal(size=n)
            g = 0.6 * z + rng.normal(size=n)
            high = g > np.median(g)
            hazard = np.exp(0.7 * z + 0.7 * high)
            t, e = censored(hazard, share, rng)
            values = frame(g[:, None])
            found = gather(values, pd.DataFrame({"t": t, "e": e.astype(int)}, values.index), time="t", event="e")
            compared = pd.DataFrame([{"feature": "g0", "cut": float(np.median(g)), "reason": ""}])
            made = adjusted_curves(found, compared, endpoint="t", adjust=z[:, None], rng=rng).table
            for label, own in made.groupby("group"):
                for share_then in (0.25, 0.5, 0.75):
                    at = own.iloc[int(share_then * (len(own) - 1))]
                    if np.isfinite(at["ci_low"]):
                        truth = np.exp(-at["time"] * np.exp(0.7 * covariate[:20_000] + 0.7 * (label == "high"))).mean()
                        inside.append((share_then, at["ci_low"] <= truth <= at["ci_high"]))
        table = pd.DataFrame(inside, columns=["then", "in"]).groupby("then")["in"].mean()
        rows.append({"n": n, "events": share, "limits": len(inside), **{f"at {k:g} of the events": v for k, v in
                                                                       table.items()}})  # fmt: skip
        print(rows[-1], flush=True)
    return pd.DataFrame(rows)


def separation(rng: np.random.Generator, draws: int) -> pd.DataFrame:
    """Strong skewed markers: fits with a finite maximum that are refused, and answers under true separation."""
    plain = refused = separated = answered = 0
    for _ in range(draws):
        n = int(rng.integers(10, 20))
        x = np.exp(1.5 * rng.normal(size=n))
        t, e = censored(np.exp(1.5 * (x - x.mean()) / x.std()), 0.7, rng)
        if e.sum() < 4:
            continue
        fit = scan_cox(t, e, x[:, None], firth=False, limits=False)
        if fit.monotone[0]:
            separated += 1
            again = scan_cox(t, e, x[:, None])
            answered += bool(np.isfinite(again.p_value[0]) and np.isfinite([again.low[0], again.high[0]]).any())
        else:
            plain += 1
            refused += bool(fit.reason[0])
    return pd.DataFrame([{"finite maximum": plain, "refused": refused, "separated": separated, "answered": answered}])


def speed(rng: np.random.Generator) -> pd.DataFrame:
    t, e = censored(np.ones(300), 0.5, rng)
    x = rng.normal(size=(300, 20_000))
    scan_cox(t, e, x[:, :5])
    start = time.perf_counter()
    scan_cox(t, e, x)
    return pd.DataFrame([{"20,000 genes x 300 patients, profile limits, s": time.perf_counter() - start}])


def real() -> pd.DataFrame:
    """Cohorts with survival: fibroblast genes in gastric cancer, TGF-beta and CD8 in IMvigor210, CD8 in NSCLC."""
    place = SHARED / "survival"
    cohorts = {}
    for name in ("acrg", "stad"):
        values = pd.read_csv(place / f"{name}_expr.csv.gz", index_col=0)
        people = pd.read_csv(place / f"{name}_clin.csv").set_index("ID")
        shared = [s for s in values.columns if s in people.index]
        cohorts[name] = (values[shared], people.loc[shared])
    genes = list(cohorts["acrg"][0].index)
    common = [g for g in genes if g in cohorts["stad"][0].index]
    features = {g: [g] for g in ("DCN", "ACTA2", "TAGLN", "COL10A1", "CST3") if g in common}
    features["all shared genes"] = common
    values, people = cohorts["acrg"]
    first = cox(values.T, people, time="time", event="status").table.set_index("feature")
    print(f"ACRG: {(first['q_value'] < 0.05).sum()} of {len(first)} genes with q < .05")
    parts = [
        external_cohorts(cohorts, features, first[["hr"]].assign(cut_share=0.5), time="time", event="status").table
    ]
    people = pd.read_csv(place / "imvigor210_pdata.csv").set_index("ID")
    people["event"] = pd.to_numeric(people["OS_status"], errors="coerce")
    scores = people[["Pan_F_TBRs", "CD_8_T_effector"]].apply(pd.to_numeric, errors="coerce")
    scores["Pan_F_TBRs, ranks"] = stats.norm.ppf(scores["Pan_F_TBRs"].rank() / (len(scores) + 1))
    parts.append(cox(scores, people, time="OS_days", event="event", unit="days").table.assign(cohort="IMvigor210"))
    beside = people[["TumorPurity", "Immune_Checkpoint", "CD_8_T_effector"]].apply(pd.to_numeric, errors="coerce")
    print("IMvigor210, Spearman correlation of Pan_F_TBRs:", beside.corrwith(scores["Pan_F_TBRs"], method="spearman")
          .round(2).to_dict())  # fmt: skip
    best = best_response(scores.loc[people["BOR"].isin(["CR", "PR", "SD", "PD"])], people["BOR"]).table
    print(best[["feature", "endpoint", "odds_ratio", "ci_low", "ci_high", "p_value", "n", "auc"]].round(3).to_string())
    cells = pd.read_csv(SHARED / "imaging" / "nsclc_mif_lung_df.csv.gz")
    by = cells.groupby("patient_id")
    lung = by[["survival_days", "survival_status", "age"]].first()
    total = by.size()
    share = {c: (cells[f"phenotype_{c.lower()}"] == f"{c}+").groupby(cells["patient_id"]).sum() for c in
             ("CD8", "CD4", "CD19", "CD14", "CK")}  # fmt: skip
    marks = pd.DataFrame({c: np.log((s + 0.5) / (total - s + 0.5)) for c, s in share.items()})
    lung.index, marks.index = lung.index.astype(str), marks.index.astype(str)
    tested = cox(marks, lung, time="survival_days", event="survival_status", unit="days", covariates=["age"]).table
    parts.append(tested.assign(cohort="NSCLC mIF, age-adjusted"))
    table = pd.concat(parts, ignore_index=True)
    return table[
        [
            "cohort",
            "feature",
            "hr",
            "ci_low",
            "ci_high",
            "p_value",
            "n",
            "events",
            "i_squared",
            "cochran_q",
            "tau_squared",
        ]
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="*", default=[])
    given = parser.parse_args()
    small = given.quick
    jobs = {
        "separation": lambda r: separation(r, 500 if small else 3000), "speed": speed,
        "cuts": lambda r: cuts(r, 200 if small else 1000), "tests": lambda r: tests(r, 200 if small else 500),
        "intervals": lambda r: intervals(r, 200 if small else 800),
        "forms": lambda r: forms(r, 100 if small else 500),
        "adjusted": lambda r: adjusted(r, 100 if small else 500),
        "predictions": lambda r: predictions(r, 15 if small else 60),
        "curves": lambda r: curves(r, 30 if small else 150),
        "circular": lambda r: circular(r, 60 if small else 400, 100 if small else 200),
        "runs": lambda _: circular_runs(1 if small else 6),
        "real": lambda _: real() if SHARED.exists() else pd.DataFrame(),
        "nulls": lambda r: nulls(r, 5 if small else 60, 20 if small else 300),
    }  # fmt: skip
    for name, job in jobs.items():
        if given.only and name not in given.only:
            continue
        start = time.perf_counter()
        table = job(np.random.default_rng(7))
        print(f"\n{name} ({time.perf_counter() - start:.0f} s)\n{table.round(4).to_string(index=False)}", flush=True)


if __name__ == "__main__":
    main()
