"""The first screen: every answer with its numbers and a link that leads somewhere, in short sentences."""

import re
from html import unescape
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from scresist.plots.style import arm_colours, new_axes
from scresist.plots.swimmer import bar_arm, biopsy_grid, swimmer
from scresist.report.answers import LONGEST
from scresist.report.blocks import Section
from scresist.report.first_screen import first_screen
from scresist.report.page import render

ARMS = ["before", "stays", "returns"]
CONTRASTS = {
    "early": {"test": "stays", "reference": "before", "role": "primary", "order": []},
    "late": {"test": "returns", "reference": "before", "role": "acquired", "order": []},
}
NASTY = "<script>alert(1)</script>"


def claim(kind, contrast, feature, statement, verdict, **changed):
    return {
        "kind": kind, "contrast": contrast, "feature": feature, "statement": statement, "verdict": verdict, "n":
        "3 against 3 patients", "effect": 2.0, "ci_low": 1.0, "ci_high": 3.0, "p_value": 0.001, "q_value": 0.0123,
        "cell_type": np.nan, "row": f"{feature}|{contrast}", "why": "q = 0.0123", "grade": "model", "table": kind,
    } | changed  # fmt: skip


def claims(verdict="supported"):
    numbers = "(log2 fold change 2.00, 95 % interval 1.00 to 3.00)"
    return pd.DataFrame([
        claim("candidates", "early", "G1", f"G1 is higher in stays than in before {numbers}.", verdict),
        claim("candidates", "early", "G2", f"G2 is higher in stays than in before {numbers}.", verdict),
        claim("modules", "early", "M1 G1", f"Module M1 G1 is more active in stays than in before {numbers}.", verdict),
        claim("modules", "late", "M2 G9", f"Module M2 G9 is more active in returns than in before {numbers}.", verdict),
        claim("signatures", "late", "hypoxia", f"hypoxia is lower in B cell in returns than in before {numbers}.",
              verdict, cell_type="B cell"),
        claim("survival", np.nan, "G1", "Higher G1 goes with shorter pfs_months (hazard ratio per SD 2.00, 95 % "
              "interval 1.00 to 3.00).", verdict, n="6 patients, 5 events",
              why="q = 0.01; the same evidence as contrast early: its arms follow from it; it counts once, there"),
        claim("ihc", "early", "G1", f"G1 protein (IHC) is higher in stays than in before {numbers}.", verdict),
    ])  # fmt: skip


def samples(*, endpoint=True):
    sheet = pd.DataFrame({
        "sample": [f"s{i}" for i in range(7)], "patient": ["A", "A", "B", "C", "D", "E", "F"],
        "arm": ["before", "returns", "before", "before", "stays", "stays", "returns"],
        "taken": ["before", "at progression", "before", "before", "", "before", "at progression"],
    })  # fmt: skip
    if endpoint:
        sheet["pfs_months"] = [10.0, 10, 4, 6, 1, 2, 8]
        sheet["pfs_event"] = [1, 1, 1, 0, 1, 1, 1]
        sheet["best_response"] = ["PR", "PR", "SD", "SD", "PD", "PD", "PR"]
    return sheet


def folder(*, register=None, contrasts=CONTRASTS, sheet=None, tables=(), failed=(), drug="drug X",
           described=False):  # fmt: skip
    sheet = samples() if sheet is None else sheet
    design = pd.DataFrame([
        {"contrast": name, "verdict": "ok", "sentence": "Enough.", "p_floor": 0.1, "detectable": 1.8,
         "confounded": None, "n_test": 3.0, "n_reference": 3.0}
        for name in contrasts
    ])  # fmt: skip
    own = {"samples": sheet, "design": design, **dict(tables)}
    return SimpleNamespace(
        table=lambda name: own.get(name, pd.DataFrame()).copy(),
        claims=pd.DataFrame() if register is None else register,
        arms=ARMS, contrasts=list(contrasts), cells=cells() if described else pd.DataFrame(), palette={},
        sheet=sheet.set_index("sample")[["patient", "arm"]],
        facts={
            "steps": [{"step": "contrasts"}], "refusals": [
                {"step": "candidates", "what": "ranking", "reason": "few cells in the focus: none is ranked"}],
            "failed": list(failed), "settings": {
                "design": {"arms": ARMS, "contrasts": contrasts}, "study": {"drug": drug, "name": "x"},
                "focus": {"compartment": "malignant", "keep_genes": ["G2"]}, "survival": [],
            },
        },
    )  # fmt: skip


def cells():
    return pd.DataFrame({
        "cell_type": ["T cell"] * 5 + ["B cell"] * 3 + ["unassigned"] * 2, "sample": ["s0"] * 5 + ["s1"] * 5,
        "patient": ["A"] * 5 + ["B"] * 5, "malignancy": ["normal"] * 9 + ["malignant"],
    })  # fmt: skip


def page(section):
    shown = [section, *(Section(name, name) for name in (
        "candidates", "modules", "microenvironment", "communication", "survival", "bench", "design"))]  # fmt: skip
    return render(shown, title="t")


def cards(section):
    return {card["name"]: card for card in section.blocks[0]["cards"]}


def sentences(section):
    block = section.blocks[0]
    said = [block["question"], block["missing"], *block["limits"]]
    return [*said, *(s for card in block["cards"] for s in card["sentences"])]


def agreement():
    return {"validation_agreement": pd.DataFrame({"gene": ["G1", "G2"], "met": ["yes", "open"]})}


def test_each_answer_has_its_numbers_and_a_link_that_exists():
    section = first_screen(folder(register=claims(), tables=agreement()))
    made = cards(section)
    assert list(made) == ["contrast_early", "contrast_late", "microenvironment", "progression", "bench"]
    html = page(section)
    for card in made.values():
        assert card["verdict"] == "supported"
        assert "95 % interval 1.00 to 3.00" in card["numbers"][0]
        assert card["numbers"][1].startswith("n: ")
        assert card["numbers"][1].endswith("q 0.012")
        assert card["figure"] is not None
        assert f'<a href="#{card["section"]}">' in html
        assert f'id="{card["section"]}"' in html
    assert section.blocks[0]["question"] == (
        "What marks primary (stays) and acquired (returns) resistance to drug X, each against before?"
    )
    assert made["contrast_early"]["sentences"] == [
        "G1 is higher in stays than in before.", "Module M1 G1 is more active in stays than in before.",
        "G2, which the study asks about, is supported too.", "In all, 2 genes and 1 module are supported.",
    ]  # fmt: skip
    assert made["progression"]["sentences"] == [
        "Higher G1 goes with shorter progression-free survival.",
        "It is the same evidence as the contrast early, and counts once, there.",
    ]
    assert made["bench"]["sentences"][0] == (
        "The one comparison that could be decided went as the RNA predicts; 1 is open."
    )


def test_every_figure_has_a_name_of_its_own():
    names = [entry["name"] for entry in first_screen(folder(register=claims())).blocks[0]["entries"]]
    assert names == ["cohort", "contrast_early", "contrast_late", "microenvironment", "progression", "bench"]


def test_without_support_the_strongest_lead_is_called_a_lead():
    section = first_screen(folder(register=claims("suggestive")))
    for card in cards(section).values():
        assert card["verdict"] == "not supported", "of the answer; the lead itself may be suggestive"
        assert card["sentences"][0].startswith(("No ", "None ", "Nothing "))
        assert "It is a lead, not a finding." in card["sentences"]
    assert "Strongest lead: module M2 G9" in cards(section)["contrast_late"]["sentences"][1]


@pytest.mark.parametrize("name", [NASTY, " ".join(["word"] * 60)])
def test_names_are_escaped_and_sentences_stay_short(name):
    register = claims()
    register["statement"] = [s.replace("G1", name).replace("before", name) for s in register["statement"]]
    register["feature"] = name
    register["n"] = name
    contrasts = {name: CONTRASTS["early"] | {"role": "none", "reference": name}}
    sheet = samples().assign(patient=lambda t: name + t["patient"], best_response=name)
    failed = [{"step": name, "reason": name}]
    section = first_screen(
        folder(register=register.assign(contrast=name), contrasts=contrasts, sheet=sheet, failed=failed, drug=name)
    )
    assert max(len(s.split()) for s in sentences(section)) <= LONGEST
    html = page(section)
    assert NASTY not in html
    if name == NASTY:
        assert NASTY in unescape(html)


def test_a_contrast_without_tests_has_its_reason_and_the_cells_are_described():
    section = first_screen(folder(described=True))
    made = cards(section)
    assert list(made) == ["contrast_early", "contrast_late", "cells"]
    assert made["contrast_early"]["verdict"] == "refused"
    assert made["contrast_early"]["sentences"] == [
        "No gene and no module could be tested between these arms.", "Few cells in the focus."]  # fmt: skip
    assert made["contrast_early"]["numbers"] == ("n: 3 against 3 patients",)
    assert made["cells"]["sentences"] == [
        "The cells are of 2 populations; the commonest: T cell (50 %), B cell (30 %).", "1 of 10 cells are malignant.",
        "2 cells have no name."]  # fmt: skip
    assert made["cells"]["numbers"] == ("n: 10 cells, 2 samples, 2 patients",)
    assert made["cells"]["figure"]["drawn"].svg
    assert "contrast_early" not in [e["name"] for e in section.blocks[0]["entries"]]
    assert max(len(s.split()) for s in sentences(section)) <= LONGEST


def test_no_sentence_has_more_than_thirty_words():
    section = first_screen(folder(register=claims("suggestive"), tables=agreement()))
    for text in sentences(section):
        for sentence in re.split(r"(?<=[.?!]) ", text):
            assert len(sentence.split()) <= LONGEST, sentence


def test_a_study_without_contrasts_or_claims_still_has_a_first_screen():
    section = first_screen(folder(contrasts={}))
    block = section.blocks[0]
    assert block["cards"] == []
    assert block["question"].startswith("Which cells are in these samples?")
    assert any("names no contrast" in s for s in block["limits"])
    assert 'id="card-limits"' in page(section)


def test_without_survival_no_card_and_a_word_on_it():
    register = claims()
    section = first_screen(folder(register=register[register["kind"] != "survival"], sheet=samples(endpoint=False)))
    assert "progression" not in cards(section)
    assert any("progression" in s for s in section.blocks[0]["limits"])
    assert "name no endpoint" in section.blocks[0]["cohort"]["caption"]


def test_contrasts_of_any_name_and_role_have_their_cards_those_of_resistance_first():
    contrasts = {
        "x": {"test": "stays", "reference": "before", "role": "none", "order": []},
        "course": {"test": "returns", "reference": "before", "role": "", "order": ARMS},
        "acquired": {"test": "returns", "reference": "before", "role": "", "order": []},
    }
    one = claims().iloc[[0]]
    register = pd.concat([one.assign(contrast=c) for c in contrasts], ignore_index=True)
    made = cards(first_screen(folder(register=register, contrasts=contrasts)))
    assert [m["question"] for m in made.values()] == [
        "What marks acquired resistance?", "What sets stays apart from before?",
        "What changes over before, stays, returns?",
    ]  # fmt: skip


def test_a_step_that_failed_is_on_the_first_screen():
    html = page(first_screen(folder(register=claims(), failed=[{"step": "networks", "reason": "memory"}])))
    assert "This page is not whole: 1 step failed (networks)." in html


def test_a_bar_has_the_arm_of_the_last_biopsy():
    assert bar_arm(samples(), ARMS).to_dict() == {
        "A": "returns", "B": "before", "C": "before", "D": "stays", "E": "stays", "F": "returns"
    }  # fmt: skip


def test_bars_and_marks_of_the_swimmer_plot_are_where_the_times_are():
    people = pd.DataFrame({
        "patient": ["A", "B", "C"], "time": [10.0, 4.0, 6.0], "event": [1, 1, 0],
        "arm": ["returns", "before", "before"], "response": ["PR", "", "SD"],
    })  # fmt: skip
    biopsies = pd.DataFrame({
        "patient": ["A", "A", "B"], "arm": ["before", "returns", "before"], "time": [0.0, 10.0, np.nan],
    })  # fmt: skip
    figure, axes = new_axes(4, 3)
    swimmer(people, biopsies, axes, arms=ARMS)
    # By arm, the longest first: C and B (before), then A (returns).
    assert [label.get_text() for label in axes.get_yticklabels()] == ["C", "B", "A"]
    assert [bar.get_width() for bar in axes.patches] == [6.0, 4.0, 10.0]
    rows = dict(zip("CBA", axes.get_yticks(), strict=True))
    assert rows["C"] > rows["B"] > rows["A"]
    marks = {}
    for collection in axes.collections:
        for x, y in collection.get_offsets():
            marks.setdefault(round(float(y)), []).append(float(x))
    assert sorted(marks[round(rows["A"])]) == [0.0, 10.0]
    assert marks[round(rows["B"])][0] < 0, "a biopsy without a time stands left of the bars"
    wanted = arm_colours(ARMS)["returns"]
    assert axes.patches[2].get_facecolor()[:3] == pytest.approx([int(wanted[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    words = [t.get_text() for t in axes.texts]
    assert words == ["SD", "", "PR"]
    ended, going = axes.lines[0], axes.lines[1]
    assert sorted(ended.get_ydata()) == sorted([rows["B"], rows["A"]])
    assert list(going.get_ydata()) == [rows["C"]]
    figure.clear()


def test_biopsies_without_an_endpoint_are_marks_by_patient_and_arm():
    sheet = pd.concat([samples(), samples().iloc[[0]]])
    figure, axes = new_axes(3, 3)
    biopsy_grid(sheet, axes, arms=ARMS)
    marks = {(float(x), float(y)) for c in axes.collections[:3] for x, y in c.get_offsets()}
    assert len(marks) == len(samples()), "two samples of one patient and arm are one mark with the number"
    assert [t.get_text() for t in axes.texts] == ["2"]
    assert [t.get_text() for t in axes.get_xticklabels()] == ["before\nn = 3", "stays\nn = 2", "returns\nn = 2"]
    figure.clear()


@pytest.mark.parametrize("n", [1, 30, 120])
def test_a_cohort_of_any_size_fits_the_screen(n):
    sheet = pd.DataFrame({
        "sample": [f"s{i}" for i in range(n)], "patient": [f"P{i:03d}" for i in range(n)],
        "arm": np.resize(ARMS, n), "taken": "before", "pfs_months": np.arange(n) + 1.0, "pfs_event": 1,
        "best_response": np.nan,
    })  # fmt: skip
    cohort = first_screen(folder(sheet=sheet)).blocks[0]["cohort"]
    assert cohort["drawn"].figure.get_size_inches()[1] <= 6
    assert f"{n} patient" in cohort["caption"]
    assert "nan" not in cohort["drawn"].svg
