"""The gene box: everything that the tables have on any tested gene, packed small enough for the page."""

import base64
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from scresist.contrasts.verdict import ALPHA
from scresist.plots.style import arm_colours
from scresist.report.blocks import Section, embedded_json
from scresist.report.folder import Folder

STEP = 1 / 16  # of log2 counts per million; values are kept in one byte, 0 to 15.9
SHOWN_P = ALPHA  # changes in other populations are kept below it


def genes(folder: Folder) -> Section | None:
    """A box to type any gene into, with what each table has on it; None without summed counts."""
    sums = folder.table("pseudobulk")
    if not len(sums):
        return None
    tested = folder.table("expression_contrasts")
    focus = str(folder.facts["settings"]["focus"]["compartment"])
    names = tested_genes(folder)
    if not names:
        return None
    data = {
        "genes": names, "arms": folder.arms, "colours": [arm_colours(folder.arms)[a] for a in folder.arms],
        "focus": focus, "step": STEP, **_levels(folder, sums, names, focus), **_contrasts(tested, names, focus, folder),
        "modules": _by_gene(folder.table("modules"), names, ["module", "kme", "rank"]),
        "survival": _survival(folder, names), "bench": _bench(folder, names),
    }  # fmt: skip
    some = len(tested) and tested["p_value"].notna().any()
    which = "that were tested, not only the candidates" if some else "that have counts; none was tested between arms"
    lead = (
        f"Any of {len(names):,} genes {which}. Expression is log2 counts per million "
        "of all cells of a sample in that population; one point is one patient."
    )
    return Section(
        "genes",
        "Look up a gene",
        lead,
        [{"kind": "genes", "data": Markup(embedded_json(data)), "first": _first(folder, names)}],
    )


def _first(folder: Folder, names: list[str]) -> str:
    """The gene shown before one is typed: the first candidate, else one the study asks about, else the commonest."""
    ranked = folder.table("candidates")
    best = [str(g) for g in ranked.sort_values("rank")["gene"]] if len(ranked) else []
    best += [str(g) for g in folder.facts["settings"]["focus"].get("keep_genes", [])]
    known = set(names)
    for gene in best:
        if gene in known:
            return gene
    common = str(folder.table("pseudobulk").groupby("gene", observed=True)["count"].sum().idxmax())
    return common if common in known else names[0]


def tested_genes(folder: Folder) -> list[str]:
    """Every gene that was tested between arms, and those that the study asks about; all genes where none was tested.

    Empty without summed counts.

    Parameters
    ----------
    folder
        The results folder.
    """
    sums, tested = folder.table("pseudobulk"), folder.table("expression_contrasts")
    if not len(sums):
        return []
    found = set(tested.loc[tested["p_value"].notna(), "gene"].astype(str)) if len(tested) else set()
    every = set(map(str, sums["gene"].unique()))
    found = found or every
    kept = folder.facts["settings"]["focus"].get("keep_genes", [])
    return sorted(found | (set(kept) & every))


def _packed(values: np.ndarray) -> str:
    """Values as bytes, 255 where missing."""
    found = np.full(values.shape, 255, dtype=np.uint8)
    known = np.isfinite(values)
    found[known] = np.clip(np.rint(values[known] / STEP), 0, 254)
    return base64.b64encode(found.tobytes()).decode()


def _levels(folder: Folder, sums: pd.DataFrame, names: list[str], focus: str) -> dict[str, Any]:
    """Per sample in the focus, and per population and arm."""
    sheet = folder.sheet
    arm, patient = sheet["arm"].astype(str), sheet["patient"].astype(str)
    sample_of, every = _numbered(sums["sample"])
    type_of, kinds = _numbered(sums["cell_type"])
    gene_of, genes = _numbered(sums["gene"])
    gene = pd.Index(names).get_indexer(genes)[gene_of]
    count = sums["count"].to_numpy(float)
    types = sorted(kinds[k] for k in np.unique(type_of))
    own = type_of == (kinds.index(focus) if focus in kinds else -2)
    inside = {every[k] for k in np.unique(sample_of[own])}
    samples = [s for s in sheet.index.astype(str) if s in inside]
    at = pd.Index(samples).get_indexer(every)[sample_of[own]]
    level = _rates(at, gene[own], count[own], (len(samples), len(names)))
    arm_of = pd.Index(folder.arms).get_indexer(arm.reindex(every))[sample_of]
    pair = np.where(arm_of < 0, -1, pd.Index(types).get_indexer(kinds)[type_of] * len(folder.arms) + arm_of)
    by = _rates(pair, gene, count, (len(types) * len(folder.arms), len(names)))
    return {
        "samples": samples, "sampleArm": [folder.arms.index(arm[s]) if arm[s] in folder.arms else -1 for s in samples],
        "patients": [patient[s] for s in samples], "levels": _packed(level.T), "types": types, "byType": _packed(by.T),
    }  # fmt: skip


def _numbered(column: pd.Series) -> tuple[np.ndarray, list[str]]:
    """A number for every row, and the names that the numbers stand for; millions of rows as words would be slow."""
    held = column.astype("category").cat
    return held.codes.to_numpy().astype(np.int64), [str(name) for name in held.categories]


def _rates(group: np.ndarray, gene: np.ndarray, count: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """log2(counts per million + 1), groups x genes; NaN for a group without counts. Numbers below 0 are left out."""
    kept = group >= 0
    total = np.bincount(group[kept], count[kept], shape[0])
    known = kept & (gene >= 0)
    counts = np.bincount(group[known] * shape[1] + gene[known], count[known], shape[0] * shape[1]).reshape(shape)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.log2(1e6 * counts / np.where(total > 0, total, np.nan)[:, None] + 1))


def _contrasts(tested: pd.DataFrame, names: list[str], focus: str, folder: Folder) -> dict[str, Any]:
    """Effects in the focus by contrast and gene, and the changes of other populations with a small p."""
    if not len(tested):
        return {"contrasts": [], "others": {}}
    ranked = folder.table("candidates")
    verdicts = ranked.set_index(["contrast", "gene"])["verdict"] if len(ranked) else pd.Series(dtype=object)
    own = tested[tested["cell_type"] == focus]
    out = []
    for name in folder.contrasts:
        rows = own[own["contrast"] == name].drop_duplicates("gene").set_index("gene").reindex(names)
        known = verdicts.get(name, pd.Series(dtype=object)) if len(verdicts) else pd.Series(dtype=object)
        out.append({
            "name": name, "n": [_whole(rows["n_test"].max()), _whole(rows["n_reference"].max())],
            **{key: _rounded(rows[column]) for key, column in (
                ("effect", "log2fc"), ("low", "ci_low"), ("high", "ci_high"), ("p", "p_value"), ("q", "q_value"))},
            "verdict": [str(known.get(g, "")) for g in names],
        })  # fmt: skip
    place = {g: i for i, g in enumerate(names)}
    others: dict[int, list[list[Any]]] = {}
    near = tested[(tested["cell_type"] != focus) & (tested["p_value"] < SHOWN_P)]
    for row in near[["gene", "cell_type", "contrast", "log2fc", "p_value", "q_value"]].itertuples(index=False):
        if row.gene in place:
            others.setdefault(place[row.gene], []).append(
                [row.cell_type, row.contrast, round(row.log2fc, 2), _short(row.p_value), _short(row.q_value)]
            )
    return {"contrasts": out, "others": others}


def _whole(value: float) -> int:
    return int(value) if np.isfinite(value) else 0


def _short(value: float) -> float | None:
    return float(f"{value:.2g}") if np.isfinite(value) else None


def _rounded(values: pd.Series) -> list[float | None]:
    return [float(f"{v:.3g}") if np.isfinite(v) else None for v in values.to_numpy(float)]


def _by_gene(table: pd.DataFrame, names: list[str], columns: list[str]) -> dict[int, list[Any]]:
    place = {g: i for i, g in enumerate(names)}
    out = {}
    for row in table.to_dict("records") if len(table) else []:
        if str(row["gene"]) in place:
            out[place[str(row["gene"])]] = [_plain(row.get(c)) for c in columns]
    return out


def _plain(value: Any) -> Any:
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.3g}") if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value


def _survival(folder: Folder, names: list[str]) -> dict[int, list[list[Any]]]:
    table = folder.table("survival")
    place = {g: i for i, g in enumerate(names)}
    out: dict[int, list[list[Any]]] = {}
    if not len(table):
        return out
    own = table[table["hr"].notna() & ~table["method"].astype(str).str.contains("best cut")]
    for row in own[["feature", "endpoint", "hr", "ci_low", "ci_high", "p_value", "q_value", "n", "events"]].itertuples(
        index=False
    ):
        if row.feature in place:
            out.setdefault(place[row.feature], []).append([_plain(v) for v in row[1:]])
    return out


def _bench(folder: Folder, names: list[str]) -> dict[int, list[str]]:
    table = folder.table("validation_agreement")
    place = {g: i for i, g in enumerate(names)}
    out: dict[int, list[str]] = {}
    for row in table.to_dict("records") if len(table) else []:
        if str(row["gene"]) in place:
            out.setdefault(place[str(row["gene"])], []).append(str(row["sentence"]))
    return out
