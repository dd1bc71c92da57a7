"""The sentence of a finding: one per row, by kind of claim."""

from collections.abc import Mapping

import numpy as np

from scresist.results import number
from scresist.study.design import Contrast

FEATURES = (
    "protein", "gene", "module", "signature", "interaction", "pathway", "feature", "marker", "phenotype", "compound",
    "readout", "target", "cell_type", "population",
)  # fmt: skip
Row = Mapping[str, object]


def feature_of(row: Row) -> tuple[str, str]:
    """The column that names what a row is about, and its value."""
    column = next((c for c in FEATURES if _given(row.get(c))), "feature")
    return column, str(row.get(column, ""))


def _given(value: object) -> bool:
    return value is not None and value != "" and not (isinstance(value, float) and np.isnan(value))


def size(effect: float, row: Row) -> str:
    """An effect with its interval where there is one."""
    low, high = number(row.get("ci_low")), number(row.get("ci_high"))
    number_text = f"{effect:.2f}" if abs(effect) >= 0.1 or effect == 0 else f"{effect:.2g}"
    if not np.isfinite([low, high]).all():
        return number_text
    ends = [f"{v:.2f}" if abs(effect) >= 0.1 or effect == 0 else f"{v:.2g}" for v in (low, high)]
    return f"{number_text}, 95 % interval {ends[0]} to {ends[1]}"


def about_arms(kind: str, row: Row, contrast: Contrast, effect: float) -> str:
    """A difference between two arms."""
    column, feature = feature_of(row)
    cells = str(row.get("cell_type", "")) if column != "cell_type" else ""
    where = f" in {cells}" if cells not in ("", "all", "nan", feature) else ""
    if kind == "communication":
        feature = _link(row)
    if kind == "responses":
        feature, where = f"{row.get('pathway')} {row.get('step')}", f" in {row.get('group')}"
    if np.isnan(effect):
        return f"{feature}{where} could not be compared between {contrast.test} and {contrast.reference}."
    if contrast.order:
        return _about_course(kind, feature, where, contrast, size(effect, row), rises=effect > 0)
    more, what, sides = effect > 0, size(effect, row), f"{contrast.test} than in {contrast.reference}"
    if kind in ("expression", "candidates"):
        return f"{feature} is {'higher' if more else 'lower'}{where} in {sides} (log2 fold change {what})."
    if kind == "proteins":
        return (
            f"{feature} (antibody) is {'higher' if more else 'lower'}{where} in {sides} (difference of log counts "
            f"relative to the panel {what})."
        )
    if kind == "ihc":
        way = "higher" if more else "lower"
        return f"{row.get('marker')} protein (IHC) is {way} in {sides} (difference of H-score {what})."
    if kind == "mif":
        return (
            f"{row.get('phenotype')} cells are {'denser' if more else 'less dense'} in {row.get('compartment')} "
            f"(mIF) in {sides} (log2 ratio {what})."
        )
    if kind == "mif spatial":
        return (
            f"{row.get('statistic')} from {row.get('from')} to {row.get('to')} (mIF) is "
            f"{'higher' if more else 'lower'} in {sides} (log2 observed over expected {what})."
        )
    if kind == "composition":
        return _about_cells(feature, row, sides, what, more=more)
    if kind == "modules":
        return f"Module {feature} is {'more' if more else 'less'} active{where} in {sides} (difference {what})."
    if kind == "communication":
        return f"{feature} is {'stronger' if more else 'weaker'} in {sides} (difference of probability {what})."
    return f"{feature} is {'higher' if more else 'lower'}{where} in {sides} (difference {what})."


def _about_course(kind: str, feature: str, where: str, contrast: Contrast, what: str, *, rises: bool) -> str:
    """A change along the arms of a course."""
    units = {"expression": "log2 fold change", "candidates": "log2 fold change", "composition": "log ratio"}
    steps = f"from {contrast.reference} to {contrast.test}, per step"
    name = f"Module {feature}" if kind == "modules" else feature
    return f"{name} {'rises' if rises else 'falls'}{where} {steps} ({units.get(kind, 'difference')} {what})."


def _about_cells(feature: str, row: Row, sides: str, what: str, *, more: bool) -> str:
    share = number(row.get("share_effect"))
    relative = str(row.get("reference", ""))
    if not relative.startswith("median") or np.isnan(share):
        return f"{feature} make up {'more' if more else 'less'} of the cells in {sides} (difference {what})."
    return (
        f"{feature} are {'more' if more else 'less'} numerous, relative to the {relative}, in {sides} "
        f"(log ratio {what}); "
        f"log odds of their share of all cells {share:+.2f}, p {number(row.get('share_p_value')):.2g}."
    )


def _link(row: Row) -> str:
    """A pair, a pathway, or all that a population sends or receives."""
    level, source, target = (str(row.get(c, "")) for c in ("level", "source", "target"))
    if level in ("outgoing", "incoming"):
        what = f"{row.get('pathway')} signalling" if _given(row.get("pathway")) else "All signalling"
        return f"{what} {f'sent by {source}' if level == 'outgoing' else f'received by {target}'}"
    what = f"{row.get('ligand')} to {row.get('receptor')}" if level == "pair" else f"{row.get('pathway')} signalling"
    return f"{what} from {source} to {target}" if _given(row.get("source")) else what


def about_resistance(row: Row) -> str:
    """Both resistances side by side."""
    _, feature = feature_of(row)
    cells = str(row.get("cell_type", ""))
    where = f" in {cells}" if cells not in ("", "all", "nan") else ""
    both = [number(row.get(c)) for c in ("primary_effect", "acquired_effect", "difference")]
    if np.isnan(both[2]):
        return f"{feature}{where} could not be compared between primary and acquired resistance."
    return (
        f"{feature}{where}: primary {both[0]:+.2f}, acquired {both[1]:+.2f}, acquired less primary "
        f"{size(both[2], row)}; {row.get('class')}."
    )


def about_replication(row: Row) -> str:
    """A difference between the arms of a second cohort, beside that of the first."""
    module, effect = str(row.get("module")), number(row.get("effect"))
    sides = f"{row.get('arm_test')} than in {row.get('arm_reference')}"
    if np.isnan(effect):
        return f"Second cohort: module {module} could not be compared between its arms."
    first = number(row.get("first_effect"))
    way = "same" if effect * first > 0 else "opposite"
    beside = "" if np.isnan(first) else f"; the {way} direction as in the first cohort ({first:+.2f})"
    return (
        f"Second cohort: module {module} is {'more' if effect > 0 else 'less'} active in {sides} "
        f"(difference {size(effect, row)}){beside}."
    )


def about_hazard(row: Row) -> str:
    """A hazard ratio."""
    _, feature = feature_of(row)
    hr = number(row.get("hr"))
    if np.isnan(hr):
        return f"Whether {feature} goes with {row.get('endpoint')} could not be tested."
    cut = "best cut" in str(row.get("method", ""))
    unit = "above the best cut" if cut else "per SD"
    interval = "" if cut else f", 95 % interval {number(row.get('ci_low')):.2f} to {number(row.get('ci_high')):.2f}"
    way = "shorter" if hr > 1 else "longer"
    return f"Higher {feature} goes with {way} {row.get('endpoint')} (hazard ratio {unit} {hr:.2f}{interval})."


def about_odds(row: Row) -> str:
    """An odds ratio of a response, of benefit or of a better category."""
    _, feature = feature_of(row)
    ratio, outcome = number(row.get("odds_ratio")), str(row.get("endpoint"))
    better = "a better best response" if outcome == "best response" else outcome
    if np.isnan(number(row.get("p_value"))):
        return f"Whether {feature} goes with {better} could not be tested."
    if np.isnan(ratio):
        return f"{feature} does not go with {better} in either direction."
    often = "more" if ratio > 1 else "less"
    return f"Higher {feature} goes with {better} {often} often (odds ratio per SD {size(ratio, row)})."


ASSAYS = {"dose ratios": "ratio", "readouts": "effect", "bench expression": "fold"}


def assay_effect(kind: str, row: Row) -> float:
    """The effect that the p-value of a row is of: the difference of areas where an IC50 is not reached."""
    return number(row.get("aac_difference" if row.get("statistic") == "aac" else ASSAYS[kind]))


def about_assay(kind: str, row: Row) -> str:
    """A difference between two conditions of cells, over biological replicates."""
    effect = assay_effect(kind, row)
    what = str(row.get("compound") or row.get("readout") or row.get("target"))
    name = f"IC50 of {what}" if kind == "dose ratios" else what
    line = f" in {row.get('line')}" if _given(row.get("line")) else ""
    sides = f"{row.get('test')} than in {row.get('reference')}"
    if np.isnan(effect) or np.isnan(number(row.get("p_value"))):
        return f"{name}{line} could not be compared between {row.get('test')} and {row.get('reference')}."
    if row.get("statistic") == "aac":
        less = "less" if effect < 0 else "more"
        areas = {"ci_low": row.get("aac_low"), "ci_high": row.get("aac_high")}
        return f"{what} acts {less}{line} in {sides} (difference of the area above the curve {size(effect, areas)})."
    ratio = row.get("scale", "ratio") == "ratio"
    more = effect > (1 if ratio else 0)
    by = f"{'ratio' if ratio else 'difference'} {size(effect, row)}"
    return f"{name} is {'higher' if more else 'lower'}{line} in {sides} ({by})."


def sizes(row: Row) -> str:
    """Patients per side, and how many are in both."""
    if "n_primary" in row:
        return f"{row['n_primary']} primary, {row['n_acquired']} acquired, {row['n_reference']} reference patients"
    both = f", {row['n_pairs']:.0f} in both" if row.get("n_pairs") else ""
    return f"{row['n_test']:.0f} against {row['n_reference']:.0f} patients{both}"
