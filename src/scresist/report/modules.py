"""The section on modules: differences between arms, what they rest on, gene sets, the place of a gene."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from scresist.contrasts.verdict import ALPHA
from scresist.plots import networks as draw
from scresist.plots.style import new_axes
from scresist.report.blocks import Card, Drawn, Section, bullets, cards, figures, heading, interval, table, written
from scresist.report.comparisons import TEST, strip
from scresist.report.folder import Folder

if TYPE_CHECKING:
    from scresist.networks import Network

DRAWN = 4  # modules whose hubs are drawn: those that differ most between arms
CARDS = 12  # modules with a card
SETS = 3  # gene sets of a card
GENES_DRAWN = 30
NEAREST = 10


def modules(folder: Folder) -> Section | None:
    """Modules of co-expression: tests, flags, meaning, the genes of `keep_genes`, the network itself."""
    members = folder.table("modules")
    if not len(members):
        return None
    tested = folder.claimed("module_contrasts")
    differ = list(dict.fromkeys(tested["module"])) if len(tested) else []
    order = [*differ, *(m for m in dict.fromkeys(members["module"]) if m not in differ)]
    net = folder.network
    blocks: list[dict[str, Any]] = [figures([_tree(net)])] if net is not None else []
    blocks.append(cards(_cards(folder, net, tested, order[:DRAWN])))
    rest = order[DRAWN:CARDS]
    if rest:
        blocks += [heading(f"Cards of {len(rest)} further modules"), cards(_cards(folder, None, tested, rest))]
    blocks += _fit(folder, net, order[:DRAWN]) if net is not None else []
    blocks += [*_differences(tested), *_members(folder, members), *_meaning(folder), *_asked(folder)]
    lead = "Genes that move together across cells of the compartment; each module's score is tested between patients."
    return Section("modules", "Modules", lead, blocks)


def _differences(tested: pd.DataFrame) -> list[dict[str, Any]]:
    if not len(tested):
        return []
    columns = ["contrast", "module", "verdict", "effect", *TEST, "why"]
    return [heading("Differences between arms"), table(tested, "module_contrasts", columns)]


def _members(folder: Folder, members: pd.DataFrame) -> list[dict[str, Any]]:
    """One row a module: hubs, size, and what it may rest on."""
    hubs = members[members["rank"] <= 8].sort_values(["module", "rank"], kind="stable")
    listed = hubs.groupby("module", sort=False)["gene"].agg(", ".join).rename("hubs")
    catalogue = folder.table("module_catalogue")
    if catalogue.empty:
        catalogue = members.groupby("module").size().rename("n_genes").reset_index()
    return [heading("Modules and what they rest on"), table(catalogue.join(listed, on="module"), "module_catalogue", [
        "module", "n_genes", "hubs", "flags",
        "coherence", "coherence_chance", "q_coherence",
        "found_without",
        "recurrence", "recurrence_low", "recurrence_high",
        "least_without_one",
        "depends_on",
        "carried_by",
        "technical",
        "technical_r",
        "consensus_jaccard",
        "variance_explained",
    ])]  # fmt: skip


def _meaning(folder: Folder) -> list[dict[str, Any]]:
    found = folder.table("module_meaning")
    if not len(found):
        return []
    found = found[found["q_value"] < ALPHA]
    if not len(found):
        none = "No gene set is over-represented in a module at q < 0.05 (tables/module_meaning.csv has the nearest)."
        return [heading("What the modules are about"), bullets([none])]
    best = found.sort_values(["module", "p_value"], kind="stable").groupby("module", sort=False).head(6)
    return [heading("What the modules are about"), table(best, "module_meaning", [
        "module", "collection", "gene_set",
        "n_overlap", "module_size", "set_size",
        "odds_ratio", "q_value",
        "genes",
    ])]  # fmt: skip


def _asked(folder: Folder) -> list[dict[str, Any]]:
    views = folder.table("gene_views")
    if not len(views):
        return []
    return [heading("The genes of keep_genes"), table(views, "gene_views", [
        "gene", "verdict", "kme",
        "kme_low", "kme_high",
        "settings_share", "neighbours",
    ])]  # fmt: skip


def _tree(net: "Network") -> Drawn:
    """The tree with its modules."""
    figure, axes = new_axes(9.2, 3.0)
    draw.dendrogram(net.linkage, net.modules["module"], axes)
    return figure, f"Tree of {len(net.modules):,} genes by topological overlap, with their modules.", "tree"


def _fit(folder: Folder, net: "Network", names: list[str]) -> list[dict[str, Any]]:
    """The fit by power, and the kME of the hubs of the modules that differ most."""
    figure, axes = new_axes(4.4, 2.9)
    draw.fit_table(net.power_table, axes, power=net.power)
    drawn: list[Drawn] = [(figure, f"Fit of {len(net.modules):,} genes to a scale-free network by power; {net.power:g} "
                           "was taken.", "power")]  # fmt: skip
    scores = folder.table("module_scores")
    patients = scores.join(folder.sheet, on="sample")["patient"].nunique() if len(scores) else 0
    over = f"{patients} patients" if patients else "patients"
    hubs = folder.table("hub_genes")
    for name in names if len(hubs) else []:
        own = hubs[hubs["module"] == name]
        if len(own):
            figure, axes = new_axes(3.6, 2.9)
            draw.kme_ranks(own, axes)
            drawn.append((figure, f"{name}: kME of its hubs with 95 % intervals over {over}.", f"{name}_kme"))
    return [heading("Fit of the network, and how sure its hubs are"), figures(drawn)]


def _cards(folder: Folder, net: "Network | None", tested: pd.DataFrame, names: list[str]) -> list[Card]:
    """A card per module: its hubs in its colour, its scores by arm, what it is about, how sure it is."""
    scores, sheet = folder.table("module_scores"), folder.sheet
    catalogue, meaning = folder.table("module_catalogue"), folder.table("module_meaning")
    members = folder.table("modules")
    out = []
    for name in names:
        drawn: list[Drawn] = []
        if net is not None:
            own = net.members(name).head(GENES_DRAWN)
            figure, axes = new_axes(3.4, 2.9)
            joined, near = _joined(net, name, set(own["gene"].astype(str)))
            draw.hub_network(joined, own, axes)
            if (legend := axes.get_legend()) is not None:
                legend.remove()  # the card has its name
            lines = (f"a line joins two where one is among the {near} nearest of the other" if len(joined) else
                     f"no two are among the {near} nearest of each other")  # fmt: skip
            drawn.append((figure, f"Its {len(own)} genes of highest kME; {lines}", f"{name}_hubs"))
        if len(scores):
            points = scores[scores["module"] == name].join(sheet, on="sample").rename(columns={"score": "value"})
            means = points.groupby(["patient", "arm"], as_index=False)["value"].mean()
            drawn.append((strip(means, folder.arms, "module score"), "Score, one point per patient", f"{name}_scores"))
        first = members[members["module"] == name].sort_values("rank", kind="stable")["gene"].astype(str)
        rows = tested[tested["module"] == name] if len(tested) else tested
        known = [("genes", f"{len(first)}: {', '.join(first.head(8))}{', …' if len(first) > 8 else ''}")]
        known += [(str(r["contrast"]), f"difference {interval(r)}, q {written(r['q_value'], 'p')}, {r['n_test']:.0f} "
                   f"against {r['n_reference']:.0f}: {r['verdict']}") for r in rows.to_dict("records")]  # fmt: skip
        out.append(Card(name, _best(rows), [*known, ("about", _about(meaning, name)), *_sure(catalogue, name)], drawn))
    return out


def _joined(net: "Network", name: str, genes: set[str]) -> tuple[pd.DataFrame, int]:
    """The edges among some genes of a module, to the 10 nearest of each; to all that are kept where these are few."""
    from scresist.networks import edges

    for near in (NEAREST, net.neighbours.shape[1]):
        found = edges(net, modules=[name], top=min(near, net.neighbours.shape[1]))
        joined = found[found["source"].isin(genes) & found["target"].isin(genes)]
        if len(joined) >= len(genes):
            break
    return joined, min(near, net.neighbours.shape[1])


def _best(rows: pd.DataFrame) -> str:
    verdicts = set(rows["verdict"]) if len(rows) else set()
    return next((v for v in ("supported", "suggestive", "not supported") if v in verdicts), "")


def _about(meaning: pd.DataFrame, name: str) -> str:
    """The gene sets that are over-represented, the best first."""
    if not len(meaning):
        return ""
    own = meaning[(meaning["module"] == name) & (meaning["q_value"] < ALPHA)].sort_values("p_value", kind="stable")
    words = [f"{r['gene_set']} ({r['n_overlap']} of {r['set_size']}, q {written(r['q_value'], 'p')})"
             for r in own.head(SETS).to_dict("records")]  # fmt: skip
    return "; ".join(words) or "no gene set is over-represented"


def _sure(catalogue: pd.DataFrame, name: str) -> list[tuple[str, str]]:
    """Coherence in patients that did not form it, recurrence, and what it may rest on."""
    own = catalogue[catalogue["module"] == name] if len(catalogue) else catalogue
    if not len(own):
        return []
    row = own.iloc[0]
    known = row.to_dict()
    lines = []
    if pd.notna(known.get("q_coherence")):
        lines.append(("coherence", f"{written(known['coherence'])} in patients that did not form it, "
                      f"{written(known['coherence_chance'])} by chance, q {written(known['q_coherence'], 'p')}"
                      ))  # fmt: skip
    if pd.notna(known.get("recurrence")):
        lines.append(("recurs", f"in {written(known['recurrence'], '%')} of the networks of some patients "
                      f"[{written(known['recurrence_low'], '%')}, {written(known['recurrence_high'], '%')}]"
                      ))  # fmt: skip
    flags = known.get("flags")
    lines.append(("may rest on", str(flags) if isinstance(flags, str) and flags else "nothing that was looked for"))
    return lines
