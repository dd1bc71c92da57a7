"""The register of claims: every finding that a report states, with what it rests on and whether it stands."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd

from scresist.contrasts.estimability import estimable
from scresist.contrasts.families import family_names, study_levels
from scresist.contrasts.sentences import about_arms, about_hazard, about_resistance, feature_of, sizes
from scresist.results import Result, number
from scresist.study.design import Design

COLUMNS = (
    "kind", "statement", "unit", "n", "test", "effect", "ci_low", "ci_high", "p_value", "p_floor", "q_value", "level",
    "influence", "influence_patient", "verdict", "why", "contrast", "feature", "cell_type", "table", "row",
)  # fmt: skip
VERDICTS = ("supported", "suggestive", "not supported", "refused")
WHOLE = frozenset({"modules", "composition", "module resistance"})  # few rows: all of them are stated, refused or not


def register_claims(
    results: Mapping[str, Result | pd.DataFrame],
    design: Design,
    *,
    alpha: float = 0.05,
    top: int = 25,
    keep: Iterable[str] = (),
    levels: pd.DataFrame | None = None,
    files: Mapping[str, str] | None = None,
    said: Iterable[tuple[str, str, str]] = (),
) -> Result:
    """Every finding that is stated, with unit, n, test, effect, interval, p, p_floor, q, influence and verdict.

    Parameters
    ----------
    results
        Tables by kind, their index the number of the row: candidates, expression, modules, composition, signatures,
        communication, module resistance, gene resistance, survival; any other name is taken as values that differ
        between arms. Columns as their functions give them. Candidates bring their verdict; a column
        `doubts` says in words what may explain a finding away, which is then not supported.
    design
        Arms, contrasts, sheet of samples.
        Its contrasts are judged first.
    alpha
        Level of the tests; intervals hold 1 - alpha.
    top
        Rows per kind and contrast (and level of communication), by p-value, or by rank where there is one.
    keep
        Features that get a row whatever they show (known escape routes, genes asked for).
    levels
        From `study_levels`; None takes it from `results`.
    files
        Name of the table of each kind, for the columns `table` and `row`.
    said
        Statements that are counts and not tests: (kind, statement, unit). Their verdict is `stated`.

    Returns
    -------
    Result whose table has `kind`, `statement`, `unit` (patient), `n` (6 against 7 patients, 4 in both), `test`,
    `effect`, `ci_low`, `ci_high`, `p_value`, `p_floor`, `q_value`, `level` (what q is held to, over the whole study),
    `influence`, `influence_patient`, `verdict`, `why`, `contrast`, `feature`, `cell_type`, `table` and `row` (where the
    numbers are; rows from 0). Verdicts: supported (q at most its level, not resting on one patient, within reach of an
    exact test, in a contrast that the design can answer); suggestive (p < alpha, but not all of that); not supported
    (the rest, and findings that rest on one patient); refused (no test; why says so). A contrast's own row has ok |
    weak | refused.
    """
    able = estimable(design, alpha=alpha).table
    judged = {str(r["contrast"]): (str(r["verdict"]), str(r["sentence"])) for r in _records(able)}
    held = study_levels(results, alpha=alpha).table if levels is None else levels
    level_of = {(str(r["kind"]), str(r["family"])): number(r["level"]) for r in _records(held)}
    rows = [_about_contrast(r) for r in _records(able)]
    rows += [_about_counts(*words) for words in said]
    kept = frozenset(map(str, keep))
    for kind, result in results.items():
        table = result.table if isinstance(result, Result) else result
        if table.empty:
            continue
        numbered = table.assign(family_=family_names(table), row_=table.index)
        for row in _records(numbered.loc[_chosen(kind, numbered, top, kept)]):
            level = level_of.get((kind, str(row["family_"])), alpha)
            claim = _claim(kind, row, design, judged, alpha, level)
            where = {"table": (files or {}).get(kind, ""), "row": row["row_"], "level": level}
            rows.append({**claim, **where})
    counts = pd.Series([r["verdict"] for r in rows], dtype=object).value_counts()
    notes = tuple(f"{counts.get(v, 0)} {v}" for v in VERDICTS)
    settings = MappingProxyType({"alpha": alpha, "top": top})
    made = pd.DataFrame(rows, columns=list(COLUMNS))
    return Result(made.assign(row=made["row"].astype("Int64")), "register of claims", settings, notes)


def _records(table: pd.DataFrame) -> list[dict[str, object]]:
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def _chosen(kind: str, table: pd.DataFrame, top: int, keep: frozenset[str]) -> Sequence[int]:
    """Rows that are stated: the first of each contrast (or method) and level, and those asked for."""
    group = [c for c in ("contrast", "method", "level", "step") if c in table.columns]
    by = "rank" if "rank" in table else "p_value"
    ordered = table.sort_values(by, kind="stable", na_position="last")
    if kind in WHOLE:
        return list(ordered.index)
    place = ordered.groupby(group, sort=False).cumcount() if group else pd.Series(range(len(ordered)), ordered.index)
    name = feature_of(_records(table.head(1))[0])[0]
    asked = ordered[name].astype(str).isin(keep) if name in ordered else pd.Series(data=False, index=ordered.index)
    if "mechanism" in ordered:
        asked = asked | (ordered["mechanism"].fillna("") != "")
    found = (ordered["p_value"].notna() | (by == "rank")) & (place < top)
    return list(ordered.index[found | asked])


def _about_contrast(row: Mapping[str, object]) -> dict[str, object]:
    """The first claim of every contrast: what it can show at all."""
    return {
        "kind": "design", "statement": row["sentence"], "unit": "patient", "n": sizes(row), "test": "design",
        "p_floor": row["p_floor"], "influence_patient": "", "verdict": row["verdict"], "why": row["confounded"],
        "contrast": row["contrast"], "feature": "", "cell_type": "", "table": "design",
    }  # fmt: skip


def _about_counts(kind: str, statement: str, unit: str) -> dict[str, object]:
    return {"kind": kind, "statement": statement, "unit": unit, "verdict": "stated", "contrast": "", "feature": ""}


def _claim(
    kind: str, row: Mapping[str, object], design: Design, judged: Mapping[str, tuple[str, str]], alpha: float,
    level: float,
) -> dict[str, object]:  # fmt: skip
    column, feature = feature_of(row)
    claim: dict[str, object] = {
        "kind": kind, "unit": "patient", "test": row.get("test", ""), "contrast": row.get("contrast", ""),
        **{c: number(row.get(c)) for c in ("ci_low", "ci_high", "p_value", "p_floor", "q_value", "influence")},
        "influence_patient": row.get("influence_patient", ""), "feature": feature,
        "cell_type": "" if column == "cell_type" else row.get("cell_type", ""),
    }  # fmt: skip
    if "hr" in row and "n_test" not in row:
        claim |= {"statement": about_hazard(row), "effect": number(row["hr"]), "test": row.get("method", ""),
                  "n": f"{row['n']} patients, {row['events']} events"}  # fmt: skip
        verdict = _hazard_verdict(row, alpha, level)
    elif "difference" in row:
        claim |= {"statement": about_resistance(row), "effect": number(row["difference"]), "n": sizes(row),
                  "test": "one model of all arms", "contrast": "acquired less primary"}  # fmt: skip
        verdict = _verdict(row, ("ok", ""), alpha, level)
    else:
        contrast = next(c for c in design.contrasts if c.name == row["contrast"])
        effect = number(row.get("effect", row.get("log2fc")))
        claim |= {"statement": about_arms(kind, row, contrast, effect), "effect": effect, "n": sizes(row)}
        own = kind == "candidates" and "verdict" in row
        verdict = (str(row["verdict"]), str(row.get("why", ""))) if own else _verdict(
            row, judged[contrast.name], alpha, level)  # fmt: skip
    return claim | {"verdict": verdict[0], "why": verdict[1]}


def _verdict(row: Mapping[str, object], judged: tuple[str, str], alpha: float, level: float) -> tuple[str, str]:
    p, q, floor = (number(row.get(c)) for c in ("p_value", "q_value", "p_floor"))
    if np.isnan(p):
        return "refused", str(row.get("reason") or judged[1])
    if p >= alpha:
        return "not supported", f"p = {p:.2g}"
    if row.get("rests_on_one"):
        return "not supported", f"rests on patient {row.get('influence_patient')}"
    if row.get("doubts"):
        return "not supported", str(row["doubts"])
    doubts = []
    if not q < alpha:
        doubts.append(f"q = {q:.2g} over its family")
    elif not q <= level:
        doubts.append(f"q = {q:.2g} over its family, but not over the whole study")
    if floor > alpha:
        doubts.append(f"an exact test of this design cannot go below {floor:.2g}")
    elif judged[0] == "weak":
        doubts.append(judged[1])
    permuted = number(row.get("p_permutation"))
    if permuted >= alpha >= floor:
        doubts.append(f"the permutation test gives {permuted:.2g}")
    if row.get("class") == "undecided":
        doubts.append("undecided between primary and acquired")
    return ("suggestive", "; ".join(doubts)) if doubts else ("supported", f"q = {q:.2g}")


def _hazard_verdict(row: Mapping[str, object], alpha: float, level: float) -> tuple[str, str]:
    p, q, zph = (number(row.get(c)) for c in ("p_value", "q_value", "zph_p"))
    if np.isnan(p):
        return "refused", str(row.get("reason", ""))
    if p >= alpha:
        return "not supported", f"p = {p:.2g}"
    if row.get("rests_on_one"):
        return "not supported", f"rests on patient {row.get('influence_patient')}"
    if not q < alpha:
        return "suggestive", f"q = {q:.2g} over the candidates"
    if not q <= level:
        return "suggestive", f"q = {q:.2g} over the candidates, but not over the whole study"
    if zph < 0.01:
        return "suggestive", f"the hazards are not proportional (p = {zph:.2g})"
    return "supported", f"q = {q:.2g}"
