"""The truth table of the one verdict, and that nobody has a second one."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest

import scresist
from scresist.contrasts.verdict import ALPHA, Evidence, evidence_of, verdict

GOOD = {"p_value": 0.001, "q_value": 0.01, "p_floor": 0.002, "p_permutation": 0.004, "p_proportional": 0.5}
# What is changed of a finding that is supported: the verdict, and what its reason must mention.
TRUTH = [
    ({}, "supported", "q = 0.01"),
    ({"p_value": np.nan}, "refused", "there is no test"),
    ({"p_value": np.nan, "reason": "2 patients"}, "refused", "2 patients"),
    ({"p_value": np.nan, "weak": "three patients"}, "refused", "three patients"),
    ({"p_value": ALPHA}, "not supported", "p = 0.05"),
    ({"p_value": 1.0, "q_value": 1.0}, "not supported", "p = 1"),
    ({"rests_on": "P3"}, "not supported", "rests on patient P3"),
    ({"doubts": "half of it is soup"}, "not supported", "half of it is soup"),
    ({"rests_on": "P3", "doubts": "soup"}, "not supported", "rests on patient P3; soup"),
    ({"rests_on": "P3", "p_value": 0.2}, "not supported", "p = 0.2"),
    ({"q_value": ALPHA}, "suggestive", "over its family"),
    ({"q_value": np.nan}, "suggestive", "over its family"),
    ({"level": 0.005}, "suggestive", "over the whole study at most 0.005 passes"),
    ({"level": 0.0}, "suggestive", "none of this family passes"),
    ({"level": 0.01}, "supported", "q = 0.01"),
    ({"level": 0.005, "stricter": "in no module"}, "suggestive", "in no module"),
    ({"p_floor": 0.1, "p_permutation": 0.1}, "supported", "by the model, which assumes"),
    ({"p_floor": 0.1}, "supported", "cannot go below p = 0.1"),
    ({"p_floor": 0.1, "weak": "the batch goes with the arm"}, "suggestive", "the batch goes with the arm"),
    ({"p_floor": ALPHA}, "supported", "q"),
    ({"p_floor": np.nan, "p_permutation": np.nan, "p_proportional": np.nan}, "supported", "q"),
    ({"weak": "the batch goes with the arm"}, "suggestive", "the batch goes with the arm"),
    ({"p_permutation": ALPHA}, "suggestive", "the permutation test gives p = 0.05"),
    ({"p_permutation": 0.2, "p_floor": 0.1}, "suggestive", "the permutation test gives p = 0.2"),
    ({"undecided": "undecided between the two"}, "suggestive", "undecided"),
    ({"p_proportional": 0.009}, "suggestive", "not proportional"),
    ({"p_proportional": 0.01}, "supported", "q"),
    ({"q_focused": 0.2}, "suggestive", "q = 0.2 over its family, findings that something else explains left out"),
    ({"q_focused": 0.02, "level": 0.015}, "suggestive", "at most 0.015 passes"),
    ({"q_focused": 0.01}, "supported", "q"),
    ({"influence_unknown": True}, "suggestive", "the influence of single patients was not computed"),
    ({"p_share": 0.2}, "suggestive", "its share of all cells does not differ in the same direction (p = 0.2)"),
    ({"p_share": np.inf}, "suggestive", "its share of all cells does not differ in the same direction"),
    ({"p_share": 0.01}, "supported", "q"),
    ({"q_value": 0.2, "weak": "few"}, "suggestive", "q = 0.2 over its family; few"),
]


@pytest.mark.parametrize(("changed", "expected", "why"), TRUTH)
def test_the_truth_table(changed, expected, why):
    found = verdict(Evidence(**{**GOOD, **changed}))
    assert found.verdict == expected
    assert why in found.why


def test_each_reservation_alone_keeps_a_finding_from_being_supported():
    """Whatever is wrong, a finding is never better for it."""
    order = ["refused", "not supported", "suggestive", "supported"]
    for one, first, _ in TRUTH:
        for two, second, _ in TRUTH:
            if not set(one) & set(two):
                both = verdict(Evidence(**{**GOOD, **one, **two})).verdict
                assert order.index(both) <= min(order.index(first), order.index(second)), (one, two)


def test_a_p_value_that_a_double_cannot_hold_is_a_bound_and_no_number():
    assert verdict(Evidence(**{**GOOD, "p_value": 2.2e-308, "q_value": 2.2e-308})).why.startswith("q < 1e-300;")


def test_a_row_of_any_table_gives_its_evidence():
    row = {"p_value": 0.01, "q_value": np.nan, "rests_on_one": True, "influence_patient": "P1", "zph_p": 0.3,
           "class": "undecided", "doubts": np.nan, "reason": np.nan}  # fmt: skip
    evidence = evidence_of(row, level=0.02, weak="w", reason="r")
    assert (evidence.rests_on, evidence.doubts, evidence.reason, evidence.weak) == ("P1", "", "r", "w")
    assert evidence.undecided
    assert np.isnan(evidence.p_floor)
    assert evidence_of({"p_value": 0.1, "q_value": 0.1, "rests_on_one": np.nan}).rests_on == ""


@pytest.mark.parametrize(
    ("changed", "grade"),
    [
        ({}, "relabelling"),
        ({"p_floor": 0.1, "p_permutation": 0.1}, "model"),
        ({"p_permutation": np.nan}, "model"),
        ({"p_floor": np.nan, "p_permutation": np.nan}, "model"),
        ({"q_value": 0.2}, ""),
        ({"p_value": np.nan}, ""),
        ({"rests_on": "P3"}, ""),
    ],
)
def test_only_what_is_supported_has_a_grade(changed, grade):
    assert verdict(Evidence(**{**GOOD, **changed})).grade == grade


def test_a_cell_type_needs_its_share_beside_its_number():
    row = {"p_value": 0.01, "q_value": 0.02, "effect": 1.0, "share_effect": 0.5, "share_p_value": 0.03}
    assert evidence_of(row).p_share == 0.03
    assert evidence_of({**row, "share_effect": -0.5}).p_share == np.inf
    assert evidence_of({**row, "share_p_value": np.nan}).p_share == np.inf
    assert np.isnan(evidence_of({"p_value": 0.01, "q_value": 0.02}).p_share)


def test_the_level_of_tests_is_named_once():
    """No default, comparison or constant of 0.05 in the rooms of the tests: ALPHA is the one name."""
    root = Path(scresist.__file__).parent
    allowed = {"verdict.py"}
    found = []
    for room in ("contrasts", "survival", "evidence", "usual_tools", "power", "report", "plots", "run"):
        for path in sorted((root / room).rglob("*.py")):
            if path.name in allowed or "communication" in path.parts or path.name in {"networks.py"}:
                continue
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and node.value == 0.05 and not isinstance(node.value, str):
                    found.append(f"{path.relative_to(root)}:{node.lineno}")
    assert found == []


def test_nobody_else_writes_verdicts():
    """The words of a verdict are compared or produced in one file; the others read the column."""
    root = Path(scresist.__file__).parent
    writes = re.compile(r"""return\s+["'](supported|suggestive|not supported)["']""")
    assert [p.name for p in root.rglob("*.py") if writes.search(p.read_text())] == []
