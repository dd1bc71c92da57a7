"""Lines of evidence, routes of escape, check-lists, axes and words for a paper, on tables made by hand."""

import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from scresist import resources
from scresist.report.axes import AXES, courses
from scresist.report.blocks import folded, heading, text
from scresist.report.candidates import OTHER, station
from scresist.report.checklists import GAP, sitc
from scresist.report.evidence import LINES, Context, lines_of, matrix
from scresist.report.methods import REFERENCES, paragraph

BENCH = pd.DataFrame({
    "gene": ["CST3", "CST3", "MUC3A"], "evidence": ["protein by IHC", "release", "protein by IHC"],
    "met": ["yes", "no", "open"], "p_value": [0.001, 0.0001, 0.4],
    "sentence": ["CST3, protein by IHC: agrees", "CST3, release: against", "MUC3A, protein by IHC: open"],
})  # fmt: skip
SURVIVAL = pd.DataFrame(
    {"hr": [2.0], "ci_low": [1.1], "ci_high": [3.5], "endpoint": ["pfs"], "p_value": [1e-3], "q_value": [0.2]},
    index=["CST3"],
)
KNOWN = Context(BENCH, SURVIVAL, pd.DataFrame())
ROW = {
    "gene": "CST3", "contrast": "acquired", "log2fc": 1.5, "ci_low": 1.0, "ci_high": 2.0, "p_value": 1e-5,
    "q_value": 0.004, "module": "M6", "kme": 0.9, "module_q_value": 0.01, "module_p_value": 1e-3, "module_effect": 2.0,
    "malignant_share": 0.8, "doubt_ambient": 0.0, "influence": 0.3, "rests_on_one": False, "influence_patient": "P1",
    "technical": 0.1, "technical_source": "batch", "doubt_technical": 0.0, "change_elsewhere": 0.1, "n_elsewhere": 9,
    "doubt_elsewhere": 0.0, "mechanism": "inhibitor of cathepsins", "direction_expected": "up", "verdict": "supported",
}  # fmt: skip


def states(**changed):
    return {name: found.state for name, found in lines_of(ROW | changed, KNOWN).items()}


def test_every_line_has_its_state():
    assert states() == {
        "RNA differs": "for", "module differs": "for", "the cells' own": "for", "not one patient": "for",
        "not technical": "for", "not in all cells": "for", "survival": "open", "second cohort": "not measured",
        "protein agrees": "for", "function agrees": "against", "known route": "for",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "line", "state"),
    [({"q_value": 0.2}, "RNA differs", "open"), ({"p_value": np.nan}, "RNA differs", "not measured"),
     ({"module_effect": -2.0}, "module differs", "against"), ({"module": np.nan}, "module differs", "not measured"),
     ({"doubt_ambient": 0.7}, "the cells' own", "against"), ({"rests_on_one": True}, "not one patient", "against"),
     ({"doubt_technical": 0.6}, "not technical", "against"), ({"doubt_elsewhere": 0.5}, "not in all cells", "against"),
     ({"direction_expected": "down"}, "known route", "against"), ({"mechanism": ""}, "known route", "not measured"),
     ({"gene": "MUC3A"}, "protein agrees", "open"), ({"gene": "MUC3A"}, "survival", "not measured")],
)  # fmt: skip
def test_a_doubt_turns_its_own_line(changed, line, state):
    found = states(**changed)
    assert found[line] == state


def test_a_line_that_was_not_measured_has_no_strength_and_the_matrix_has_all_lines():
    table = matrix(pd.DataFrame([ROW, ROW | {"gene": "MUC3A", "module": None, "mechanism": ""}]), KNOWN)
    assert len(table) == 2 * len(LINES)
    assert (table.loc[table["state"] == "not measured", "strength"] == 0).all()
    assert table["strength"].between(0, 1).all()


def test_every_shipped_route_has_a_station():
    routes = resources.known_escape()
    assert set(routes["mechanism"].map(station)) >= {"Binding", "Linker", "Payload"}
    assert OTHER not in set(routes["mechanism"].map(station))
    assert station("my own idea") == OTHER


def test_blocks_before_the_first_heading_stay_open_and_every_heading_is_one_fold():
    blocks = folded([text("a"), heading("one"), text("b"), heading("two"), text("c")])
    assert [b["kind"] for b in blocks] == ["text", "fold", "text", "unfold", "fold", "text", "unfold"]
    assert folded([text("a")]) == [text("a")]
    picture = {"kind": "figures", "entries": []}
    lifted = folded([text("a"), heading("one"), text("b"), picture, heading("two"), text("c")])
    assert [b["kind"] for b in lifted] == ["text", "figures", "fold", "text", "unfold", "fold", "text", "unfold"]


class Tables(SimpleNamespace):
    """A folder of tables made by hand."""

    def table(self, name):
        return self.tables.get(name, pd.DataFrame())


def study(**tables):
    contrasts = {"primary": {"test": "resistant", "reference": "naive", "role": "primary"},
                 "acquired": {"test": "relapsed", "reference": "naive", "role": "acquired"}}  # fmt: skip
    samples = pd.DataFrame({
        "sample": list("abcde"), "patient": ["P1", "P2", "P3", "P4", "P5"],
        "arm": ["resistant", "relapsed", "relapsed", "naive", "resistant"],
        "taken": ["at progression"] * 3 + ["before", "at progression"],
        "best_response": ["PD", "PR", "SD", "SD", ""], "pfs_months": [1.0, 9.0, 3.0, 8.0, np.nan],
    })  # fmt: skip
    settings = {
        "design": {"contrasts": contrasts, "progression_months": 6.0}, "focus": {"compartment": "malignant"},
        "quality": {"filter": True, "min_counts": 500, "min_genes": 200, "n_mads": 5.0, "doublets": True},
        "embed": {"n_components": 30, "n_genes": 2000, "integrate": True},
        "annotate": {"labels": None, "markers": None, "malignancy": "none"},
        "communication": {"resource": "cellchatdb"},
    }  # fmt: skip
    steps = ("ingest", "embed", "annotate", "networks", "survival")
    facts = {"settings": settings, "steps": [{"step": s} for s in steps], "failed": [{"step": "survival"}],
             "scresist": "1", "mode": "sound", "seed": 1, "versions": {"scanpy": "1"}}  # fmt: skip
    sheet = samples.set_index("sample")[["patient", "arm"]]
    cells = pd.DataFrame({"sample": ["a", "b"], "patient": ["P1", "P2"]})
    return Tables(tables={"samples": samples, **tables}, facts=facts, sheet=sheet, cells=cells, claims=pd.DataFrame(),
                  arms=["naive", "resistant", "relapsed"])  # fmt: skip


def test_the_definitions_of_resistance_are_checked_against_the_arms():
    items = sitc(study()).set_index("topic")
    against = items.loc["arms that the definition does not give"]
    assert against["text"] == "c (SD, 3 months) is relapsed; 1 cannot be checked"
    assert not against["filled"]
    assert "SD 2" in items.loc["best response of every patient", "text"]
    assert items.loc["progression confirmed by a second scan", "text"] == GAP
    other = study()
    other.facts["settings"]["design"]["contrasts"] = {"x": {"test": "a", "reference": "b", "role": ""}}
    assert len(sitc(other)) == 0


def test_references_are_numbered_as_they_are_cited_and_steps_that_failed_are_left_out():
    words, cited = paragraph(study(modules=pd.DataFrame({"module": ["M1"], "gene": ["A"]})))
    numbers = [int(n) for found in re.findall(r"\[([0-9, ]+)\]", words) for n in found.split(",")]
    assert list(dict.fromkeys(numbers)) == list(range(1, len(cited) + 1))
    assert set(cited) <= set(REFERENCES)
    assert "1 modules" not in words
    assert "Cox" not in words


def test_an_axis_is_followed_in_the_population_that_most_samples_have():
    scores = pd.DataFrame({
        "signature": "PD-1 (PDCD1)", "sample": ["a", "b", "c", "a", "a"],
        "cell_type": ["T CD8 late", "T CD8 late", "T CD8 late", "T CD8 early", "all cells"], "value": [1.0, 2, 3, 9, 9],
    })  # fmt: skip
    composition = pd.DataFrame({"sample": ["a", "b"], "T regulatory": [1, 3], "malignant": [9, 1]})
    found = {c.title.split(",")[0]: c for c in courses(study(signature_scores=scores, composition=composition))}
    assert set(found) == {"PD-1", "Regulatory T cells"}
    assert found["PD-1"].title == "PD-1, T CD8 late"
    assert found["PD-1"].values["value"].tolist() == [1.0, 2.0, 3.0]
    assert found["Regulatory T cells"].values.set_index("patient")["value"].to_dict() == {"P1": 10.0, "P2": 75.0}
    assert len({a.name for a in AXES}) == len(AXES)
