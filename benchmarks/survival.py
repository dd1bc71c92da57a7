"""Survival: error rates and coverage, arms that are a function of the endpoint, cuts, speed, real cohorts.

    python benchmarks/survival.py [--quick] [--only nulls circular runs cuts tests separation speed real]

Real cohorts are read from ../shared/data, where it is there.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from scresist.contrasts.verdict import SUPPORTED, evidence_of, verdict
from scresist.kernels.cox_scan import scan_cox
from scresist.kernels.cut_points import best_cut
from scresist.kernels.log_rank import max_combo, permutation_log_rank, survival_scores
from scresist.kernels.logistic import firth_logistic
from scresist.kernels.multiple_testing import benjamini_hochberg
from scresist.kernels.restricted_mean import restricted_mean_difference
from scresist.kernels.searched_cut import searched_cut
from scresist.simulate import Plan, simulate, write_cohort
from scresist.study.design import Contrast, Design
from scresist.survival import cox
from scresist.survival.external import external_cohorts

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


def nulls(rng: np.random.Generator, cohorts: int, features: int) -> pd.DataFrame:
    """Type I error, and coverage of a hazard ratio of 2 per SD, of `survival.cox` as it chooses its model."""
    rows = []
    for n, sizes in ((15, (0, 1, 3)), (25, (0, 1, 3)), (40, (0, 3)), (100, (0, 2))):
        for share in (0.3, 0.6, 0.9):
            for skewed in (False, True):
                for q in sizes:
                    p, covered = [], []
                    for i in range(cohorts):
                        z = rng.normal(size=(n, q))
                        x = rng.normal(size=(n, features)) + (0.4 * z[:, :1] if q else 0)
                        x = np.exp(1.2 * x) if skewed else x
                        names = [f"z{j}" for j in range(q)]
                        for truth, columns in ((0.0, features), (np.log(2), 1)):
                            b = truth / x[:, 0].std(ddof=1)
                            t, e = censored(
                                np.exp(0.3 * z.sum(axis=1) + b * (x[:, 0] - x[:, 0].mean())),
                                share,
                                rng,
                                ties=i % 2 == 1,
                            )
                            people = pd.DataFrame(z, columns=names).assign(t=t, e=e.astype(int))
                            values = frame(x[:, :columns])
                            people.index = values.index
                            got = cox(values, people, time="t", event="e", covariates=names, permutations=299, rng=rng)
                            own = got.table[got.table["p_value"].notna()]
                            if truth:
                                covered += list((own["ci_low"] <= 2) & (own["ci_high"] >= 2))
                            else:
                                p += list(own["p_value"])
                    rows.append({
                        "n": n, "events": share, "marker": "log-normal" if skewed else "normal", "covariates": q,
                        "tests": len(p), "p < .05": np.mean(np.array(p) < 0.05), "coverage of 2": np.mean(covered),
                    })  # fmt: skip
                    print(rows[-1], flush=True)
    return pd.DataFrame(rows)


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


def circular_runs(studies: int) -> pd.DataFrame:
    """The same through `scresist run`: simulated cells without any effect, arms that are the halves of PFS."""
    rows = []
    for seed in range(studies):
        plan = Plan(
            patients={"baseline": 12, "primary": 12}, pairs=0, cells=80, n_genes=2500, decoys=False, seed=100 + seed
        )
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "cohort"
            study = write_cohort(simulate(plan.null()), folder)
            months = pd.read_csv(folder / "patients.csv").set_index("patient")["pfs_months"]
            sheet = pd.read_csv(folder / "samples.csv")
            sheet["arm"] = np.where(sheet["patient"].map(months) < months.median(), "primary", "baseline")
            sheet.to_csv(folder / "samples.csv", index=False)
            out = Path(place) / "results"
            command = [sys.executable, "-m", "scresist", "run", str(study), "--out", str(out)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if not (out / "tables" / "claims.csv").exists():
                raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])
            claims, table = (pd.read_csv(out / "tables" / f"{name}.csv") for name in ("claims", "survival"))
            own = claims[claims["kind"] == "survival"]
            first = pd.read_csv(out / "tables" / "expression_contrasts.csv").nsmallest(50, "p_value")["gene"]
            p = table.set_index("feature")["p_value"].reindex(first).dropna().to_numpy()
            rows.append({
                "seed": plan.seed, "patients": 24, "features": len(table), "supported": int(
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


def tests(rng: np.random.Generator, draws: int) -> pd.DataFrame:
    """Other tests and intervals under the null: log-rank, MaxCombo, restricted means, Firth logistic."""
    rows = []
    for n in (16, 30, 60):
        found: dict[str, list[float]] = {}
        for _ in range(draws):
            t, e = censored(np.ones(n), 0.7, rng)
            g = rng.permutation(np.arange(n) % 2).astype(bool)
            exact = permutation_log_rank(survival_scores(t, e), g, draws=499, rng=rng)
            found.setdefault("log-rank, permutation", []).append(exact.p_exact)
            found.setdefault("log-rank, asymptotic", []).append(exact.p_asymptotic)
            found.setdefault("MaxCombo, permutation", []).append(max_combo(t, e, g, draws=299, rng=rng).p_permutation)
            until = float(np.quantile(t, 0.6))
            found.setdefault("restricted means, t", []).append(
                restricted_mean_difference(t, e, g, until, small=True).p_value
            )  # fmt: skip
            found.setdefault("restricted means, normal", []).append(
                restricted_mean_difference(t, e, g, until).p_value
            )  # fmt: skip
            y, x = rng.random(n) < 0.4, np.exp(rng.normal(size=n))
            found.setdefault("Firth logistic", []).append(
                firth_logistic(y, x).p_value[1] if 1 < y.sum() < n - 1 else np.nan
            )
        for name, p in found.items():
            known = np.array(p)[np.isfinite(p)]
            rows.append({"n": n, "test": name, "p < .05": np.mean(known < 0.05), "tests": known.size})
    return pd.DataFrame(rows).pivot_table(index="test", columns="n", values="p < .05").reset_index()


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
    parts.append(cox(scores, people, time="OS_days", event="event", unit="days").table.assign(cohort="IMvigor210"))
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
    return table[["cohort", "feature", "hr", "ci_low", "ci_high", "p_value", "n", "events", "i_squared"]]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="*", default=[])
    given = parser.parse_args()
    small = given.quick
    jobs = {
        "separation": lambda r: separation(r, 500 if small else 3000), "speed": speed,
        "cuts": lambda r: cuts(r, 200 if small else 1000), "tests": lambda r: tests(r, 300 if small else 2000),
        "circular": lambda r: circular(r, 60 if small else 400, 100 if small else 200),
        "runs": lambda _: circular_runs(2 if small else 6),
        "real": lambda _: real() if SHARED.exists() else pd.DataFrame(),
        "nulls": lambda r: nulls(r, 100 if small else 1000, 10),
    }  # fmt: skip
    for name, job in jobs.items():
        if given.only and name not in given.only:
            continue
        start = time.perf_counter()
        table = job(np.random.default_rng(7))
        print(f"\n{name} ({time.perf_counter() - start:.0f} s)\n{table.round(4).to_string(index=False)}", flush=True)


if __name__ == "__main__":
    main()
