"""The answers of the first screen: for each question the best supported claim, or the strongest lead.

An axis of the microenvironment or of the bench is one more kind of claim in `MICROENVIRONMENT` or `BENCH`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from scresist.checks import counted
from scresist.contrasts.verdict import NOT_SUPPORTED, SUPPORTED
from scresist.plots import survival as curves
from scresist.plots.effects import by_arm, forest
from scresist.plots.style import new_axes, short
from scresist.report.blocks import written
from scresist.report.folder import Folder

INTERVAL = "95 % interval"
LONGEST = 30  # words in a sentence of the first screen
ORDER = {"supported": 0, "suggestive": 1, "not supported": 2, "refused": 3}
MARKS = {"candidates": "gene", "modules": "module"}
MICROENVIRONMENT = {  # kind of claim: the section that has it
    "mif": "bench", "composition": "microenvironment", "signatures": "microenvironment",
    "proteins": "microenvironment", "mif spatial": "bench", "communication": "communication",
    "responses": "communication", "expression": "microenvironment",
}  # fmt: skip
BENCH = ("ihc", "dose ratios", "readouts", "bench expression")
TITLES = {
    "candidates": "Candidates", "modules": "Modules", "microenvironment": "Microenvironment", "bench": "The bench",
    "communication": "Communication", "survival": "Survival",
}  # fmt: skip
ENDPOINTS = {"pfs_months": "progression-free survival", "os_months": "overall survival"}
RATIOS = ("dose ratios", "bench expression")  # kinds whose effects are ratios
SIZE = (2.05, 1.35)  # inches on the page
SHOWN = 4  # rows of a small forest


@dataclass(frozen=True, slots=True)
class Answer:
    """One card: a question, its answer in sentences, the numbers behind it, a small figure, and where to read on."""

    name: str
    question: str
    sentences: tuple[str, ...]
    verdict: str = ""
    numbers: tuple[str, ...] = ()
    figure: Figure | None = None
    caption: str = ""
    section: str = ""
    more: str = ""


def about_contrast(folder: Folder, name: str) -> Answer | None:
    """What marks the test arm of a contrast: its best gene or module.

    Parameters
    ----------
    folder
        The results folder.
    name
        The contrast.
    """
    asked = folder.facts["settings"]["design"]["contrasts"][name]
    claims = tested_claims(folder, MARKS)
    own = claims[claims["contrast"] == name] if len(claims) else claims
    if not len(own):
        return None
    found = own[own["verdict"] == "supported"]
    best = found.iloc[0] if len(found) else own.iloc[0]
    sentences = _in_words(best, f"No gene and no module is supported for {name}.")
    if len(found):
        others = found[(found["kind"] != best["kind"])]
        sentences += [plain(others.iloc[0]["statement"])] if len(others) else []
        kept = set(folder.facts["settings"].get("focus", {}).get("keep_genes", [])) - {best["feature"]}
        kept &= set(found.loc[found["kind"] == "candidates", "feature"])
        sentences += [f"{' and '.join(sorted(kept)[:3])}, which the study asks about, {_is(len(kept))} supported too."
                      ] if kept else []  # fmt: skip
        numbers = {word: int((found["kind"] == kind).sum()) for kind, word in MARKS.items()}
        many = " and ".join(counted(n, word) for word, n in numbers.items() if n)
        sentences.append(f"In all, {many} {_is(len(found))} supported.")
    section = {"candidates": "candidates", "modules": "modules"}[best["kind"]]
    arms = list(dict.fromkeys(a for a in (asked.get("order") or [asked["reference"], asked["test"]]) if a))
    label = f"{best['feature']}{_where(folder)}"
    return Answer(
        f"contrast_{name}", clipped(asks(name, asked)), tuple(sentences), _answered(best),
        numbers_of(best), *_figure(folder, best, own, arms, label), section, TITLES[section],
    )  # fmt: skip


def _where(folder: Folder) -> str:
    """The cells of the focus, for a caption; empty where they are all."""
    focus = str(folder.facts["settings"].get("focus", {}).get("compartment", ""))
    return "" if focus in ("", "all") else f" in {focus} cells"


def resistance(name: str, asked: Mapping[str, Any]) -> str:
    """The resistance that a contrast measures, primary or acquired; empty where it measures none.

    Parameters
    ----------
    name
        Of the contrast.
    asked
        Its settings: test, reference, role, order.
    """
    role = asked.get("role") or name
    return role if role in ("primary", "acquired") else ""


def asks(name: str, asked: Mapping[str, Any]) -> str:
    """What a contrast asks, by the resistance that it measures, else by its arms.

    Parameters
    ----------
    name
        Of the contrast.
    asked
        Its settings: test, reference, role, order.
    """
    if role := resistance(name, asked):
        return f"What marks {role} resistance?"
    if asked.get("order"):
        return f"What changes over {', '.join(asked['order'])}?"
    return f"What sets {asked['test']} apart from {asked['reference']}?"


def about_microenvironment(folder: Folder) -> Answer | None:
    """The strongest change around the tumour cells: composition, signatures, mIF, communication."""
    claims = tested_claims(folder, MICROENVIRONMENT)
    if not len(claims):
        return None
    focus = folder.facts["settings"].get("focus", {}).get("compartment", "")
    own = claims["cell_type"].astype(str).eq(str(focus)) & (focus not in ("", "all"))
    claims = claims.assign(own=own & claims["kind"].isin(["signatures", "responses", "expression"]))
    claims = claims[~(claims["own"] & (claims["kind"] == "expression"))]  # genes of the focus are the candidates
    if not len(claims):
        return None
    # Numbers of cells, signatures, proteins and links before single genes, of which thousands are tested.
    claims = claims.assign(gene=claims["kind"] == "expression")
    claims = claims.sort_values(["order", "own", "gene", "q_value"], kind="stable", na_position="last")
    best = claims.iloc[0]
    found = int((claims["verdict"] == "supported").sum())
    sentences = _in_words(best, f"None of {counted(len(claims), 'claim')} about the microenvironment is supported.")
    if found:
        sentences.append(
            f"Of {counted(len(claims), 'claim')} about the microenvironment, {found} {_is(found)} supported."
        )
    section = MICROENVIRONMENT[best["kind"]]
    near = claims[claims["kind"] == best["kind"]]
    return Answer("microenvironment", "What did the microenvironment do?", tuple(sentences),
                  _answered(best), numbers_of(best), *_figure(folder, best, near, folder.arms, _label(best)),
                  section, TITLES[section])  # fmt: skip


def about_progression(folder: Folder) -> Answer | None:
    """What predicts progression: the best claim on survival, and whether it is evidence of its own."""
    claims = tested_claims(folder, ("survival",))
    if not len(claims):
        return None
    best = claims.iloc[0]
    ends = ", ".join(folder.table("survival_endpoints").get("endpoint", pd.Series(dtype=str)).astype(str)[:2])
    sentences = _in_words(best, f"Nothing that was measured before treatment predicts {ends or 'progression'}.")
    sentences = [endpoint_words(sentence) for sentence in sentences]
    same = re.search(r"the same evidence as contrast ([^:;]+)", str(best["why"]))
    if same:
        sentences.append(f"It is the same evidence as the contrast {same[1]}, and counts once, there.")
    lines = folder.table("survival_curves")
    rows = lines[lines["feature"] == best["feature"]] if len(lines) else lines
    if len(rows):
        rows = rows[rows["endpoint"] == rows["endpoint"].iloc[0]]
        units = folder.table("survival_endpoints").set_index("endpoint")["unit"].to_dict()
        figure, axes = new_axes(*SIZE)
        curves.kaplan_meier(rows, axes, time_label=str(units.get(rows["endpoint"].iloc[0], "time")), at_risk=False)
        caption = f"{best['feature']}, high against low"
    else:
        figure, caption = _small_forest(claims, log=True), f"The strongest; {best['feature']}: {best['n']}"
    return Answer("progression", "What predicts progression?", tuple(sentences), _answered(best), numbers_of(best),
                  figure, caption, "survival", TITLES["survival"])  # fmt: skip


def about_bench(folder: Folder) -> Answer | None:
    """Whether protein and function agree with the RNA, and the strongest result of the bench."""
    claims, agreed = tested_claims(folder, BENCH), folder.table("validation_agreement")
    if not len(agreed) and not len(claims):
        return None
    sentences = []
    if len(agreed):
        decided = agreed[agreed["met"] != "open"]
        met = int((decided["met"] == "yes").sum())
        sentences.append(_decided(met, len(decided), len(agreed) - len(decided)))
    if not len(claims):
        figure, axes = new_axes(*SIZE)
        counts = agreed["met"].value_counts()
        axes.barh(range(len(counts)), counts, color="#4a5568")
        axes.set_yticks(range(len(counts)), [str(v) for v in counts.index])
        axes.set_xlabel("comparisons")
        return Answer("bench", "What does the bench show?", tuple(sentences), "", (f"n: {len(agreed)} comparisons",),
                      figure, "As the RNA predicts?", "bench", TITLES["bench"])  # fmt: skip
    best = claims.iloc[0]
    sentences += _in_words(best, "No result of the bench is supported.")
    return Answer("bench", "What does the bench show?", tuple(sentences), _answered(best), numbers_of(best),
                  *_figure(folder, best, claims[claims["kind"] == best["kind"]], folder.arms, _label(best)), "bench",
                  TITLES["bench"])  # fmt: skip


def _decided(met: int, decided: int, still: int) -> str:
    """How many comparisons of the bench went as the RNA predicts, and how many are open."""
    tail = f"; {still} {_is(still)} open." if still else "."
    if not decided:
        return f"No comparison with the RNA could be decided{tail}"
    if decided == 1:
        way = "went as the RNA predicts" if met else "did not go as the RNA predicts"
        return f"The one comparison that could be decided {way}{tail}"
    of = f"All {decided}" if met == decided else f"{met} of {decided}"
    return f"{of} comparisons that could be decided went as the RNA predicts{tail}"


def endpoint_words(text: str) -> str:
    """The usual columns of an endpoint by the words for them.

    Parameters
    ----------
    text
        A sentence or a label.
    """
    for column, words in ENDPOINTS.items():
        text = text.replace(column, words)
    return text


def plain(statement: str) -> str:
    """A statement of the register without its numbers, which stand beside it, as one sentence of at most 30 words.

    Parameters
    ----------
    statement
        Of a claim.
    """
    words = re.sub(r" \([^()]*95 % interval[^()]*\)", "", statement).partition("; ")[0].strip()
    return clipped(words if words.endswith(".") else f"{words}.")


def clipped(sentence: str) -> str:
    """At most 30 words of a sentence; an ellipsis shows that it goes on where the link leads.

    Parameters
    ----------
    sentence
        Any text.
    """
    words = sentence.split()
    return sentence if len(words) <= LONGEST else f"{' '.join(words[: LONGEST - 1])} …"


def tested_claims(folder: Folder, kinds: Mapping[str, str] | Sequence[str]) -> pd.DataFrame:
    """Claims of some kinds that have a p-value, the best verdict first, then in the order of the kinds and register.

    Parameters
    ----------
    folder
        The results folder.
    kinds
        Of claims, in order.
    """
    claims = folder.claims
    if not len(claims):
        return claims
    own = claims[claims["kind"].isin(list(kinds)) & claims["p_value"].notna()]
    place = {kind: i for i, kind in enumerate(kinds)}
    own = own.assign(order=own["verdict"].map(ORDER).fillna(len(ORDER)), place=own["kind"].map(place))
    return own.sort_values(["order", "place"], kind="stable")


def _in_words(best: pd.Series, nothing: str) -> list[str]:
    """The claim as a sentence; where it is not supported, first that nothing is, and that this is a lead."""
    if best["verdict"] == "supported":
        return [plain(best["statement"])]
    return [nothing, f"Strongest lead: {_lowered(plain(best['statement']))}", "It is a lead, not a finding."]


def _answered(best: pd.Series) -> str:
    """The verdict on the question: where the strongest claim is not supported, none is."""
    return SUPPORTED if best["verdict"] == SUPPORTED else NOT_SUPPORTED


def _lowered(sentence: str) -> str:
    """Without the capital of a first word that is no name: of survival (Higher ...) and modules (Module ...)."""
    first = sentence.split(" ", maxsplit=1)[0]
    return sentence[0].lower() + sentence[1:] if first in ("Higher", "Module") else sentence


def _is(n: int) -> str:
    return "is" if n == 1 else "are"


def numbers_of(best: pd.Series) -> tuple[str, ...]:
    """The effect with its interval; n and q.

    Parameters
    ----------
    best
        A claim.
    """
    inside = re.search(r"\(([^()]*95 % interval[^()]*)\)", str(best["statement"]))
    effect = inside[1] if inside else f"effect {written(best['effect'], '+.2f')}"
    if not inside and np.isfinite(best["ci_low"]):
        effect += f", 95 % interval {written(best['ci_low'], '+.2f')} to {written(best['ci_high'], '+.2f')}"
    own = (effect,) if inside or INTERVAL not in str(best["statement"]) else ()  # else the sentence has it
    return (*own, f"n: {best['n']}; q {written(best['q_value'], 'p')}")


def _label(best: pd.Series) -> str:
    where = best["cell_type"] if isinstance(best["cell_type"], str) else ""
    if best["kind"] == "mif":
        where = str(best["row"]).split("|")[0]
    name = str(best["feature"]) if isinstance(best["feature"], str) else str(best["row"]).rpartition("|")[0]
    return f"{name} in {where}" if where and where != name else name


def _figure(folder: Folder, best: pd.Series, near: pd.DataFrame, arms: Sequence[str], label: str) -> tuple[Figure, str]:
    """One point per patient where the values are kept; else the effects of the strongest claims; and its caption."""
    known = _values(folder, best)
    if known is None or known[0].empty:
        return _small_forest(near), f"The strongest; {label}: {best['n']}"
    points, unit = known
    figure, axes = new_axes(*SIZE)
    by_arm(points, axes, arms=[a for a in folder.arms if a in set(arms)], unit=unit, palette=folder.arms)
    return figure, label


def _values(folder: Folder, best: pd.Series) -> tuple[pd.DataFrame, str] | None:
    """Patient, arm and value of what a claim is about, and the unit; None where no table has them."""
    from scresist.validation.by_sample import density_values

    kind, name = best["kind"], best["feature"]
    if kind == "candidates":
        table = folder.table("candidate_values")
        return (table[table["gene"] == name], "log2 CPM") if len(table) else None
    if kind == "modules":
        table = folder.table("module_scores")
        own, unit = (table[table["module"] == name] if len(table) else table), "module score"
        own = own.rename(columns={"score": "value"})
    elif kind == "signatures":
        table = folder.table("signature_scores")
        own = table[(table["signature"] == name) & (table["cell_type"] == best["cell_type"])] if len(table) else table
        unit = "signature score"
    elif kind == "composition":
        counts = folder.table("composition")
        if name not in counts:
            return None
        cells = counts.set_index("sample")
        own, unit = (100 * cells[name] / cells.sum(axis=1)).rename("value").reset_index(), "% of cells"
    elif kind == "mif":
        place = str(best["row"]).split("|")[0]
        table = density_values(folder.table("validation_mif")) if len(folder.table("validation_mif")) else None
        if table is None:
            return None
        own, unit = table[(table["phenotype"] == name) & (table["compartment"] == place)], "log2 per mm2"
    elif kind == "ihc":
        table = folder.table("validation_ihc")
        own, unit = (table[table["marker"] == name] if len(table) else table), "H-score"
        own = own.rename(columns={"h_score": "value"})
    else:
        return None
    if not len(own):
        return None
    own = own[["sample", "value"]].join(folder.sheet, on="sample")
    return own.groupby(["patient", "arm"], as_index=False)["value"].mean(), unit


def _small_forest(claims: pd.DataFrame, *, log: bool = False) -> Figure:
    """Effects of the first claims with their intervals."""
    rows = claims.head(SHOWN).copy()
    labels = [str(_label(r)) for _, r in rows.iterrows()]
    rows["shown"] = [short(words) for words in labels]
    ratio = rows["kind"].iloc[0] in RATIOS
    if log or ratio:
        for column in ("effect", "ci_low", "ci_high"):
            values = rows[column].astype(float)
            rows[column] = np.log2(values.where(values > 0))
    figure, axes = new_axes(*SIZE)
    unit = "log2 hazard ratio per SD" if log else "log2 ratio" if ratio else "effect"
    forest(rows, axes, label="shown", unit=unit)
    return figure
