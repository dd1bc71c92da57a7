"""The one verdict on a finding: every claim, candidate, hazard and comparison with other tools asks here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from scresist.results import number

ALPHA = 0.05  # level of every test; intervals contain the truth in 95 of 100 studies
SMALLEST_P = 1e-300  # below it a p-value is what a double cannot hold, not a number
PROPORTIONAL = 0.01  # below this p-value the hazards of a Cox model are not taken as proportional
SUPPORTED, SUGGESTIVE, NOT_SUPPORTED, REFUSED = "supported", "suggestive", "not supported", "refused"
BY_RELABELLING, BY_MODEL = "relabelling", "model"  # what a supported finding rests on
VERDICTS = (SUPPORTED, SUGGESTIVE, NOT_SUPPORTED, REFUSED)


class Verdict(NamedTuple):
    """A verdict, its reason in words, and what a supported finding rests on (relabelling | model; else empty)."""

    verdict: str
    why: str
    grade: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The evidence for and against one finding; NaN and empty text where something does not apply.

    `q_focused` is q over the findings of the family that nothing else explains (NaN: none was left out); `level` is
    what q is compared with so that the whole study keeps its rate; `stricter` why this finding has a lower level than
    its family; `p_floor` the smallest p that an exact test of the design can reach; `p_permutation` that test's own
    p-value; `p_proportional` the test of proportional hazards; `p_share` the test of the share of all cells, where the
    finding is about numbers relative to other cell types (infinite: the share differs in the other direction, or could
    not be tested); `rests_on` the patient without whom the finding is gone; `influence_unknown` whether patients were
    not left out one by one; `doubts` what may explain the finding; `weak` why the design is weak for another reason
    than few patients; `undecided` why its class is open; `reason` why there is no test.
    """

    p_value: float
    q_value: float
    q_focused: float = np.nan
    level: float = ALPHA
    stricter: str = ""
    p_floor: float = np.nan
    p_permutation: float = np.nan
    p_proportional: float = np.nan
    p_share: float = np.nan
    rests_on: str = ""
    influence_unknown: bool = False
    doubts: str = ""
    weak: str = ""
    undecided: str = ""
    reason: str = ""


def verdict(evidence: Evidence, *, alpha: float = ALPHA) -> Verdict:
    """Whether a finding is supported, suggestive, not supported, or could not be tested (refused).

    Supported: p below alpha; q over the findings that nothing else explains below alpha and at most its level over the
    whole study; the permutation test, where it was made, is below alpha, or at its floor where that is above alpha; the
    arms share their batches; the hazards are proportional; of a cell type both its number relative to other types and
    its share of all cells differ; each patient was left out once and none carries it; nothing else explains it.
    The grade of a supported finding is `relabelling` where relabelling the patients shows it too, and `model` where it
    rests on the model alone: no relabelling of so few patients can reach alpha, or none was made.
    Suggestive: p below alpha and neither a patient nor a doubt is against it. Not supported: the rest of what was
    tested.

    Parameters
    ----------
    evidence
        The evidence for and against the finding.
    alpha
        Level of the tests.
    """
    e = evidence
    if np.isnan(e.p_value):
        return Verdict(REFUSED, e.reason or e.weak or "there is no test")
    if not e.p_value < alpha:
        return Verdict(NOT_SUPPORTED, f"p = {e.p_value:.2g}")
    against = [f"rests on patient {e.rests_on}"] if e.rests_on else []
    if against or e.doubts:
        return Verdict(NOT_SUPPORTED, "; ".join([*against, *([e.doubts] if e.doubts else [])]))
    reservations = _reservations(e, alpha)
    if reservations:
        return Verdict(SUGGESTIVE, "; ".join(reservations))
    grade, basis = _grade(e, alpha)
    return Verdict(SUPPORTED, f"q {_size(e.q_value)}{basis}", grade)


def _size(p: float) -> str:
    """A p-value in words: below what a double holds well it is a bound and no number."""
    return f"= {p:.2g}" if p >= SMALLEST_P else f"< {SMALLEST_P:g}"


def _grade(e: Evidence, alpha: float) -> tuple[str, str]:
    """What a supported finding rests on, and the words for it."""
    if e.p_floor > alpha:
        return BY_MODEL, (
            f"; supported by the model, which assumes that values of patients are about normally distributed: "
            f"relabelling so few patients cannot go below p = {e.p_floor:.2g}"
        )
    if e.p_permutation < alpha:
        return BY_RELABELLING, f"; relabelling the patients gives p = {e.p_permutation:.2g}"
    return BY_MODEL, "; supported by the model, the patients were not relabelled"


def _reservations(e: Evidence, alpha: float) -> list[str]:
    """What keeps a finding with p below alpha from being supported."""
    found = []
    left_out = not np.isnan(e.q_focused) and e.q_focused > e.q_value
    q = e.q_focused if left_out else e.q_value
    where = "over its family" + (", findings that something else explains left out" if left_out else "")
    if not q < alpha:
        found.append(f"q = {q:.2g} {where}")
    elif not q <= e.level:
        passes = f"at most {e.level:.2g} passes" if e.level > 0 else "none of this family passes"
        found.append(f"q = {q:.2g} {where}; over the whole study {passes}" + (f" ({e.stricter})" if e.stricter else ""))
    if e.influence_unknown:
        found.append("the influence of single patients was not computed")
    if e.weak:
        found.append(e.weak)
    as_low_as_can_be = e.p_floor > alpha and bool(np.isclose(e.p_permutation, e.p_floor, rtol=1e-6))
    if e.p_permutation >= alpha and not as_low_as_can_be:
        found.append(f"the permutation test gives p = {e.p_permutation:.2g}")
    if e.p_share >= alpha:
        beside = f" (p = {e.p_share:.2g})" if np.isfinite(e.p_share) else ""
        found.append(f"its share of all cells does not differ in the same direction{beside}")
    if e.undecided:
        found.append(e.undecided)
    if e.p_proportional < PROPORTIONAL:
        found.append(f"the hazards are not proportional (p = {e.p_proportional:.2g})")
    return found


def evidence_of(
    row: Mapping[str, object], *, level: float = ALPHA, stricter: str = "", weak: str = "", reason: str = ""
) -> Evidence:
    """The evidence of one row of any table of tests, by its column names.

    Parameters
    ----------
    row
        A row with `p_value` and `q_value`, and any of the other columns that tables of tests have.
    level, stricter
        What q is compared with over the whole study, and why it is lower than for the rest of the family.
    weak
        Why the design is weak for another reason than few patients; empty where it is not.
    reason
        Why there is no test, where the row does not give a reason itself.
    """
    alone = bool(row.get("rests_on_one")) and row.get("rests_on_one") == row.get("rests_on_one")
    return Evidence(
        p_value=number(row.get("p_value")), q_value=number(row.get("q_value")),
        q_focused=number(row.get("q_focused")), level=level, stricter=stricter,
        influence_unknown="influence" in row and np.isnan(number(row["influence"])),
        p_floor=number(row.get("p_floor")), p_permutation=number(row.get("p_permutation")),
        p_proportional=number(row.get("zph_p")), rests_on=str(row.get("influence_patient")) if alone else "",
        p_share=_share(row), doubts=_text(row.get("doubts")), weak=weak,
        undecided="undecided between primary and acquired" if row.get("class") == "undecided" else "",
        reason=_text(row.get("reason")) or reason,
    )  # fmt: skip


def _share(row: Mapping[str, object]) -> float:
    if "share_p_value" not in row:
        return np.nan
    p, effect, share = (number(row[c]) for c in ("share_p_value", "effect", "share_effect"))
    return p if np.sign(effect) == np.sign(share) and np.isfinite(p) else np.inf


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
