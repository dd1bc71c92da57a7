"""The section on modules: differences between arms, what they rest on, gene sets, the place of a gene."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from scresist.contrasts.verdict import ALPHA
from scresist.plots import networks as draw
from scresist.plots.style import new_axes
from scresist.report.blocks import Section, bullets, figures, heading, table
from scresist.report.comparisons import TEST, strip
from scresist.report.folder import Folder

if TYPE_CHECKING:
    from scresist.networks import Network

DRAWN = 3  # modules whose hubs are drawn: those that differ most between arms
GENES_DRAWN = 30


def modules(folder: Folder) -> Section | None:
    """Modules of co-expression: tests, flags, meaning, the genes of `keep_genes`, the network itself."""
    members = folder.table("modules")
    if not len(members):
        return None
    tested = folder.claimed("module_contrasts")
    best = list(dict.fromkeys(tested["module"])) if len(tested) else list(dict.fromkeys(members["module"]))
    blocks = [*_differences(folder, tested), *_members(folder, members), *_meaning(folder), *_asked(folder)]
    net = folder.network
    if net is not None:
        blocks += _network(folder, net, best)
    lead = "Genes that move together across cells of the compartment; each module's score is tested between patients."
    return Section("modules", "Modules", lead, blocks)


def _differences(folder: Folder, tested: pd.DataFrame) -> list[dict[str, Any]]:
    if not len(tested):
        return []
    scores = folder.table("module_scores")
    sheet = folder.sheet
    drawn = []
    for name in list(dict.fromkeys(tested["module"]))[:6]:
        own = scores[scores["module"] == name].join(sheet, on="sample").rename(columns={"score": "value"})
        means = own.groupby(["patient", "arm"], as_index=False)["value"].mean()
        drawn.append((strip(means, folder.arms, "module score"), str(name), f"{name}_scores"))
    columns = ["contrast", "module", "verdict", "effect", *TEST, "why"]
    return [figures(drawn), table(tested, "module_contrasts", columns)]


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


def _network(folder: Folder, net: "Network", best: list[str]) -> list[dict[str, Any]]:
    """The tree, the fit, and the hubs of the modules that differ most."""
    from scresist.networks import edges

    figure, axes = new_axes(9.2, 3.0)
    draw.dendrogram(net.linkage, net.modules["module"], axes)
    drawn = [(figure, "Tree of the genes by topological overlap, with their modules.", "tree")]
    figure, axes = new_axes(4.4, 2.9)
    draw.fit_table(net.power_table, axes, power=net.power)
    drawn.append((figure, f"Fit to a scale-free network by power; {net.power:g} was taken.", "power"))
    hubs = folder.table("hub_genes")
    for name in best[:DRAWN]:
        own = net.members(name).head(GENES_DRAWN)
        among = edges(net, modules=[name])
        figure, axes = new_axes(3.4, 2.9)
        draw.hub_network(among, own, axes)
        drawn.append((figure, f"{name}: its {len(own)} genes of highest kME, joined by overlap.", f"{name}_hubs"))
        if len(hubs):
            figure, axes = new_axes(3.6, 2.9)
            draw.kme_ranks(hubs[hubs["module"] == name], axes)
            drawn.append((figure, f"{name}: kME of its hubs with 95 % intervals over patients.", f"{name}_kme"))
    return [heading("The network"), figures(drawn)]
