"""H-scores against a worked example, nesting of readers and cores, HER2 against the guideline, refusals with rows."""

import numpy as np
import pandas as pd
import pytest

from scresist.checks import InputError
from scresist.validation.her2_status import her2, ish_group
from scresist.validation.readers import ihc, reader_agreement


def row(patient="P1", sample="S1", marker="MUC3A", reader="a", core="1", weak=0.0, moderate=0.0, strong=0.0, **more):
    return {"patient": patient, "sample": sample, "marker": marker, "reader": reader, "core": core, "weak": weak,
            "moderate": moderate, "strong": strong, **more}  # fmt: skip


def test_the_h_score_is_that_of_the_worked_example():
    """40 % weak, 30 % moderate, 10 % strong: 40 + 60 + 30 = 130; all strong: 300; none: 0."""
    table = pd.DataFrame([row(weak=40, moderate=30, strong=10), row(sample="S2", strong=100), row(sample="S3")])
    found = ihc(table).table
    assert found["h_score"].tolist() == [130, 300, 0]
    assert found["positive_percent"].tolist() == [80, 100, 0]
    assert found["ci_low"].isna().all()
    assert found["reason"].str.contains("two cores").all()


def test_readers_are_averaged_within_cores_and_cores_within_samples():
    table = pd.DataFrame([row(core="1", reader=r, strong=s) for r, s in (("a", 10), ("b", 20), ("c", 30))]
                         + [row(core="2", strong=40)])  # fmt: skip
    found = ihc(table).table.iloc[0]
    assert found["h_score"] == pytest.approx(3 * (20 + 40) / 2)
    assert (found["n_cores"], found["n_readers"]) == (2, 3)


def test_the_interval_covers_the_score_of_the_sample():
    rng = np.random.default_rng(1)
    inside = []
    for _ in range(150):
        truth = rng.uniform(80, 220, 10)
        rows = [row(f"P{i}", f"S{i}", core=str(k), strong=np.clip((t + rng.normal(0, 20)) / 3, 0, 100))
                for i, t in enumerate(truth) for k in range(3)]  # fmt: skip
        found = ihc(pd.DataFrame(rows)).table.set_index("sample").loc[[f"S{i}" for i in range(10)]]
        inside.append(np.mean((found["ci_low"] <= truth) & (truth <= found["ci_high"])))
    assert 0.93 < np.mean(inside) < 0.97


def test_scores_of_counts():
    table = pd.DataFrame([row(positive_tumour=30, positive_immune=40, viable_tumour=120),
                          row(sample="S2", positive_tumour=90, positive_immune=60, viable_tumour=100)])  # fmt: skip
    found = ihc(table).table
    np.testing.assert_allclose(found["tps"], [25, 90])
    np.testing.assert_allclose(found["cps"], [100 * 70 / 120, 100])


BAD = {
    "a percentage above 100": (row(weak=120), "row 3: weak must be a percentage"),
    "a negative percentage": (row(strong=-1), "row 3: strong must be a percentage"),
    "more than 100 together": (row(weak=60, moderate=30, strong=20), "row 3: .*more than 100 percent together.*110"),
    "text": (row(weak="some"), "row 3: column 'weak' must be a number.*some"),
    "an empty marker": (row(marker=""), "row 3: column 'marker' is empty"),
    "a row twice": (row(sample="S0", strong=10), "row 3: this sample, marker, core and reader"),
    "a sample of two patients": (row(patient="P9", sample="S0", core="2"), "row 3: the sample belongs to another"),
    "more positive than viable": (row(positive_tumour=9, viable_tumour=5), "row 3: more tumour cells are positive"),
    "a marker in two spellings": (
        row(marker="muc-3A", core="2"),
        "row 3: the marker is 'MUC3A' in an earlier row.*muc-3A",
    ),
    "no viable cell": (row(positive_tumour=0, viable_tumour=0), "row 3: viable_tumour is 0"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_refused_names_the_row(name):
    bad, words = BAD[name]
    with pytest.raises(InputError, match=words):
        ihc(pd.DataFrame([row(sample="S0", strong=50), bad]))


def test_shares_of_one_are_refused_and_so_is_a_table_without_a_column():
    with pytest.raises(InputError, match="look like shares of 1"):
        ihc(pd.DataFrame([row(weak=0.4), row(sample="S2", strong=0.9)]))
    with pytest.raises(InputError, match="no column 'strong'"):
        ihc(pd.DataFrame([row()]).drop(columns="strong"))


def test_agreement_of_readers_has_their_number_and_intervals():
    rng = np.random.default_rng(2)
    truth = rng.uniform(0, 90, 30)
    rows = [row(f"P{i}", f"S{i}", reader=r, strong=np.clip(t + shift + rng.normal(0, 3), 0, 100))
            for i, t in enumerate(truth) for r, shift in (("a", 0), ("b", 5))]  # fmt: skip
    found = reader_agreement(pd.DataFrame(rows)).table.set_index("statistic")
    assert found.loc["ICC, one reader", "value"] > 0.9
    assert found.loc["ICC, one reader", "n"] == 30
    bias = found.loc["mean difference"]
    assert bias["ci_low"] < -15 < bias["ci_high"]  # 5 percent strong are 15 of the score
    assert (found["reason"] == "").all()
    with pytest.raises(InputError, match="at least two readers"):
        reader_agreement(pd.DataFrame([row()]))
    two = pd.DataFrame([row(), row(reader="b")])
    assert reader_agreement(two).table["reason"].str.contains("at least 3 are needed|one category").all()


@pytest.mark.parametrize(("ratio", "copies", "group"), [(2.0, 4.0, 1), (2.5, 3.9, 2), (1.9, 6.0, 3), (1.9, 5.9, 4),
                                                        (1.9, 3.9, 5), (np.nan, 4.0, 0)])  # fmt: skip
def test_groups_of_in_situ_hybridisation(ratio, copies, group):
    assert ish_group(ratio, copies) == group


@pytest.mark.parametrize(
    ("score", "ratio", "copies", "guideline", "status", "kind"),
    [("3+", None, None, "breast 2023", "positive", "positive"), ("1+", None, None, "breast 2023", "negative", "low"),
     ("0", None, None, "breast 2023", "negative", "0"), ("2+", None, None, "breast 2023", "equivocal", ""),
     ("2+", 2.4, 8, "breast 2023", "positive", "positive"), ("2+", 2.4, 3.5, "breast 2023", "negative", "low"),
     ("2+", 1.5, 6.5, "breast 2023", "positive", "positive"), ("2+", 1.5, 5, "breast 2023", "negative", "low"),
     ("2+", 2.4, 3.5, "gastric 2016", "positive", "positive"), ("2+", 1.5, 5, "gastric 2016", "equivocal", ""),
     ("2+", 1.5, 3, "gastric 2016", "negative", "low")],
)  # fmt: skip
def test_her2_follows_the_guideline(score, ratio, copies, guideline, status, kind):
    table = pd.DataFrame(
        [{"patient": "P1", "sample": "S1", "score": score, "her2_cep17": ratio, "her2_copies": copies}]
    )
    found = her2(table, guideline=guideline).table.iloc[0]
    assert (found["status"], found["class"]) == (status, kind)


def test_readers_who_differ_by_one_lead_to_in_situ_hybridisation():
    table = pd.DataFrame(
        [{"patient": "P1", "sample": "S1", "score": s, "reader": r} for s, r in (("1+", "a"), ("2+", "b"))]
    )
    found = her2(table).table.iloc[0]
    assert (found["score"], found["status"], found["score_lowest"], found["score_highest"]) == ("2+", "equivocal", 1, 2)
    with pytest.raises(InputError, match=r"row 2: score must be 0, 1\+, 2\+ or 3\+.*4"):
        her2(table.assign(score="4"))
