"""Functional assays: parts of `bench.py` (dose, kinetics, synergy, simulated, type1, power)."""

import json
import os
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from scresist import validation
from scresist.kernels import four_parameter as fp
from scresist.kernels import hill_curve as hc
from scresist.kernels import kinetics as kin
from scresist.kernels import synergy as syn
from scresist.kernels.random_effects import combine, t_interval
from scresist.validation.curves import Shape
from scresist.validation.dose_components import fit_units, level_conditions, paired_difference
from scresist.validation.dose_input import read_doses
from scresist.validation.two_conditions import difference, weighted_difference

SHARED = Path(__file__).resolve().parents[2] / "shared"
ORACLE = SHARED / "oracle" / "inference" / "agreement_dose_kinetics"
NOT_IDENTIFIED = (5, 11, 16, 17, 23)  # curves that R's README names
SYNERGY_PYTHON = Path(os.environ.get("SYNERGY_PYTHON", "none"))  # of an environment that has the package synergy
REPLICATES = (3, 4, 5, 6, 8)


def show(rows: list[dict[str, object]]) -> None:
    print(pd.DataFrame(rows).to_string(index=False, float_format=lambda v: f"{v:.4g}"))


def ccle() -> tuple[pd.DataFrame, pd.DataFrame]:
    folder = SHARED / "data" / "dose_response"
    raw = pd.read_csv(folder / "CCLEsmall_raw_dose_viability.csv.gz").dropna()
    published = pd.read_csv(folder / "CCLEsmall_profiles.csv.gz", index_col=0)
    table = pd.DataFrame(
        {
            "experiment": "CCLE",
            "line": raw["exp"],
            "condition": "none",
            "compound": "drug",
            "dose_um": raw["dose"],
            "replicate": 1,
            "plate": 1,
            "response": raw["viability"],
        }
    )
    return table, published


def dose() -> None:
    """CCLE against the published fits, and R's drc."""
    table, published = ccle()
    validation.dose_response(table.head(800))  # compiles
    rows = []
    for cap in (True, False):
        start = time.perf_counter()
        out = validation.dose_response(table, cap=cap).table.set_index("line").loc[published.index]
        seconds = time.perf_counter() - start
        ic50 = published["ic50_recomputed"]
        inside = (ic50 >= out["dose_min_um"]) & (ic50 <= out["dose_max_um"])
        off = np.log10(out["ic50_um"] / ic50)[inside].abs()
        rows.append(
            {
                "responses above 100": "taken as 100 (default)" if cap else "as they are",
                "curves": len(out),
                "seconds": seconds,
                "AAC within .02": ((out["aac"] - published["auc_recomputed"]).abs() < 0.02).mean(),
                "AAC within .001": ((out["aac"] - published["auc_recomputed"]).abs() < 0.001).mean(),
                "IC50 inside": int(inside.sum()),
                "log10 IC50 within .1": (off < 0.1).mean(),
                "within .01": (off < 0.01).mean(),
                "called reached": (out["ic50_reached"] == inside).mean(),
            }
        )
    show(rows)
    print("\nR's drc, LL.4 without bounds (30 curves; five are not identified by R's own account)")
    show(drc())
    print(
        "\nR's drc, ratios of ED50 (EDcomp, compParm; seven pairs of identified curves): largest relative differences"
    )
    show(drc_ratios())


def drc() -> list[dict[str, object]]:
    points = pd.read_csv(ORACLE / "in_dose_response.csv.gz")
    coefficients = pd.read_csv(ORACLE / "drc_coefficients.csv.gz")
    effective = pd.read_csv(ORACLE / "drc_ED.csv.gz")
    lack = pd.read_csv(ORACLE / "drc_lack_of_fit.csv.gz").set_index("curve")
    rows = []
    for curve, block in points.groupby("curve"):
        with np.errstate(divide="ignore"):
            x, y = np.log10(block["dose"].to_numpy(float)), block["y"].to_numpy(float)
        free = np.array([-np.inf, -np.inf, 1e-3, -8]), np.array([np.inf, np.inf, 50, 8])
        fit = fp.fit_curves(x, y, low=free[0], high=free[1])
        p = fit.parameters[0]
        theirs = coefficients[(coefficients["curve"] == curve) & (coefficients["model"] == "LL.4")].set_index("term")
        mine = pd.Series({"slope": p[2], "lower": p[0], "upper": p[1], "ed50": 10 ** p[3]})
        of = effective[
            (effective["curve"] == curve) & (effective["model"] == "LL.4") & (effective["interval"] == "delta")
        ]
        ed = of[of["type"] == "relative"].set_index("level")["estimate"]
        own = {int(q): 10 ** (p[3] + np.log10(q / (100 - q)) / p[2]) for q in ed.index}
        scale = np.maximum(np.abs(theirs["estimate"].to_numpy()), 1)
        rows.append(
            {
                "curve": curve,
                "rss less R's": fit.loss[0] / theirs["rss"].iloc[0] - 1,
                "parameters": float(np.max(np.abs(mine.to_numpy() - theirs["estimate"].to_numpy()) / scale)),
                "ED": max(abs(own[int(q)] / v - 1) for q, v in ed.items()),
                "lack of fit": lack["rss_model"].get(curve, np.nan) / fit.loss[0] - 1,
            }
        )
    found = pd.DataFrame(rows)
    good = found[~found["curve"].isin(NOT_IDENTIFIED)]
    return [
        {
            "curves": name,
            "n": len(part),
            "largest rss above R's": part["rss less R's"].max(),
            "median error of parameters": part["parameters"].median(),
            "largest": part["parameters"].max(),
            "median error of ED10, 50, 90": part["ED"].median(),
            "largest ED": part["ED"].max(),
        }
        for name, part in (("identified", good), ("all", found))
    ]


def drc_ratios() -> list[dict[str, object]]:
    points = pd.read_csv(ORACLE / "in_dose_response.csv.gz")
    theirs = pd.read_csv(ORACLE / "drc_comparisons.csv.gz")
    off: dict[str, list[float]] = {"ratio": [], "delta": [], "fieller": [], "standard error": []}
    for pair, rows in theirs.groupby(["curve1", "curve2"]):
        if {int(c) for c in pair} & set(NOT_IDENTIFIED):
            continue
        sides = []
        for curve in map(int, pair):
            block = points[points["curve"] == curve]
            with np.errstate(divide="ignore"):
                x, y = np.log10(block["dose"].to_numpy(float)), block["y"].to_numpy(float)
            free = np.array([-np.inf, -np.inf, 1e-3, -8]), np.array([np.inf, np.inf, 50, 8])
            sides.append((x, y, fp.fit_curves(x, y, low=free[0], high=free[1]).parameters[0]))
        found = hc.midpoint_ratio(*sides)
        by = {i: rows[rows["interval"] == i].iloc[0] for i in ("delta", "fieller", "none")}
        off["ratio"].append(abs(found.ratio / by["delta"]["ratio"] - 1))
        for name in ("delta", "fieller"):
            ends = by[name][["lower", "upper"]].to_numpy(float)
            off[name].append(float(np.abs(np.array(getattr(found, name)) / ends - 1).max()))
        off["standard error"].append(abs(found.error / float(by["none"]["se"]) - 1))
    return [{"pairs": len(off["ratio"]), **{k: max(v) for k, v in off.items()}}]


def kinetics() -> None:
    """R's nls: estimates, standard errors, profile limits."""
    theirs = pd.read_csv(ORACLE / "kinetics.csv.gz")
    rates = pd.read_csv(ORACLE / "in_competitive.csv.gz")
    tight = pd.read_csv(ORACLE / "in_tight_binding.csv.gz")
    rows = []
    for model, name in (
        ("competitive", "nls_competitive"),
        ("uncompetitive", "nls_uncompetitive"),
        ("noncompetitive", "nls_noncompetitive"),
        ("mixed", "nls_mixed_port"),
    ):
        error, se, limits, n = [], [], [], 0
        for number, block in rates.groupby("set"):
            of = theirs[(theirs["set"] == number) & (theirs["model"] == name)]
            if of.empty:
                continue
            n += 1
            y, columns = block["v"].to_numpy(float), (block["S"].to_numpy(float), block["I"].to_numpy(float))
            fit = kin.fit_model(model, y, *columns)
            kept = slice(0, 3)  # alpha of the mixed model is not identified where inhibition is competitive
            error.append(np.abs(fit.parameters / of["estimate"].to_numpy() - 1)[kept].max())
            se.append(np.abs(fit.errors / of["se"].to_numpy() - 1)[kept].max())
            if model == "competitive":
                found = [kin.profile_interval(model, fit, j, y, *columns) for j in range(3)]
                limits.append(np.abs(np.array(found) / of[["lower", "upper"]].to_numpy() - 1).max())
        rows.append(
            {
                "model": model,
                "sets": n,
                "estimates": max(error),
                "standard errors": max(se),
                "profile limits": max(limits, default=np.nan),
            }
        )
    error, limits = [], []
    for number, block in tight.groupby("set"):
        of = theirs[(theirs["set"] == number) & (theirs["model"] == "nls_morrison_logK")].set_index("term")
        y, columns = block["v"].to_numpy(float), (block["I"].to_numpy(float), block["E"].to_numpy(float))
        fit = kin.fit_model("morrison", y, *columns)
        error.append(
            max(
                abs(fit.parameters[0] / of.loc["v0", "estimate"] - 1),
                abs(np.log(fit.parameters[1]) - of.loc["lK", "estimate"]),
            )
        )
        low = np.log(kin.profile_interval("morrison", fit, 1, y, *columns)) - of.loc["lK", ["lower", "upper"]].to_numpy(
            float
        )
        limits.append(np.nanmax(np.abs(low)) if np.isfinite(low).any() else np.nan)
    rows.append(
        {
            "model": "morrison (log Ki)",
            "sets": len(error),
            "estimates": max(error),
            "standard errors": np.nan,
            "profile limits": np.nanmax(limits),
        }
    )
    print("largest relative differences from R's nls")
    show(rows)


_REFERENCE = """
import json, sys, warnings
import numpy as np
warnings.simplefilter("ignore")
import synergy.combination as c
from synergy.single import Hill
d = json.load(sys.stdin)
a, b, z = (np.array(d[k]) for k in "abz")
one, two = Hill(E0=1.0, Emax=0.1, h=1.3, C=1.0), Hill(E0=1.0, Emax=0.2, h=0.8, C=0.5)
models = {"bliss": c.Bliss(drug1_model=one, drug2_model=two), "hsa": c.HSA(drug1_model=one, drug2_model=two),
          "loewe": c.Loewe(mode="delta_nan", drug1_model=one, drug2_model=two),
          "combination index": c.Loewe(mode="CI", drug1_model=one, drug2_model=two),
          "zip": c.ZIP(drug1_model=one, drug2_model=two)}
print(json.dumps({k: [None if v != v else float(v) for v in m.fit(a, b, z)] for k, m in models.items()}))
"""


def synergy() -> None:
    """The models of two drugs against the package `synergy` (PyPI), with the same curves of the drugs alone."""
    if not SYNERGY_PYTHON.exists():
        print("skipped: set SYNERGY_PYTHON to the Python of an environment with `pip install synergy`")
        return
    rng = np.random.default_rng(1)
    grid = 10.0 ** np.linspace(-1.5, 1.5, 7)
    doses = np.r_[0, grid]
    a, b = (m.ravel() for m in np.meshgrid(doses, doses, indexing="ij"))
    curves = np.array([0.1, 1, 1.3, 0.0]), np.array([0.2, 1, 0.8, np.log10(0.5)])
    with np.errstate(divide="ignore"):
        alone = [hc.curve_at(np.tile(c, (a.size, 1)), np.log10(d)) for c, d in zip(curves, (a, b), strict=True)]
    z = np.clip((alone[0] * alone[1]) ** (1 + 0.3 * ((a > 0) & (b > 0))) + 0.02 * rng.normal(size=a.size), 0.001, 1)
    text = json.dumps({"a": a.tolist(), "b": b.tolist(), "z": z.tolist()})
    done = subprocess.run(
        [str(SYNERGY_PYTHON), "-c", _REFERENCE], input=text, capture_output=True, text=True, check=True
    )
    theirs = {
        k: np.array([np.nan if v is None else v for v in values]) for k, values in json.loads(done.stdout).items()
    }
    both = (a > 0) & (b > 0)
    expected, fitted = syn.zip_surfaces(z.reshape(8, 8)[1:, 1:], grid, grid, *curves, max_hill=10.0)
    mine = {
        "bliss": (syn.bliss_expected(*alone, top=1.0) - z)[both],
        "hsa": (syn.highest_single_expected(*alone) - z)[both],
        "loewe": (syn.loewe_expected(*curves, a, b) - z)[both],
        "combination index": syn.combination_index(*curves, a, b, z)[both],
        "zip": (expected - fitted).ravel(),
    }
    rows = []
    for name, values in mine.items():
        reference = theirs[name][both]
        rows.append(
            {
                "model": name,
                "pairs": values.size,
                "defined": int(np.isfinite(values).sum()),
                "same pairs undefined": bool((np.isnan(values) == np.isnan(reference)).all()),
                "largest difference": np.nanmax(np.abs(values - reference)),
            }
        )
    show(rows)


# --- simulated assays -----------------------------------------------------------------------------------------------


def curves_table(
    rng: np.random.Generator,
    lines: int,
    n: int,
    *,
    shift: float = 0.0,
    between: float = 0.12,
    within: float = 4.0,
    spread: float = 1.0,
    n_test: int | None = None,
    wells: int = 2,
) -> pd.DataFrame:
    """Two conditions, biological replicates with own midpoints, slopes and plateaus, technical wells."""
    dose_um = 10.0 ** np.linspace(-3, 1, 9)
    blocks = []
    for condition, delta, sd, k in (("control", 0.0, 1.0, n), ("test", shift, spread, n_test or n)):
        shape = (lines, k, 1, 1)
        midpoint = -1 + delta + sd * between * rng.normal(size=shape)
        hill = 1.2 * np.exp(0.1 * rng.normal(size=shape))
        lower = 10 + 4 * rng.normal(size=shape)
        mean = lower + (100 - lower) / (1 + 10 ** (hill * (np.log10(dose_um)[None, None, :, None] - midpoint)))
        y = mean + within * rng.normal(size=(lines, k, dose_um.size, wells))
        at = np.indices(y.shape).reshape(4, -1)
        blocks.append(
            pd.DataFrame(
                {
                    "experiment": "e",
                    "line": at[0],
                    "condition": condition,
                    "compound": "drug",
                    "dose_um": dose_um[at[2]],
                    "replicate": at[1],
                    "plate": "p",
                    "response": y.ravel(),
                }
            )
        )
    return pd.concat(blocks)


def release_table(rng: np.random.Generator, experiments: int, n: int, *, ratio: float = 1.0) -> pd.DataFrame:
    hours = np.array([0, 1, 2, 4, 8, 24.0])
    blocks = []
    for condition, k in (("control", 0.15), ("test", 0.15 * ratio)):
        shape = (experiments, n, 1)
        rate, plateau = k * np.exp(0.15 * rng.normal(size=shape)), 80 * np.exp(0.03 * rng.normal(size=shape))
        y = plateau * -np.expm1(-rate * hours) + 1.5 * rng.normal(size=(experiments, n, hours.size))
        at = np.indices(y.shape).reshape(3, -1)
        blocks.append(
            pd.DataFrame(
                {
                    "experiment": at[0],
                    "condition": condition,
                    "replicate": at[1],
                    "time": hours[at[2]],
                    "released": y.ravel(),
                }
            )
        )
    return pd.concat(blocks)


def values_table(
    rng: np.random.Generator,
    lines: int,
    n: int,
    *,
    spread: float = 1.0,
    percent: bool = False,
    n_test: int | None = None,
) -> pd.DataFrame:
    blocks = []
    for condition, sd, k in (("control", 1.0, n), ("test", spread, n_test or n)):
        level = 0.3 * sd * rng.normal(size=(lines, k, 1)) + 0.1 * rng.normal(size=(lines, k, 3))
        y = 100 / (1 + np.exp(1.0 - level)) if percent else np.exp(3 + level)
        at = np.indices(y.shape).reshape(3, -1)
        blocks.append(
            pd.DataFrame(
                {
                    "line": at[0],
                    "condition": condition,
                    "replicate": at[1],
                    "readout": "signal",
                    "kind": "apoptosis" if percent else "internalisation",
                    "unit": "percent" if percent else "",
                    "value": y.ravel(),
                }
            )
        )
    return pd.concat(blocks)


def qpcr_table(rng: np.random.Generator, lines: int, n: int) -> pd.DataFrame:
    blocks = []
    for condition in ("control", "test"):
        input_amount = rng.normal(size=(lines, n, 1, 1))
        ct = np.array([18.0, 19.0, 25.0])[:, None] + input_amount + 0.3 * rng.normal(size=(lines, n, 3, 1))
        y = ct + 0.15 * rng.normal(size=(lines, n, 3, 3))
        at = np.indices(y.shape).reshape(4, -1)
        blocks.append(
            pd.DataFrame(
                {
                    "line": at[0],
                    "condition": condition,
                    "replicate": at[1],
                    "gene": np.array(["GAPDH", "ACTB", "CST3"])[at[2]],
                    "ct": y.ravel(),
                }
            )
        )
    return pd.concat(blocks)


def blot_table(rng: np.random.Generator, lines: int, n: int) -> pd.DataFrame:
    y = np.exp(
        8
        + rng.normal(size=(lines, n, 1, 1))
        + 0.2 * rng.normal(size=(lines, n, 2, 1))
        + 0.3 * rng.normal(size=(lines, n, 2, 2))
    )
    at = np.indices(y.shape).reshape(4, -1)
    return pd.DataFrame(
        {
            "line": at[0],
            "replicate": at[1],
            "condition": np.array(["control", "test"])[at[2]],
            "membrane": at[1],
            "protein": np.array(["GAPDH", "CST3"])[at[3]],
            "signal": y.ravel(),
        }
    )


def pairs_table(rng: np.random.Generator, lines: int, n: int, null: str, lower: float = 10.0) -> pd.DataFrame:
    """Two drugs without synergy by Bliss or by Loewe; the curves alone vary between replicates."""
    doses = np.r_[0, 10.0 ** np.linspace(-1.5, 1, 5)]
    a, b = np.meshgrid(doses, doses, indexing="ij")
    blocks = []
    with np.errstate(divide="ignore"):
        log_a, log_b = np.log10(a), np.log10(b)
    for line in range(lines):
        for replicate in range(n):
            one = np.array([lower, 100, 1.2, 0.1 * rng.normal()])
            two = np.array([lower, 100, 0.9, -0.3 + 0.1 * rng.normal()])
            if null == "bliss":
                y = hc.curve_at(np.tile(one, (6, 6, 1)), log_a) * hc.curve_at(np.tile(two, (6, 6, 1)), log_b) / 100
            else:
                y = syn.loewe_expected(one, two, a, b)
            y = y + 4 * rng.normal(size=y.shape)
            blocks.append(
                pd.DataFrame(
                    {
                        "line": line,
                        "condition": "c",
                        "drug_a": "x",
                        "drug_b": "y",
                        "dose_a_um": a.ravel(),
                        "dose_b_um": b.ravel(),
                        "replicate": replicate,
                        "response": y.ravel(),
                    }
                )
            )
    return pd.concat(blocks)


def simulated() -> None:
    """Curves with a known truth: recovery by the number of replicates, and what `cap` changes."""
    rng = np.random.default_rng(11)
    rows = []
    for lines, n, within in ((2000, 1, 4.0), (1000, 3, 4.0), (1000, 3, 10.0)):
        table = curves_table(rng, lines, n, within=within)
        table = table[table["condition"] == "control"]
        truth_ic50 = -1 + np.log10(50 / 40) / 1.2
        area = 1 - hc.mean_response(np.array([10, 100, 1.2, -1.0]), np.array(-3.0), np.array(1.0)) / 100
        for cap in (True, False):
            out = validation.dose_response(table, cap=cap).table
            off = np.log10(out["ic50_um"]) - truth_ic50
            covered = (np.log10(out["ic50_low"]) <= truth_ic50) & (np.log10(out["ic50_high"]) >= truth_ic50)
            rows.append(
                {
                    "replicates": n,
                    "SD of a well": within,
                    "cap": cap,
                    "curves": len(out),
                    "reached": out["ic50_reached"].mean(),
                    "log10 IC50, bias": off.mean(),
                    "SD": off.std(),
                    "AAC, bias": (out["aac"] - area).mean(),
                    "AAC, SD": (out["aac"] - area).std(),
                    "interval has the truth": covered.mean(),
                }
            )
    show(rows)


def rate(p: pd.Series) -> float:
    p = p.dropna()
    return float((p < 0.05).mean())


def type_one(draws: int = 4000) -> None:
    """Type I error at .05 of every comparison, 3 to 8 biological replicates; coverage of the bootstrap."""
    rng = np.random.default_rng(5)
    rows: list[dict[str, object]] = []
    for n in REPLICATES:
        table = curves_table(rng, draws, n)
        for quantity in ("log10 IC50", "aac"):
            for (weights, pairing), (share, _) in _by_weights(table, 0.0, quantity).items():
                rows.append({"comparison": f"{quantity}, {pairing}, weights {weights}", "replicates": n,
                             "p < .05": share, "error": np.sqrt(0.0475 / draws)})  # fmt: skip
        for shape in ("own", "shared"):
            out = validation.dose_ratios(curves_table(rng, draws // 2, n), replicates=shape, weights="equal").table
            boot = ((out["boot_low"] <= 1) & (out["boot_high"] >= 1)).mean()
            for what, p in (("dose ratio", out["p_value"]), ("extra sum of squares", out["f_p_value"])):
                rows.append({"comparison": f"{what}, {shape} shape", "replicates": n, "p < .05": rate(p),
                             "error": np.sqrt(0.0475 / len(p)), "bootstrap": boot})  # fmt: skip
    show(rows)
    type_one_unequal(draws)
    type_one_of_values(draws)
    type_one_of_models(draws // 2, 4 * draws)


def type_one_unequal(draws: int = 4000) -> None:
    """Unequal numbers of replicates and unequal variances."""
    rng = np.random.default_rng(9)
    rows = []

    def add(what: str, n: object, p: pd.Series, **more: float) -> None:
        rows.append(
            {"comparison": what, "replicates": n, "p < .05": rate(p), "error": np.sqrt(0.0475 / len(p)), **more}
        )

    for n, m in ((3, 4), (3, 6), (3, 8), (5, 8), (8, 3)):
        for spread in (1.0, 3.0):
            table = values_table(rng, 2 * draws, n, n_test=m, spread=spread)
            p = validation.readouts(table).table["p_value"]
            add(f"read-out, SD of the test x {spread:g}", f"{m} v {n}", p)
    for spread in (1.0, 3.0):
        found = _by_weights(curves_table(rng, draws, 8, n_test=3, spread=spread), 0.0)
        for weights in ("equal", "errors"):
            rows.append({"comparison": f"dose ratio, weights {weights}, SD of the test x {spread:g}",
                         "replicates": "3 v 8", "p < .05": found[weights, "unpaired"][0],
                         "error": np.sqrt(0.0475 / draws)})  # fmt: skip
    show(rows)


def type_one_of_values(draws: int = 4000) -> None:
    """Read-outs, qPCR, blots."""
    rng = np.random.default_rng(8)
    rows = []

    def add(what: str, n: object, p: pd.Series, **more: float) -> None:
        rows.append(
            {"comparison": what, "replicates": n, "p < .05": rate(p), "error": np.sqrt(0.0475 / len(p)), **more}
        )

    for n in REPLICATES:
        for what, table in (
            ("read-out, ratio", values_table(rng, 2 * draws, n)),
            ("read-out, SD of the test x 3", values_table(rng, 2 * draws, n, spread=3.0)),
            ("read-out, percent", values_table(rng, 2 * draws, n, percent=True)),
        ):
            add(what, n, validation.readouts(table).table["p_value"])
        add("qPCR", n, validation.qpcr(qpcr_table(rng, draws, n), reference_genes=["GAPDH", "ACTB"]).table["p_value"])
        add("blot", n, validation.blot(blot_table(rng, draws, n), loading=["GAPDH"]).table["p_value"])
    show(rows)


def rate_pools(rng: np.random.Generator, pool: int) -> dict[str, np.ndarray]:
    """Logarithms of Km, Ki and IC50 of many replicates, each fitted once; constants vary between replicates by 20 %."""
    s, i = (m.ravel() for m in np.meshgrid([1.0, 2, 5, 10, 20, 50], [0.0, 0.5, 2, 8]))
    alone, inhibitor = np.array([1.0, 2, 5, 10, 20, 50]), np.array([0.01, 0.03, 0.1, 0.3, 1, 3, 10])
    out: dict[str, list[float]] = {"ratio of Km": [], "ratio of Ki (competitive)": [], "ratio of IC50 (sigmoid)": []}
    for _ in range(pool):
        vmax, km, ki, ic50 = np.array([100, 8, 1.5, 0.4]) * np.exp(0.2 * rng.normal(size=4))

        def noise(v: np.ndarray) -> np.ndarray:
            found: np.ndarray = v * (1 + 0.05 * rng.normal(size=v.size))
            return found

        for name, model, at, y, columns in (
            ("ratio of Km", "michaelis-menten", "km", noise(vmax * alone / (km + alone)), (alone,)),
            ("ratio of Ki (competitive)", "competitive", "ki", noise(vmax * s / (km * (1 + i / ki) + s)), (s, i)),
            ("ratio of IC50 (sigmoid)", "sigmoid", "ic50", noise(vmax / (1 + inhibitor / ic50)), (inhibitor,)),
        ):
            fit = kin.fit_model(model, y, *columns)
            out[name].append(float(np.log(fit.parameters[kin.MODELS[model].parameters.index(at)])))
    return {name: np.array(values) for name, values in out.items()}


def type_one_of_models(pool: int = 2000, draws: int = 4000) -> None:
    """Rate constants between conditions, and synergy where there is none.

    Every simulated replicate is fitted once; each comparison draws its replicates from that pool.
    """
    rng = np.random.default_rng(7)
    rows = []
    table = release_table(rng, pool, 1)
    table = table[table["condition"] == "control"]
    y = table["released"].to_numpy(float).reshape(pool, -1)
    time_h = table["time"].to_numpy(float).reshape(pool, -1)
    log_k = np.log([kin.fit_model("first order", *pair).parameters[1] for pair in zip(y, time_h, strict=True)])
    pools = {"release, ratio of k": log_k, **rate_pools(rng, pool)}
    for n in REPLICATES:
        for name, values in pools.items():
            p = [difference(*rng.choice(values, (2, n))).p_value for _ in range(draws)]
            rows.append({"comparison": name, "replicates": n, "p < .05": rate(pd.Series(p)),
                         "SD of a replicate": values.std()})  # fmt: skip
    for null, lower, models in (("bliss", 10.0, ("bliss", "zip")), ("loewe", 10.0, ("loewe",)),
                                ("bliss", 0.0, ("bliss", "zip")), ("loewe", 0.0, ("loewe",))):  # fmt: skip
        out = validation.combinations(pairs_table(rng, pool // 2, 1, null, lower), models=models).table
        whole = out[out["dose_a_um"].isna()]
        for model in models:
            mean = whole.loc[whole["model"] == model, "synergy"].dropna().to_numpy(float)
            for n in (3, 5, 8):
                v = rng.choice(mean, (10 * draws, n))
                t = v.mean(axis=1) / v.std(axis=1, ddof=1) * np.sqrt(n)
                rows.append({"comparison": f"{model}, none by {null}, plateau {lower:g}", "replicates": n,
                             "p < .05": float((2 * stats.t.sf(np.abs(t), n - 1) < 0.05).mean()),
                             "mean synergy": mean.mean(), "SD of a replicate": mean.std()})  # fmt: skip
    show(rows)


def uneven(table: pd.DataFrame, kind: str, rng: np.random.Generator) -> pd.DataFrame:
    """Replicates that differ in how certain they are, or plates with effects of their own (SD 8 % of the signal)."""
    first = (table["replicate"] == 0).to_numpy()
    if kind == "one replicate with 4 x the noise":
        noise = 12 * rng.normal(size=len(table))
        return table.assign(response=table["response"] + np.where(first, noise, 0))
    if kind == "one replicate with half of the doses":
        return table[~first | (table["dose_um"].rank(method="dense") % 2 == 1)]
    if kind == "two plates with effects":
        keys = ["line", "condition", "replicate"]
        table = table.assign(plate=table.groupby([*keys, "dose_um"]).cumcount())
        at = table.groupby([*keys, "plate"]).ngroup().to_numpy()
        return table.assign(response=table["response"] * (1 + 0.08 * rng.normal(size=at.max() + 1)[at]))
    return table


def levels(draws: int = 4000) -> None:
    """Replicates weighted by their errors (random effects) beside equal weights: type I, coverage, power.

    Every curve is fitted once; both weights and both pairings are tested on the same curves.
    """
    rows = []
    for kind in ("even", "one replicate with 4 x the noise", "one replicate with half of the doses",
                 "two plates with effects"):  # fmt: skip
        for n in (3, 5, 8):
            rng = np.random.default_rng(n)
            null = _by_weights(uneven(curves_table(rng, draws, n), kind, rng), 0.0)
            other = _by_weights(uneven(curves_table(rng, draws // 2, n, shift=0.2), kind, rng), 0.2)
            rows += [
                {"replicates are": kind, "n": n, "pairing": pairing, "weights": weights,
                 "p < .05": null[weights, pairing][0], "found": other[weights, pairing][0],
                 "covered": other[weights, pairing][1]}
                for weights, pairing in null
            ]  # fmt: skip
            show(rows[-4:])

    print("\nknown errors whose squares differ up to 15-fold; SD between replicates and a shift of 0.25")
    known_errors(draws)


def known_errors(draws: int) -> None:
    """Weights by known errors beside equal weights, without curves."""
    rng, rows = np.random.default_rng(1), []
    for sd in (0, 0.05, 0.12, 0.3):
        for n in (3, 5, 8):
            found: dict[str, list[bool]] = {}
            for _ in range(draws):
                v = rng.uniform(0.002, 0.03, (2, n))
                y = sd * rng.normal(size=(2, n)) + np.sqrt(v) * rng.normal(size=(2, n))
                a, b = (combine(y[k], v[k], np.arange(n)) for k in (0, 1))
                ends = t_interval(a, level=0.95), stats.t.interval(0.95, n - 1, y[0].mean(), stats.sem(y[0]))
                moved = a._replace(mean=a.mean + 0.25)
                for name, hit in (
                    ("errors: p < .05", weighted_difference(a, b)[3] < 0.05),
                    ("equal: p < .05", difference(y[0], y[1]).p_value < 0.05),
                    ("errors: found", weighted_difference(moved, b)[3] < 0.05),
                    ("equal: found", difference(y[0] + 0.25, y[1]).p_value < 0.05),
                    ("errors: one mean covered", ends[0][0] <= 0 <= ends[0][1]),
                    ("equal: one mean covered", ends[1][0] <= 0 <= ends[1][1]),
                ):
                    found.setdefault(name, []).append(bool(hit))
            rows.append({"SD": sd, "n": n, **{k: np.mean(h) for k, h in found.items()}})
    show(rows)


def _by_weights(
    table: pd.DataFrame, shift: float, quantity: str = "log10 IC50"
) -> dict[tuple[str, str], tuple[float, float]]:
    """Share of p below .05, and of intervals with the truth, by weights and pairing."""
    units = fit_units(read_doses(table), Shape())
    leveled = level_conditions(units, quantity, 50.0)
    found: dict[tuple[str, str], list[tuple[float, float, float, float]]] = {}
    for _, block in units.fitted.groups.groupby("line", sort=False):
        at = dict(zip(block["condition"], block.index, strict=True))
        if not {at["test"], at["control"]} <= set(leveled):
            continue
        a, b = leveled[at["test"]], leveled[at["control"]]
        for pairing in ("unpaired", "paired") if a.names.size == b.names.size else ("unpaired",):
            plain = difference(a.mean.estimate, b.mean.estimate, paired=pairing == "paired")
            found.setdefault(("equal", pairing), []).append(
                (plain.effect, plain.ci_low, plain.ci_high, plain.p_value))  # fmt: skip
            of = paired_difference(a, b) if pairing == "paired" else weighted_difference(a.mean, b.mean)
            found.setdefault(("errors", pairing), []).append(of)
    out = {}
    for key, values in found.items():
        v = np.array(values)
        out[key] = float((v[:, 3] < 0.05).mean()), float(((v[:, 1] <= shift) & (v[:, 2] >= shift)).mean())
    return out


def power() -> None:
    """Share of two-fold and four-fold changes of the IC50 that are found at .05."""
    rng = np.random.default_rng(6)
    rows = []
    for n in (3, 4, 6):
        for fold in (2.0, 4.0):
            table = curves_table(rng, 1500, n, shift=np.log10(fold))
            row: dict[str, object] = {"replicates": n, "fold": fold}
            for shape in ("own", "shared"):
                out = validation.dose_ratios(table, replicates=shape).table
                inside = ((out["ci_low"] <= fold) & (out["ci_high"] >= fold)).mean()
                row |= {
                    f"found, {shape}": rate(out["p_value"]),
                    f"sum of squares, {shape}": rate(out["f_p_value"]),
                    f"interval has the truth, {shape}": inside,
                    "found, area": rate(out["aac_p_value"]),
                }
            rows.append(row)
    show(rows)
