"""The register of claims: every finding that a report states, with what it rests on and its verdict."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import pandas as pd

from scresist.checks import InputError
from scresist.contrasts.estimability import estimable, weakness
from scresist.contrasts.families import family_names, primary_sentence, study_levels, with_focused_q
from scresist.contrasts.sentences import (
    ASSAYS,
    about_arms,
    about_assay,
    about_hazard,
    about_odds,
    about_replication,
    about_resistance,
    assay_effect,
    feature_of,
    sizes,
)
from scresist.contrasts.verdict import ALPHA, VERDICTS, Verdict, evidence_of, verdict
from scresist.results import Result, number
from scresist.study.design import Design
from scresist.tables import TABLES, joined_keys

COLUMNS = TABLES["claims"].columns
ALL_ROWS = frozenset(
    {"modules", "composition", "module resistance", "validation"}
)  # few rows: all are claims, refused or not
Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Judge:
    """What the verdicts of one study share.

    `sentences` gives by name of the contrast what it can show, `weak` why it is weak for another reason than few
    patients, `levels` what the q-values of each family are compared with, by kind of claim and family, `primary` the
    families of the question declared beforehand.
    """

    sentences: Mapping[str, str]
    weak: Mapping[str, str]
    levels: Mapping[tuple[str, str], float]
    alpha: float = ALPHA
    primary: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def of(cls, contrasts: pd.DataFrame, levels: pd.DataFrame, alpha: float = ALPHA) -> "Judge":
        """From the tables of `estimable` and `study_levels`."""
        return cls(
            {str(r["contrast"]): str(r["sentence"]) for r in _records(contrasts)},
            weakness(contrasts),
            {(str(r["kind"]), str(r["family"])): number(r["level"]) for r in _records(levels)},
            alpha,
            frozenset((str(r["kind"]), str(r["family"])) for r in _records(levels) if r.get("primary") is True),
        )

    def level(self, kind: str, family: str) -> float:
        """What the q-values of a family are compared with.

        Raises
        ------
        InputError
            If the levels do not list the family.
        """
        if (kind, family) not in self.levels:
            raise InputError(f"the levels list no family {family!r} of kind {kind!r}; compute them from all tables")
        return self.levels[kind, family]

    def verdict(self, kind: str, row: Row, family: str) -> Verdict:
        """The verdict on one row of the table of a kind of claim."""
        contrast = str(row.get("contrast"))
        of_row = row.get("weak")  # of another cohort, whose design is not the study's
        evidence = evidence_of(
            row, level=self.level(kind, family),
            weak=of_row if isinstance(of_row, str) else self.weak.get(contrast, ""),
            reason=self.sentences.get(contrast, ""),
        )  # fmt: skip
        return verdict(evidence, alpha=self.alpha)

    def verdicts(self, kind: str, table: pd.DataFrame) -> pd.Series:
        """The verdict on every row of the table of a kind of claim."""
        families, table = family_names(table), with_focused_q(table)
        found = [self.verdict(kind, row, f).verdict for row, f in zip(_records(table), families, strict=True)]
        return pd.Series(found, index=table.index, dtype=object)


def register_claims(
    results: Mapping[str, Result | pd.DataFrame],
    design: Design,
    *,
    alpha: float = ALPHA,
    top: int = 25,
    keep: Iterable[str] = (),
    levels: pd.DataFrame | None = None,
    files: Mapping[str, str] | None = None,
    counted: Iterable[tuple[str, str, str]] = (),
    kept: Iterable[str] | None = None,
) -> Result:
    """Every finding that a report states, with unit, n, test, effect, interval, p, p_floor, q, influence and verdict.

    Parameters
    ----------
    results
        Tables by kind: candidates, expression, modules, composition, signatures, communication, module resistance,
        gene resistance, survival, response; any other name is taken as values that differ between arms. Columns as
        their functions give them. Candidates have a verdict already; a column `doubts` gives in words what may explain
        a finding, which is then not supported.
    design
        Arms, contrasts, sheet of samples.
        What its contrasts can show are the first claims.
    alpha
        Level of the tests; intervals have a coverage of 1 - alpha.
    top
        Rows per kind and contrast (and level of communication), by p-value, or by rank where there is one.
    keep
        Features that get a row whatever their result (known escape routes, genes of `keep_genes`).
    levels
        From `study_levels`; None computes it from `results`.
    files
        Name of the table of each kind: the column `table`, and the key columns that the column `row` is made of.
    counted
        Statements that are counts and not tests: (kind, statement, unit). Their verdict is `stated`.
    kept
        Samples that have cells left, as in `estimable`.

    Returns
    -------
    Result whose table has the columns that `tables.py` lists for `claims`; `row` is the key of the row that has the
    numbers, so that the order of rows in a table does not matter. A contrast's own row has ok | weak | refused.

    Raises
    ------
    InputError
        If `levels` lack a family of tests.
    """
    able = estimable(design, alpha=alpha, kept=kept).table
    given = {kind: r.table if isinstance(r, Result) else r for kind, r in results.items()}
    if levels is None:
        levels = study_levels(given, alpha=alpha, primary=design.primary).table
    judge = Judge.of(able, levels, alpha)
    rows = [_about_contrast(r) for r in _records(able)]
    if design.primary:
        rows.append(_about_count("design", primary_sentence(levels, design.primary, alpha), "study"))
    rows += [_about_count(*words) for words in counted]
    kept = frozenset(map(str, keep))
    for kind, table in given.items():
        if table.empty:
            continue
        name = (files or {}).get(kind, "")
        keys = joined_keys(table, TABLES[name].key if name in TABLES else ())
        keyed = with_focused_q(table).assign(family_=family_names(table), key_=keys)
        for row in _records(keyed.loc[_chosen(kind, keyed, top, kept)]):
            claim = _claim(kind, row, design, judge)
            family = str(row["family_"])
            asked = "primary" if (kind, family) in judge.primary else ""
            rows.append({
                **claim, "table": name, "row": row["key_"], "level": judge.level(kind, family), "question": asked,
            })  # fmt: skip
    counts = pd.Series([r["verdict"] for r in rows], dtype=object).value_counts()
    notes = tuple(f"{counts.get(v, 0)} {v}" for v in VERDICTS)
    settings = MappingProxyType({"alpha": alpha, "top": top})
    return Result(pd.DataFrame(rows, columns=list(COLUMNS)), "register of claims", settings, notes)


def _records(table: pd.DataFrame) -> list[dict[str, object]]:
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def _chosen(kind: str, table: pd.DataFrame, top: int, keep: frozenset[str]) -> Sequence[int]:
    """Rows that become claims: the first of each contrast (or method) and level, and the features of `keep`."""
    group = [c for c in ("contrast", "method", "level", "step") if c in table.columns]
    if kind == "response":
        group = ["endpoint"]
    by = "rank" if "rank" in table else "p_value"
    ordered = table.sort_values(by, kind="stable", na_position="last")
    if kind in ALL_ROWS:
        return list(ordered.index)
    place = ordered.groupby(group, sort=False).cumcount() if group else pd.Series(range(len(ordered)), ordered.index)
    name = feature_of(_records(table.head(1))[0])[0]
    kept = ordered[name].astype(str).isin(keep) if name in ordered else pd.Series(data=False, index=ordered.index)
    if "mechanism" in ordered:
        kept = kept | (ordered["mechanism"].fillna("") != "")
    found = (ordered["p_value"].notna() | (by == "rank")) & (place < top)
    return list(ordered.index[found | kept])


def _about_contrast(row: Row) -> dict[str, object]:
    """The first claim of every contrast: what it can show at all."""
    return {
        "kind": "design", "statement": row["sentence"], "unit": "patient", "n": sizes(row), "test": "design",
        "p_floor": row["p_floor"], "influence_patient": "", "verdict": row["verdict"], "why": row["confounded"],
        "contrast": row["contrast"], "feature": "", "cell_type": "", "table": "design", "row": row["contrast"],
    }  # fmt: skip


def _about_count(kind: str, statement: str, unit: str) -> dict[str, object]:
    return {"kind": kind, "statement": statement, "unit": unit, "verdict": "stated", "contrast": "", "feature": ""}


def _claim(kind: str, row: Row, design: Design, judge: Judge) -> dict[str, object]:
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
    elif "odds_ratio" in row:
        claim |= {"statement": about_odds(row), "effect": number(row["odds_ratio"]), "test": row.get("method", ""),
                  "n": f"{row['n']} patients"}  # fmt: skip
    elif "difference" in row:
        claim |= {"statement": about_resistance(row), "effect": number(row["difference"]), "n": sizes(row),
                  "test": "one model of all arms", "contrast": "acquired less primary"}  # fmt: skip
    elif kind in ASSAYS:
        n = f"{row['n_test']:.0f} against {row['n_reference']:.0f} biological replicates"
        claim |= {"statement": about_assay(kind, row), "effect": assay_effect(kind, row), "n": n,
                  "unit": "biological replicate"}  # fmt: skip
        if row.get("statistic") == "aac":
            claim |= {"ci_low": number(row.get("aac_low")), "ci_high": number(row.get("aac_high"))}
    elif "arm_test" in row:
        claim |= {"statement": about_replication(row), "effect": number(row["effect"]), "n": sizes(row)}
    else:
        contrast = next(c for c in design.contrasts if c.name == row["contrast"])
        effect = number(row.get("effect", row.get("log2fc")))
        claim |= {"statement": about_arms(kind, row, contrast, effect), "effect": effect, "n": sizes(row)}
    if "verdict" in row:  # candidates get theirs, with all their evidence, when they are ranked
        return claim | {c: row.get(c, "") for c in ("verdict", "grade", "why")}
    found = judge.verdict(kind, row, str(row["family_"]))
    return claim | {"verdict": found.verdict, "grade": found.grade, "why": found.why}
