"""What a design can answer, before anything runs: per contrast its patients, confounding, floor and reach."""

from collections.abc import Iterable
from types import MappingProxyType

import numpy as np
import pandas as pd

from scresist.checks import InputError
from scresist.contrasts.units import Units, check_design, contrast_units
from scresist.contrasts.verdict import ALPHA
from scresist.kernels.patient_model import effect_variance, fit_patient_model
from scresist.kernels.permutation import n_relabellings, permutation_detail
from scresist.kernels.power import detectable, t_power
from scresist.kernels.residual_permutation import arrangements
from scresist.results import Result
from scresist.study.design import Contrast, Design

_ENUMERATED = 5_000


def estimable(
    design: Design, *, correlation: float = 0.5, power: float = 0.8, alpha: float = ALPHA,
    kept: Iterable[str] | None = None,
) -> Result:  # fmt: skip
    """What each contrast of a design can and cannot show, whatever the data.

    Parameters
    ----------
    design
        Arms, contrasts, sheet of samples.
    correlation
        Assumed correlation of two samples of one patient, where there are pairs.
    power
        Of the smallest detectable effect.
    alpha
        Level of the tests; intervals have a coverage of 1 - alpha.
    kept
        Samples that have cells left after quality control: the design is that of these, and the sentence names the
        patients that are lost. None: all.

    Returns
    -------
    Result whose table has one row per contrast: `contrast`, `test`, `reference`, `pairing`, `n_test`, `n_reference`,
    `n_pairs` (patients), `n_relabellings`, `p_floor` (the smallest p-value an exact test can reach), `detectable` (the
    smallest difference found with `power` at `alpha` by a t test of one feature, in standard deviations between
    patients), `confounded` (covariates and batches that go with the arm), `verdict` (ok | weak | refused) and
    `sentence`. Refused: fewer than two patients in an arm (or two pairs), a patient in both arms of an unpaired
    contrast, or an arm that the covariates explain wholly. Weak: p_floor above alpha, or a batch that the arms do not
    share.

    Raises
    ------
    InputError
        For a correlation outside [0, 1), or a contrast with an arm that the design lacks.

    References
    ----------
    Phipson & Smyth (2010) Stat Appl Genet Mol Biol 9:39, on the smallest permutation p-value.
    """
    if not 0 <= correlation < 1:
        raise InputError(f"correlation must lie in [0, 1); got {correlation!r}")
    check_design(design, [])
    left = design if kept is None else design.of(kept)
    rows = [_judge(left, contrast, correlation, power, alpha) for contrast in design.contrasts]
    lost = losses(design, left)
    for row in rows:
        if row["contrast"] in lost:
            row["sentence"] = f"{row['sentence']} After quality control: {lost[str(row['contrast'])]}."
    settings = {"correlation": correlation, "power": power, "alpha": alpha}
    refused = tuple(str(r["sentence"]) for r in rows if r["verdict"] != "ok")
    return Result(pd.DataFrame(rows), "what the design can answer", MappingProxyType(settings), refused)


def losses(design: Design, left: Design) -> dict[str, str]:
    """By contrast, which patients are lost from an arm because their samples have no cell left, in words.

    Parameters
    ----------
    design
        Arms, contrasts, sheet of samples.
    left
        The same over the samples that have cells.
    """
    words = {}
    for contrast in design.contrasts:
        gone, sizes = [], []
        for arm in (contrast.test, contrast.reference, *contrast.arms[1:-1]):
            given, kept = (set(d.samples.loc[d.samples["arm"] == arm, "patient"]) for d in (design, left))
            gone += [f"{patient} ({arm})" for patient in sorted(given - kept)]
            sizes.append((len(kept), len(given)))
        if gone:
            now, before = (" against ".join(str(size[i]) for size in sizes[:2]) for i in (0, 1))
            has = "has" if len(gone) == 1 else "have"
            words[contrast.name] = f"{now} patients, not {before} as in the sheet: {', '.join(gone)} {has} no cell left"
    return words


def _judge(design: Design, contrast: Contrast, correlation: float, power: float, alpha: float) -> dict[str, object]:
    dummy = pd.DataFrame({"any": np.random.default_rng(0).normal(size=len(design.samples))}, index=design.samples.index)
    units = contrast_units(dummy, design, contrast)
    doubled = sorted(set(units.patient[units.paired])) if units.patient.size else []
    if contrast.pairing == "paired":
        units = units.keep(units.paired)
    n_test, n_reference = int(units.is_test.sum()), int(units.is_reference.sum())
    full, partial = confounding(design, contrast)
    row: dict[str, object] = {
        "contrast": contrast.name, "test": contrast.test, "reference": contrast.reference, "pairing": contrast.pairing,
        "n_test": n_test, "n_reference": n_reference, "n_pairs": int(np.unique(units.patient[units.paired]).size),
        "n_relabellings": 0, "p_floor": np.nan, "detectable": np.nan,
        "confounded": "; ".join([*(f"{c} (wholly)" for c in full), *partial]),
    }  # fmt: skip
    if n_test and n_reference:
        total = arrangements(units.arm, units.code, units.strata)[0]
        row["n_relabellings"], row["p_floor"] = total, exact_floor(units)
    variance, df = _variance_factor(units, correlation)
    if min(n_test, n_reference) >= 2 and np.isfinite(variance) and df > 0:
        row["detectable"] = np.sqrt(variance) * detectable(lambda shift: t_power(shift, df, alpha), power)
    row["verdict"], row["sentence"] = _verdict(row, contrast, doubled, full, design, variance, alpha)
    return row


def _verdict(
    row: dict[str, object], contrast: Contrast, doubled: list[str], full: list[str], design: Design, variance: float,
    alpha: float,
) -> tuple[str, str]:  # fmt: skip
    n_test, n_reference = int(str(row["n_test"])), int(str(row["n_reference"]))
    sizes = f"{n_test} patient{'s' * (n_test != 1)} in {contrast.test} against {n_reference} in {contrast.reference}"
    sizes += f" ({row['n_pairs']} of them in both)" if row["n_pairs"] else ""
    head = f"{contrast.name}: {sizes}"
    if contrast.order:
        head = f"{contrast.name}: course over {', '.join(contrast.order)}; {sizes}"
    few = "pairs" if contrast.pairing == "paired" else "patients in each arm"
    if min(n_test, n_reference) < 2:
        return "refused", f"{head}. No test: it needs at least two {few}."
    if contrast.pairing == "unpaired" and doubled:
        who = ", ".join(doubled[:5])
        return "refused", f"{head}. No test: unpaired, but {who} are in both arms; set pairing to auto."
    adjusted = [c for c in full if c in design.covariates]
    if adjusted or not np.isfinite(variance):
        what = " and ".join(adjusted) or "the covariates together"
        return "refused", f"{head}. No test: {what} cannot be separated from the arm; drop it or add patients."
    floor, reach = float(str(row["p_floor"])), float(str(row["detectable"]))
    sized = f"a difference of {reach:.1f} SD is found 8 times in 10"
    found = sized if np.isfinite(reach) else "no size of difference is assured"
    words = f"{head}. An exact test can reach p = {floor:.2g}; {found}."
    if full:
        return "weak", f"{words} The arms share no {', '.join(full)}: a difference may be that, not the arm."
    if floor > alpha:
        return (
            "weak",
            f"{words} Below {alpha:g} a p-value rests on assumptions about the distribution, not on patients.",
        )
    return "ok", words


def weakness(table: pd.DataFrame) -> dict[str, str]:
    """By contrast of the table of `estimable`, why it is weak though it has enough patients: no shared batch."""
    weak = table[(table["verdict"] == "weak") & table["confounded"].fillna("").str.contains("(wholly)", regex=False)]
    return dict(zip(weak["contrast"].astype(str), weak["sentence"].astype(str), strict=True))


def confounding(design: Design, contrast: Contrast) -> tuple[list[str], list[str]]:
    """Covariates and batches that the arms of a contrast do not share at all, and those they share unevenly.

    Over patients. A column with another level for every patient is no batch and is passed over.
    """
    sheet = design.samples[design.samples["arm"].isin([contrast.test, contrast.reference])]
    full, partial = [], []
    for name in dict.fromkeys([*design.covariates, *(b for b in design.batches if b in sheet.columns)]):
        frame = sheet[["patient", "arm", name]].dropna().drop_duplicates()
        if frame["arm"].nunique() < 2 or frame[name].nunique() < 2:
            continue
        is_test = (frame["arm"] == contrast.test).to_numpy(float)
        if pd.api.types.is_numeric_dtype(frame[name]) and not pd.api.types.is_bool_dtype(frame[name]):
            r2 = float(np.corrcoef(frame[name].to_numpy(float), is_test)[0, 1] ** 2)
        else:
            counts = pd.crosstab(frame[name], frame["arm"]).to_numpy(float)
            if (counts.sum(axis=1) <= 1).all():
                continue
            expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0, keepdims=True) / counts.sum()
            r2 = float(((counts - expected) ** 2 / expected).sum() / counts.sum())
        if r2 > 1 - 1e-9:
            full.append(str(name))
        elif r2 > 0.25:
            partial.append(f"{name} (R2 {r2:.2f})")
    return full, partial


def exact_floor(units: Units) -> float:
    """The smallest p-value that relabelling the patients of a contrast can reach."""
    if units.step is not None:
        ways, even = arrangements(units.step, units.code, units.strata)
        return min((2 if even else 1) / ways, 1.0)
    total = n_relabellings(units.is_test, units.code, units.strata)
    if total <= _ENUMERATED:
        found = permutation_detail(
            units.values[:, 0], units.is_test, patient=units.patient, strata=units.strata, n_permutations=_ENUMERATED,
            alpha=None,
        )  # fmt: skip
        return float(found.p_floor)
    single = ~units.paired
    even = all(
        (units.is_test[single & (units.strata == s)]).mean() in (0.0, 0.5, 1.0) for s in set(units.strata[single])
    )
    return (2 if even else 1) / total


def _variance_factor(units: Units, correlation: float) -> tuple[float, float]:
    """Variance of the effect in units of the variance between patients' values, and its degrees of freedom."""
    if units.patient.size == 0:
        return np.nan, 0.0
    design = np.column_stack([units.nuisance, units.arm])
    pick = np.zeros((1, design.shape[1]))
    pick[0, -1] = 1
    share = 1.0 if units.paired.all() else correlation
    fit = fit_patient_model(units.values, design, pick, units.code, correlation=share)
    if not fit.repeated[0]:
        return float(fit.within_factor[0, 0]), float(fit.within_df[0])
    within = np.array([1 - correlation])
    with np.errstate(invalid="ignore", divide="ignore"):
        between = within + fit.between_trace / fit.between_df * correlation
    variance, df = effect_variance(fit, within, fit.within_df, between, fit.between_df_effective)
    return float(variance[0, 0]), float(df[0, 0])
