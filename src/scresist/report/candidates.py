"""The section on candidates: genes against lines of evidence, the known routes, a card per gene, all ranks."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from scresist.contrasts.verdict import ALPHA
from scresist.plots.axis_ends import points_note
from scresist.plots.candidates import evidence_matrix, mechanism_map
from scresist.plots.contrasts import volcano
from scresist.plots.style import new_axes
from scresist.report.blocks import Card, Drawn, Section, cards, figures, heading, table
from scresist.report.comparisons import TEST, strip
from scresist.report.evidence import LINES, Context, context, lines_of, matrix
from scresist.report.folder import Folder

SHOWN = 12  # genes of a contrast in the matrix of evidence
CARDS = 6  # genes of a contrast with a card
RANKS = 40  # in the table
OTHER = "Other routes"
STATIONS: Mapping[str, tuple[str, ...]] = {  # words of a mechanism, in the order in which they are looked for
    "Binding": ("target loss", "epitope", "mucin", "binding"),
    "Uptake": ("internalisation", "endocytosis", "endosom"),
    "Linker": ("linker", "lysosom"),
    "Payload": ("payload", "anthracycline", "replication damage", "efflux"),
    "Bypass": ("bypass", "pi3k", "partner receptor"),
    "Survival": ("apoptosis", "cell-cycle", "cell cycle"),
    "Immunity": ("immune",),
}


def candidates(folder: Folder) -> Section | None:
    """The genes of the focus: what supports each, line by line."""
    ranked = folder.claimed("candidates")
    if not len(ranked):
        return None
    ranked = ranked.sort_values("rank", kind="stable")
    known = context(folder)
    kept = [str(g) for g in folder.facts["settings"]["focus"].get("keep_genes", [])]
    columns = [
        "rank", "gene", "verdict", "score", "log2fc", *TEST, "module", "kme", "malignant_share", "ambient_risk", "hr",
        "survival_q", "mechanism", "bench", "why",
    ]  # fmt: skip
    drawn = [_matrix(str(name), own, known, kept) for name, own in ranked.groupby("contrast", sort=False)]
    routes = ranked[ranked["mechanism"].fillna("") != ""]
    if len(routes):
        drawn.append(_routes(folder, routes))
    blocks: list[dict[str, Any]] = [figures(drawn)]
    for contrast, own in ranked.groupby("contrast", sort=False):
        first = _first(own, kept, CARDS)
        blocks += [heading(f"{contrast}: a card per gene"), cards([_card(folder, row, known) for row in first])]
        blocks += [heading(f"{contrast}: all ranks"), table(own[own["rank"] <= RANKS], "candidates", columns)]
    if len(routes):
        blocks += [heading("Known routes of escape, whatever their rank"), table(routes, "candidates",
                                                                              ["contrast", *columns])]  # fmt: skip
    changes = _volcanoes(folder)
    if changes:
        blocks += [heading("All genes of the compartment"), figures(changes)]
    compartment = folder.facts["settings"]["focus"]["compartment"]
    focus = "all cells" if compartment == "all" else f"the {compartment} compartment"
    lead = (
        f"Genes of {focus} by patient-level evidence. Supported: found over patients at the level that keeps the rate "
        "of the whole study, not resting on one patient, and not explained by soup, by what all cells show alike, or "
        "by batch, depth or cycle. A line that was not measured is a dash, and counts neither way."
    )
    return Section("candidates", "Candidates", lead, blocks)


def _first(own: pd.DataFrame, kept: list[str], n: int) -> list[dict[str, Any]]:
    """The first genes of a contrast, and those that the study asks about."""
    rows = own[(own["rank"] <= n) | own["gene"].isin(kept)]
    return [{str(k): v for k, v in row.items()} for row in rows.to_dict("records")]


def _matrix(contrast: str, own: pd.DataFrame, known: Context, kept: list[str]) -> Drawn:
    rows = own[(own["rank"] <= SHOWN) | own["gene"].isin(kept)]
    found = matrix(rows, known)
    lines = [name for name in LINES if (found.loc[found["line"] == name, "state"] != "not measured").any()]
    genes = [str(g) for g in rows["gene"]]
    figure, axes = new_axes(4.8, 1.5 + 0.24 * len(genes))
    evidence_matrix(found, axes, genes=genes, lines=lines)
    first = rows.iloc[0]
    caption = (f"{contrast}: the first {min(SHOWN, len(rows))} genes"
               f"{' and those that the study asks about' if kept else ''}; {first['n_test']:.0f} patients against "
               f"{first['n_reference']:.0f}. The larger the disc, the stronger the line.")  # fmt: skip
    return figure, caption, f"evidence_{contrast}"


def station(mechanism: str) -> str:
    """The station of the drug's route that a mechanism belongs to, by its words.

    Parameters
    ----------
    mechanism
        Of a known route of escape.
    """
    words = mechanism.lower()
    return next((name for name, starts in STATIONS.items() if any(w in words for w in starts)), OTHER)


def _routes(folder: Folder, routes: pd.DataFrame) -> Drawn:
    place = routes.drop_duplicates("gene").assign(station=lambda t: t["mechanism"].astype(str).map(station))
    order = [*STATIONS, OTHER]
    stations = {
        s: [str(g) for g in place.loc[place["station"] == s, "gene"]] for s in order if (place["station"] == s).any()
    }
    deepest = max(len(genes) for genes in stations.values())
    contrasts = [c for c in folder.contrasts if c in set(routes["contrast"])]
    figure, axes = new_axes(0.6 + 1.35 * len(stations), 0.9 + 0.26 * deepest)
    mechanism_map(routes, axes, stations=stations, contrasts=contrasts)
    found = routes[routes["verdict"] == "supported"]
    names = ", ".join(dict.fromkeys(found["gene"].astype(str))) or "none"
    sizes = routes.groupby("contrast")[["n_test", "n_reference"]].max()
    squares = ", ".join(f"{c}, {sizes.loc[c, 'n_test']:.0f} patients against {sizes.loc[c, 'n_reference']:.0f}"
                        for c in contrasts)  # fmt: skip
    caption = (f"Known routes of escape from left to right, a square per contrast ({squares}); the arrow is the "
               f"direction that would confer resistance. Supported, with a frame: {names}.")  # fmt: skip
    return figure, caption, "mechanism_map"


def _card(folder: Folder, row: dict[str, Any], known: Context) -> Card:
    values = folder.table("candidate_values")
    gene = str(row["gene"])
    points = values[values["gene"] == gene] if len(values) else values
    drawn = [(strip(points, folder.arms, "log2 CPM"), f"{gene}: one point per patient", f"{row['contrast']}_{gene}")]
    lines = [(name, found.words) for name, found in lines_of(row, known).items()]
    why = str(row["why"]) if isinstance(row["why"], str) else ""
    return Card(gene, str(row["verdict"]), [("rank", f"{row['rank']:.0f} in {row['contrast']}"), *lines, ("why", why)],
                drawn if len(points) else [])  # fmt: skip


def _volcanoes(folder: Folder) -> list[Drawn]:
    tested = folder.table("expression_contrasts")
    if not len(tested):
        return []
    focus = str(folder.facts["settings"]["focus"]["compartment"])
    drawn = []
    for contrast in folder.contrasts:
        own = tested[(tested["contrast"] == contrast) & (tested["cell_type"] == focus) & tested["p_value"].notna()]
        if not len(own):
            continue
        figure, axes = new_axes(4.6, 3.8)
        volcano(own, axes)
        found = int((own["q_value"] < ALPHA).sum())
        far = points_note([own["log2fc"]], own["q_value"] < ALPHA)
        drawn.append((figure, f"{contrast}: {len(own):,} genes, {found} with q < {ALPHA:g}; {own['n_test'].max():.0f} "
                      f"patients against {own['n_reference'].max():.0f}.{far}", f"volcano_{contrast}"))  # fmt: skip
    return drawn
