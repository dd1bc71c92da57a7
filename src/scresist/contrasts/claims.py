"""The register of claims: every sentence that a report may state, with what it rests on and whether it stands."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd

from scresist.contrasts.estimability import estimable
from scresist.design import Contrast, Design
from scresist.results import Result

COLUMNS = (
    "kind", "statement", "unit", "n", "test", "effect", "ci_low", "ci_high", "p_value", "p_floor", "q_value",
    "influence", "influence_patient", "verdict", "why", "contrast", "feature", "cell_type",
)  # fmt: skip
VERDICTS = ("supported", "suggestive", "not supported", "refused")
_FEATURE = ("gene", "module", "signature", "pathway", "feature", "cell_type", "population")


def register_claims(
    results: Mapping[str, Result | pd.DataFrame],
    design: Design,
    *,
    alpha: float = 0.05,
    top: int = 25,
    keep: Iterable[str] = (),
) -> Result:
    """Every finding worth a sentence, with unit, n, test, effect, interval, p, p_floor, q, influence and verdict.

    Parameters
    ----------
    results
        Tables by kind: expression, modules, composition, signatures, communication, survival; any other name is taken
        as values that differ between arms. Columns as their functions give them.
    design
        Arms, contrasts, sheet of samples.
        Its contrasts are judged first.
    alpha
        Level of the tests; intervals hold 1 - alpha.
    top
        Rows per kind and contrast, by p-value.
    keep
        Features that get a row whatever they show (known escape routes, genes asked for).

    Returns
    -------
    Result whose table has `kind`, `statement`, `unit` (patient), `n` (6 against 7 patients, 4 in both), `test`,
    `effect`, `ci_low`, `ci_high`, `p_value`, `p_floor`, `q_value`, `influence`, `influence_patient`, `verdict`, `why`,
    `contrast`, `feature`, `cell_type`. Verdicts: supported (q < alpha, not resting on one patient, within reach of an
    exact test, in a contrast that the design can answer); suggestive (p < alpha, but not all of that); not supported
    (the rest, and findings that rest on one patient); refused (no test; why says so).
    """
    able = estimable(design, alpha=alpha).table
    judged = {str(r["contrast"]): (str(r["verdict"]), str(r["sentence"])) for r in _records(able)}
    rows = [_about_contrast(r) for r in _records(able)]
    kept = frozenset(map(str, keep))
    for kind, result in results.items():
        table = result.table if isinstance(result, Result) else result
        if table.empty:
            continue
        for row in _records(_chosen(table, top, kept)):
            rows.append(_survival(row, alpha) if "hr" in row else _difference(kind, row, design, judged, alpha))
    counts = pd.Series([r["verdict"] for r in rows], dtype=object).value_counts()
    notes = tuple(f"{counts.get(v, 0)} {v}" for v in VERDICTS)
    settings = MappingProxyType({"alpha": alpha, "top": top})
    return Result(pd.DataFrame(rows, columns=list(COLUMNS)), "register of claims", settings, notes)


def _records(table: pd.DataFrame) -> list[dict[str, object]]:
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def _chosen(table: pd.DataFrame, top: int, keep: frozenset[str]) -> pd.DataFrame:
    """The rows with the smallest p-values of each contrast (or method), and those asked for."""
    group = next((c for c in ("contrast", "method") if c in table.columns), None)
    ordered = table.sort_values("p_value", kind="stable", na_position="last")
    rank = ordered.groupby(group, sort=False).cumcount() if group else pd.Series(range(len(ordered)), ordered.index)
    name = next((c for c in _FEATURE if c in table.columns), None)
    asked = ordered[name].astype(str).isin(keep) if name else pd.Series(data=False, index=ordered.index)
    found = ordered["p_value"].notna() & (rank < top)
    return ordered[found | asked]


def _about_contrast(row: Mapping[str, object]) -> dict[str, object]:
    """The first claim of every contrast: what it can show at all."""
    verdict = {"ok": "supported", "weak": "suggestive", "refused": "refused"}[str(row["verdict"])]
    nothing = dict.fromkeys(("effect", "ci_low", "ci_high", "p_value", "q_value", "influence"), np.nan)
    return {
        **nothing, "kind": "design", "statement": row["sentence"], "unit": "patient", "n": _sizes(row),
        "test": "design", "p_floor": row["p_floor"], "influence_patient": "", "verdict": verdict,
        "why": row["confounded"], "contrast": row["contrast"], "feature": "", "cell_type": "",
    }  # fmt: skip


def _sizes(row: Mapping[str, object]) -> str:
    both = f", {row['n_pairs']} in both" if row.get("n_pairs") else ""
    return f"{row['n_test']} against {row['n_reference']} patients{both}"


def _difference(
    kind: str, row: Mapping[str, object], design: Design, judged: Mapping[str, tuple[str, str]], alpha: float
) -> dict[str, object]:
    contrast = next(c for c in design.contrasts if c.name == row["contrast"])
    effect = _number(row.get("effect", row.get("log2fc")))
    name = next((c for c in _FEATURE if c in row), "feature")
    feature, cell_type = str(row.get(name, "")), str(row.get("cell_type", ""))
    verdict, why = _verdict(row, judged[contrast.name], alpha)
    return {
        "kind": kind, "statement": _sentence(kind, feature, cell_type, contrast, effect, row), "unit": "patient",
        "n": _sizes(row), "test": row.get("test", ""), "effect": effect,
        **{c: _number(row.get(c)) for c in ("ci_low", "ci_high", "p_value", "p_floor", "q_value", "influence")},
        "influence_patient": row.get("influence_patient", ""), "verdict": verdict, "why": why,
        "contrast": contrast.name, "feature": feature, "cell_type": "" if name == "cell_type" else cell_type,
    }  # fmt: skip


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float, np.number)) else float("nan")


def _sentence(
    kind: str, feature: str, cell_type: str, contrast: Contrast, effect: float, row: Mapping[str, object]
) -> str:
    where = f" in {cell_type}" if cell_type not in ("", "all", feature) else ""
    sides = f"{contrast.test} than in {contrast.reference}"
    if np.isnan(effect):
        return f"{feature}{where} could not be compared between {contrast.test} and {contrast.reference}."
    more, low, high = effect > 0, _number(row.get("ci_low")), _number(row.get("ci_high"))
    what = f"{effect:.2f}, 95 % interval {low:.2f} to {high:.2f}" if np.isfinite([low, high]).all() else f"{effect:.2f}"
    if kind == "expression":
        return f"{feature} is {'higher' if more else 'lower'}{where} in {sides} (log2 fold change {what})."
    if kind == "composition":
        return f"{feature} make up {'more' if more else 'less'} of the cells in {sides} (difference {what})."
    if kind == "modules":
        return f"Module {feature} is {'more' if more else 'less'} active{where} in {sides} (difference {what})."
    return f"{feature} is {'higher' if more else 'lower'}{where} in {sides} (difference {what})."


def _verdict(row: Mapping[str, object], judged: tuple[str, str], alpha: float) -> tuple[str, str]:
    p, q, floor = (_number(row.get(c)) for c in ("p_value", "q_value", "p_floor"))
    if np.isnan(p):
        return "refused", str(row.get("reason") or judged[1])
    if p >= alpha:
        return "not supported", f"p = {p:.2g}"
    if row.get("rests_on_one"):
        return "not supported", f"rests on patient {row.get('influence_patient')}"
    doubts = []
    if not q < alpha:
        doubts.append(f"q = {q:.2g} over its family")
    if floor > alpha:
        doubts.append(f"an exact test of this design cannot go below {floor:.2g}")
    elif judged[0] == "weak":
        doubts.append(judged[1])
    permuted = _number(row.get("p_permutation"))
    if permuted >= alpha >= floor:
        doubts.append(f"the permutation test gives {permuted:.2g}")
    return ("suggestive", "; ".join(doubts)) if doubts else ("supported", f"q = {q:.2g}")


def _survival(row: Mapping[str, object], alpha: float) -> dict[str, object]:
    name = next((c for c in _FEATURE if c in row), "feature")
    hr, p, q = (_number(row.get(c)) for c in ("hr", "p_value", "q_value"))
    cut = "best cut" in str(row.get("method", ""))
    if np.isnan(p):
        verdict, why = "refused", str(row.get("reason", ""))
    elif p >= alpha:
        verdict, why = "not supported", f"p = {p:.2g}"
    elif row.get("rests_on_one"):
        verdict, why = "not supported", f"rests on patient {row.get('influence_patient')}"
    elif not q < alpha:
        verdict, why = "suggestive", f"q = {q:.2g} over the candidates"
    elif _number(row.get("zph_p")) < 0.01:
        verdict, why = "suggestive", f"the hazards are not proportional (p = {_number(row.get('zph_p')):.2g})"
    else:
        verdict, why = "supported", f"q = {q:.2g}"
    unit = "above the best cut" if cut else "per SD"
    interval = "" if cut else f", 95 % interval {_number(row.get('ci_low')):.2f} to {_number(row.get('ci_high')):.2f}"
    way = "shorter" if hr > 1 else "longer"
    said = f"Higher {row.get(name)} goes with {way} {row.get('endpoint')} (hazard ratio {unit} {hr:.2f}{interval})."
    if np.isnan(hr):
        said = f"Whether {row.get(name)} goes with {row.get('endpoint')} could not be told."
    return {
        "kind": "survival", "statement": said, "unit": "patient", "n": f"{row['n']} patients, {row['events']} events",
        "test": row.get("method", ""), "effect": hr,
        **{c: _number(row.get(c)) for c in ("ci_low", "ci_high", "p_value", "q_value")}, "p_floor": np.nan,
        "influence": _number(row.get("influence")), "influence_patient": row.get("influence_patient", ""),
        "verdict": verdict, "why": why, "contrast": "",
        "feature": str(row.get(name)), "cell_type": str(row.get("cell_type", "")),
    }  # fmt: skip
