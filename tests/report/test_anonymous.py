"""Pseudonyms: every name in every place, none left, and names that cannot be replaced with certainty are refused."""

import pandas as pd
import pytest

from scresist.checks import InputError
from scresist.report.anonymous import Pseudonyms


def test_names_are_replaced_in_columns_categories_sentences_and_facts():
    names = Pseudonyms(["PT01", "PT02", "PT10"], ["PT01_baseline", "PT02", "biopsy 7"])
    why = ["rests on PT01 alone", "PT01_baseline, PT10"]
    table = pd.DataFrame({"patient": pd.Categorical(["PT01", "PT10"]), "why": why,
                          "value": [1.0, 2.0], "PT01_baseline": [1, 2]})  # fmt: skip
    out = names.table(table)
    text = out.to_csv()
    assert "PT" not in text
    assert out["value"].tolist() == [1.0, 2.0]
    assert out["why"].iloc[0] == f"rests on {names.names['PT01']} alone"
    known = names.names
    facts = names.facts({"PT02": ["biopsy 7 is small", 3]})
    assert facts == {known["PT02"]: [f"{known['biopsy 7']} is small", 3]}
    assert table["patient"].tolist() == ["PT01", "PT10"]


def test_a_name_within_a_longer_word_is_no_name():
    names = Pseudonyms(["PT01"], ["PT01_a"])
    assert names.text("XPT01 PT012 PT01_a") == f"XPT01 PT012 {names.names['PT01_a']}"


def test_pseudonyms_do_not_follow_the_order_of_the_names():
    names = Pseudonyms([f"PT{i:02d}" for i in range(20)], ["abc"])
    order = [names.names[f"PT{i:02d}"] for i in range(20)]
    assert order != sorted(order)


@pytest.mark.parametrize("name", ["7", "P1", "12.5"])
def test_names_that_look_like_other_text_are_refused(name):
    with pytest.raises(InputError, match="look like numbers"):
        Pseudonyms([name, "PT01"], ["sample a"])


def test_a_page_with_a_name_is_refused():
    names = Pseudonyms(["PT01"], ["biopsy"])
    names.require_none_left(f"<p>{names.names['PT01']}</p>")
    with pytest.raises(InputError, match="PT01 still"):
        names.require_none_left("<p>PT01</p>")
