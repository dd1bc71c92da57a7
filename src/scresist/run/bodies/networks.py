"""Modules of co-expression in the compartment in focus, and how far to trust them."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from scresist.checks import RefusedError
from scresist.results import Result
from scresist.run.bodies.focus import focus_of
from scresist.run.step import Context, State, Step
from scresist.study import Study
from scresist.study.gene_sets import read_sets
from scresist.study.settings import NetworksSection

if TYPE_CHECKING:
    from scresist.networks import Network

UNASSIGNED = "unassigned"
MEANING = ("hallmark", "signatures", "go_bp")
KME_DRAWS = 100  # of patients, for the intervals of kME
SETS_SHOWN = 15  # of each collection and module, by p-value


def networks(state: State, study: Study, context: Context) -> None:
    """Modules of co-expression in the compartment in focus, and their scores per sample."""
    import warnings

    from scresist import networks as stage

    cells, focus, own = state.cells, study.settings.focus, study.settings.networks
    try:
        focus_of(state, study)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", stage.PowerWarning)
            net = stage.build(
                cells,
                groupby=("patient", "population"),
                compartment=focus.compartment,
                mode=context.mode,
                select="variable",
                **settings_of(own),
                keep_genes=[g for g in focus.keep_genes if g in cells.var_names],
                rng=context.seed,
                samples=study.design.samples,
            )
    except RefusedError as refusal:
        state.refuse(f"modules of {focus.compartment} cells", refusal)
        return
    for warning in caught:
        state.refuse("soft threshold", warning.message)
    if not net.names:
        net.save(state.out / "network.zip")
        _publish_tables(state, net)
        state.refuse(f"modules of {focus.compartment} cells", RefusedError("; ".join(net.notes[-2:])))
        return
    if own.bootstraps and "recurrence" not in net.catalogue:  # a network of cells was found again without each fifth
        try:
            again = stage.stability(
                net, n_bootstraps=own.bootstraps, rng=context.seed, workers=context.workers, scheduler=context.scheduler
            )
            net = stage.with_stability(net, again)
        except RefusedError as refusal:
            state.refuse("stability of modules", refusal)
    if own.consensus:
        net = _agreed(state, net, context)
    net = stage.with_kme_intervals(net, n_bootstraps=KME_DRAWS, rng=context.seed)
    net.save(state.out / "network.zip")
    modules = net.modules[net.modules["module"] != UNASSIGNED].assign(compartment=focus.compartment)
    columns = ["compartment", "module", "gene", "kme", "rank"]
    table = modules[[*columns, *(c for c in modules.columns if c not in columns)]]
    state.publish("modules", Result(table, "co-expression network over metacells", notes=net.notes))
    state.publish("module_scores", stage.module_scores(net, cells))
    _describe(state, study, net)


def settings_of(own: NetworksSection) -> dict[str, Any]:
    """The keywords of `networks.build` that the section [networks] sets."""
    names = ("fraction", "n_genes", "values", "n_components", "network", "correlation", "start", "power", "deep_split",
             "merge_height", "min_module_size", "max_module_share", "min_patients")  # fmt: skip
    given = {name: value for name in ("k", "max_shared") if (value := getattr(own, name)) is not None}
    return {name: getattr(own, name) for name in names} | given | {"reduction": own.space}


def _agreed(state: State, net: "Network", context: Context) -> "Network":
    """How much of each module the networks of separate patients agree on."""
    from scresist import networks as stage

    try:
        agreed = stage.consensus(net)
    except RefusedError as refusal:  # too few metacells a patient
        state.refuse("consensus over patients", refusal)
        return net
    state.publish("consensus_modules", Result(agreed.modules, "consensus over patients", notes=agreed.notes))
    overlap = stage.list_overlap(
        {name: net.members(name)["gene"] for name in net.names},
        {name: agreed.members(name)["gene"] for name in agreed.names},
        net.genes,
    ).table
    best = overlap.sort_values("jaccard", ascending=False, kind="stable").drop_duplicates("module").set_index("module")
    found = net.catalogue["module"].map(best["jaccard"])
    return net.replace(catalogue=net.catalogue.assign(consensus_jaccard=found))


def _describe(state: State, study: Study, net: "Network") -> None:
    """What the modules rest on and what they are about: flags, hubs, gene sets, `keep_genes`."""
    from scresist import networks as stage

    _publish_tables(state, net)
    state.publish("module_catalogue", Result(net.catalogue, "modules, and what they may rest on"))
    state.publish("hub_genes", Result(stage.hub_genes(net, 10), "kME and rank with 95 % intervals over patients"))
    parts = []
    for collection in MEANING:
        try:
            found = stage.over_representation(net, _sets(collection, study))
        except RefusedError as refusal:  # none of the sets has enough genes in this network
            state.refuse(f"gene sets {collection}", refusal)
            continue
        best = found.table.groupby("module", sort=False).head(SETS_SHOWN)
        parts.append(best.assign(collection=collection))
    if parts:
        table = pd.concat(parts, ignore_index=True)
        state.publish("module_meaning", Result(table, "hypergeometric among the genes of the network"))
    kept_genes = [g for g in study.settings.focus.keep_genes if g in set(net.gene_report["gene"])]
    if kept_genes:
        state.publish("gene_views", stage.gene_views(net, kept_genes))


def _sets(collection: str, study: Study) -> "str | dict[str, tuple[str, ...]]":
    """A shipped collection; for mouse its genes are one-to-one orthologues. The study's own sets join signatures."""
    from scresist import resources

    organism, own = study.settings.study.organism, study.settings.signatures.gmt
    mine = read_sets(study.folder / own, own) if own is not None and collection == "signatures" else {}
    if organism == "human" and not mine:
        return collection
    shipped = {name: resources.translated(g, organism) for name, g in resources.gene_sets(collection).items()}
    return {**shipped, **mine}


def _publish_tables(state: State, net: "Network") -> None:
    """The tables that a network has with and without modules."""
    for name, table, method in (
        ("metacells", net.metacell_report, "metacells of every sample and population"),
        ("network_genes", net.gene_report, "genes of the network, and why the others were left out"),
        ("power_table", net.power_table, "fit to a scale-free network, by power"),
        ("network_choices", net.choices, "agreement of the modules of two halves of the patients, by settings"),
        ("module_candidates", net.candidates, "modules that were found, and their coherence where they did not form"),
    ):
        if table is not None:
            state.publish(name, Result(table, method, notes=net.notes if name == "network_choices" else ()))


STEP = Step(
    name="networks",
    meaning="finds modules of co-expression in the focus and how far they can be trusted",
    body=networks,
    after=("microenvironment",),
    settings=("networks", "focus", "study.organism", "signatures.gmt"),
    files=lambda study: [study.folder / study.settings.signatures.gmt] if study.settings.signatures.gmt else [],
    mode=True,
    optional_outputs=("network.zip",),
)
