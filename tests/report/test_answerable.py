"""What the design can answer: what a claim rests on, and why nothing was compared."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from scresist.report.design import design


def folder(*, claims=None, steps=("ingest",)):
    tables = {} if claims is None else {"design": pd.DataFrame({"verdict": ["weak"], "sentence": ["five pairs"]})}
    return SimpleNamespace(
        table=lambda name: tables.get(name, pd.DataFrame()),
        claims=pd.DataFrame() if claims is None else claims,
        facts={"steps": [{"step": name} for name in steps], "refusals": []},
    )


def words(section):
    return str(section.blocks)


def test_a_claim_says_what_it_rests_on():
    claim = {
        "kind": "candidates", "contrast": "c", "statement": "MT1X is higher.", "verdict": "supported", "p_value": 1e-5,
        "p_floor": 0.0625, "q_value": 0.002, "n": "5 against 5 patients",
        "why": "q = 0.002; supported by the model, which assumes that values of patients are normal",
    }  # fmt: skip
    shown = words(design(folder(claims=pd.DataFrame([claim]))))
    assert "MT1X is higher." in shown
    assert "supported by the model, which assumes" in shown
    plain = words(design(folder(claims=pd.DataFrame([claim | {"why": "q = 0.002", "p_floor": np.nan}]))))
    assert "by the model" not in plain


@pytest.mark.parametrize(
    ("steps", "reason"),
    [(("ingest", "contrasts", "report"), "the study names no contrast"), (("ingest", "annotate"), "is annotate")],
)
def test_why_nothing_was_compared(steps, reason):
    assert reason in words(design(folder(steps=steps)))
