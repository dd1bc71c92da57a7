"""Modules of co-expression in the compartment in focus, and how far to trust them."""

from typing import TYPE_CHECKING

from scresist.checks import DesignError, InputError, RefusedError
from scresist.results import Result
from scresist.run_state import Run
from scresist.steps.publishing import publish
from scresist.study import Study

if TYPE_CHECKING:
    from scresist.pipeline import Context

UNASSIGNED = "unassigned"


def networks(run: Run, study: Study, context: "Context") -> None:
    """Modules of co-expression in the compartment in focus, and their scores per sample."""
    import warnings

    from scresist import networks as stage
    from scresist.populations import in_compartment

    cells, focus, own = run.cells, study.settings.focus, study.settings.networks
    try:
        in_compartment(cells, focus.compartment)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", stage.PowerWarning)
            net = stage.build(
                cells,
                groupby=("patient", "population"),
                compartment=focus.compartment,
                mode=context.mode,
                min_module_size=own.min_module_size,
                select="variable",
                fraction=own.fraction,
                n_genes=own.n_genes,
                keep_genes=[g for g in focus.keep_genes if g in cells.var_names],
                rng=context.seed,
            )
    except (RefusedError, InputError) as refusal:  # the inputs were checked before: the cells do not suffice
        run.refuse("networks", f"modules of {focus.compartment} cells", refusal)
        return
    for warning in said:
        run.refuse("networks", "soft threshold", warning.message)
    if own.bootstraps:
        try:
            again = stage.stability(
                net, n_bootstraps=own.bootstraps, rng=context.seed, workers=context.workers, scheduler=context.scheduler
            )
            net = stage.with_stability(net, again)
        except (DesignError, RefusedError) as refusal:
            run.refuse("networks", "stability of modules", refusal)
    net.save(context.out / "network.zip")
    modules = net.modules[net.modules["module"] != UNASSIGNED].assign(compartment=focus.compartment)
    columns = ["compartment", "module", "gene", "kme", "rank"]
    table = modules[[*columns, *(c for c in modules.columns if c not in columns)]]
    publish(run, context, "modules", Result(table, "co-expression network over metacells", notes=net.notes))
    scores = stage.module_scores(net, cells)
    publish(run, context, "module_scores", scores)
