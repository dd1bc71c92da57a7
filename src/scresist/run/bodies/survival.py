"""Survival: whether genes, modules, signatures and shares predict the endpoints."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scresist.checks import InputError, RefusedError
from scresist.kernels.counts import enough_counts, tmm_factors
from scresist.kernels.normalise import log2_counts_per_million
from scresist.results import Result
from scresist.run.bodies.focus import focus_population, sums_of
from scresist.run.step import Context, State, Step
from scresist.study import Study
from scresist.study.settings import SurvivalSection

if TYPE_CHECKING:
    from scresist.survival.endpoint import Endpoint

SHOWN = 6  # features with the smallest p whose groups are compared and drawn, beside `keep_genes`
IN_COHORTS = 25  # genes with the smallest p that are looked for in external cohorts, beside modules and `keep_genes`


def survival(state: State, study: Study, context: Context) -> None:
    """Hazard ratios of every tested gene of the focus and of every module, signature and share, per endpoint."""
    if not study.settings.survival:
        return
    found = _values(state, study)
    if found is None:
        state.refuse("all", "the compartment in focus has no value to test")
        return
    values, kinds = found
    parts: dict[str, list[Result]] = {}
    for endpoint in study.settings.survival:
        _one_endpoint(state, study, context, endpoint, values, kinds, parts)
    _response(study, values, kinds, parts, context)
    for name, results in parts.items():
        # A column without a value in one endpoint has no type to give to that of another.
        known = [r.table.dropna(axis=1, how="all") for r in results if len(r.table)]
        columns = results[0].table.columns
        table = pd.concat(known, ignore_index=True).reindex(columns=columns) if known else results[0].table
        notes = tuple(dict.fromkeys(note for r in results for note in r.notes))
        if not len(table) and name != "survival":
            continue
        state.publish(name, Result(table, results[0].method, results[0].settings, notes))
    if "survival" in parts:
        _external(state, study)
        _remark(state, study)


def _one_endpoint(
    state: State, study: Study, context: Context, endpoint: SurvivalSection, values: pd.DataFrame,
    kinds: pd.Series, parts: dict[str, list[Result]],
) -> None:  # fmt: skip
    from scresist.survival import adjusted, assumptions, groups, models, scores
    from scresist.survival import competing as rivals
    from scresist.survival import endpoint as ends

    people = study.patients.rename_axis("patient")
    how: dict[str, Any] = {"time": endpoint.time, "event": endpoint.event, "design": study.design,
           "measured_in": endpoint.measured_in, "landmark": endpoint.landmark, "unit": endpoint.unit}  # fmt: skip
    try:
        fitted = models.cox(
            values, people, covariates=endpoint.covariates, strata=endpoint.strata, name=endpoint.label,
            rng=context.rng, permutations=endpoint.permutations, **how,
        )  # fmt: skip
        more = [*endpoint.covariates, *([endpoint.strata] if endpoint.strata else [])]
        found = ends.gather(values, people, covariates=more, **how)
    except RefusedError as refusal:
        state.refuse(f"Cox models of {endpoint.label}", refusal)
        return
    table = fitted.table.assign(what=fitted.table["feature"].map(kinds).to_numpy())

    def add(name: str, result: Result) -> None:
        parts.setdefault(name, []).append(result)

    notes = (*fitted.notes, *_adjusted_words(endpoint))
    add("survival", Result(table, fitted.method, fitted.settings, notes))
    label = str(table["endpoint"].iloc[0])
    competing = None
    if endpoint.competing:
        other = pd.to_numeric(found.patients[endpoint.competing], errors="coerce").to_numpy(float) > 0
        competing = other & (found.event == 0)
    add("survival_endpoints", groups.overview(found, endpoint=label, unit=endpoint.unit, competing=competing))
    adjust = models.covariate_columns(found.patients, endpoint.covariates)
    layers = found.patients[endpoint.strata].astype(str).to_numpy() if endpoint.strata else None
    tested = table[table["p_value"].notna()].sort_values("p_value", kind="stable")
    kept = [g for g in study.settings.focus.keep_genes if g in set(tested["feature"])]
    shown = list(dict.fromkeys([*kept, *tested["feature"].head(SHOWN)]))
    compared = groups.compare_groups(
        found, shown, endpoint=label, cut=endpoint.cut, horizon=endpoint.horizon, rng=context.rng, adjust=adjust,
        strata=layers,
    )  # fmt: skip
    add("survival_groups", compared)
    add("survival_curves", groups.curves(found, compared.table))
    if competing is not None and competing.any():
        beside = np.column_stack([adjust, models.strata_columns(layers, len(adjust))])
        add("survival_competing", rivals.incidence_models(
            found, competing, shown, endpoint=label, adjust=beside, rng=context.rng
        ))  # fmt: skip
        add("survival_incidence", rivals.incidence(
            found, competing, compared.table, endpoint=label, strata=layers, rng=context.rng
        ))  # fmt: skip
    straight, drawn = assumptions.forms(found, shown, endpoint=label, adjust=adjust, strata=layers)
    fixed: dict[str, Any] = {"endpoint": label, "adjust": adjust, "rng": context.rng}
    add("survival_forms", straight)
    add("survival_form_curves", drawn)
    add("survival_adjusted", adjusted.adjusted_curves(found, compared.table, **fixed))
    before = _last_scan(found, endpoint)
    if before is not None:
        add("survival_scans", assumptions.scan_times(found, shown, before, strata=layers, **fixed))
    score = scores.nested_score(found, endpoint=label, repeats=2, horizon=endpoint.horizon, rng=context.rng)
    add("survival_scores", score.score)
    add("survival_decision", score.decision)
    add("survival_calibration", score.calibration)


def _adjusted_words(endpoint: SurvivalSection) -> list[str]:
    """In words: which figures allow for the covariates and strata of an endpoint, and which do not."""
    if not endpoint.covariates and not endpoint.strata:
        return []
    names = ", ".join([*endpoint.covariates, *([endpoint.strata] if endpoint.strata else [])])
    groups = "log-rank, " if endpoint.cut != "best" else ""
    return [
        f"{endpoint.label}: {names} enter hazard ratios, forms, scans, {groups}restricted means, Fine and Gray's "
        "models, best response and adjusted curves; MaxCombo and Gray's test only strata. Not adjusted: Kaplan-Meier, "
        "incidence, medians, a searched cut, Fisher's test, areas under the curve, the score of several "
        "features, other cohorts"
    ]


def _last_scan(found: "Endpoint", endpoint: SurvivalSection) -> np.ndarray | None:
    """Time of each patient's last scan without the event, from its column or one interval before; None: not given."""
    if endpoint.last_scan:
        seen = pd.to_numeric(found.patients[endpoint.last_scan], errors="coerce").to_numpy(float) - endpoint.landmark
        return np.where(np.isnan(seen), found.time, seen)
    return None if endpoint.scan_interval is None else np.asarray(found.time - endpoint.scan_interval)


def _values(state: State, study: Study) -> tuple[pd.DataFrame, pd.Series] | None:
    """Samples x features, and the kind of each: genes of the focus (log2 CPM, TMM), modules, signatures, shares."""
    blocks: dict[str, pd.DataFrame] = {}
    genes = _genes(state, study)
    if genes is not None:
        blocks["gene"] = genes
    if "module_scores" in state.results:
        table = state.table("module_scores")
        blocks["module"] = table.pivot_table(index="sample", columns="module", values="score", observed=True)
    scores = state.table("signature_scores")
    if len(scores):
        names = scores["signature"].astype(str) + " in " + scores["cell_type"].astype(str)
        wide = scores.assign(name=names)
        blocks["signature"] = wide.pivot_table(index="sample", columns="name", values="value", observed=True)
    counted = state.table("composition")
    if len(counted):
        cells = counted.set_index("sample").astype(float)
        # Log odds, half a cell added: a share of 0 is no infinite value.
        n = cells.to_numpy()
        odds = np.log((n + 0.5) / (n.sum(axis=1, keepdims=True) - n + 0.5))
        blocks["share"] = pd.DataFrame(odds, cells.index, [f"share of {c}" for c in cells.columns])
    from scresist.validation.by_sample import bench_features

    blocks |= bench_features({n: state.results[n] for n in ("validation_ihc", "validation_mif") if n in state.results})
    blocks = {kind: b for kind, b in blocks.items() if b.shape[1]}
    if not blocks:
        return None
    kinds: dict[str, str] = {}
    for kind, block in blocks.items():
        block.columns = [f"{kind} {c}" if c in kinds else str(c) for c in block.columns.astype(str)]
        kinds |= dict.fromkeys(block.columns, kind)
    joined = pd.concat(list(blocks.values()), axis=1).rename_axis(index="sample", columns="feature")
    joined.index = joined.index.astype(str)
    return joined, pd.Series(kinds)


def _genes(state: State, study: Study) -> pd.DataFrame | None:
    """Every gene of the focus that was tested between arms; all with enough counts where no arms were compared."""
    name = focus_population(state, study)
    sums = sums_of(state).counts
    counts = sums[sums.index.get_level_values("cell_type") == name].droplevel("cell_type")
    if not len(counts):
        return None
    tested = state.table("expression_contrasts")
    own = tested[(tested["cell_type"] == name) & tested["p_value"].notna()]["gene"] if len(tested) else pd.Series([])
    values = counts.to_numpy(float)
    genes = set(own) if len(own) else set(counts.columns[enough_counts(values, len(values) / 2)])
    genes |= set(study.settings.focus.keep_genes)
    library = values.sum(axis=1) * tmm_factors(values)
    level = pd.DataFrame(log2_counts_per_million(values, library), counts.index, counts.columns)
    return level[[g for g in level.columns if g in genes]]


def _response(
    study: Study, values: pd.DataFrame, kinds: pd.Series, parts: dict[str, list[Result]], context: Context
) -> None:
    """Best response by modules, signatures, shares and `keep_genes`, where the patients have one."""
    from scresist.survival.endpoint import early_samples
    from scresist.survival.response import best_response, same_response

    if "best_response" not in study.patients or "survival" not in parts:
        return
    early = early_samples(study.design, None)
    used = [s for s in values.index if bool(early.get(s, False))]
    if not used:
        return
    person = study.design.samples.loc[used, "patient"].astype(str)
    kept = [c for c in values if kinds[c] != "gene" or c in study.settings.focus.keep_genes]
    by_patient = values.loc[used, kept].groupby(person).mean()
    features = [c for c in kept if kinds[c] in ("gene", "module")]
    response = study.patients["best_response"].set_axis(study.patients.index.astype(str))
    weak = same_response(study.design, response)
    adjust = _beside_response(study, by_patient.index)
    parts["survival_response"] = [best_response(
        by_patient, response, features=features, weak=weak, adjust=adjust, rng=context.rng
    )]  # fmt: skip


def _beside_response(study: Study, patients: pd.Index) -> pd.DataFrame | None:
    """Covariates and strata of the first endpoint, as numbers; patients without one of them are missing."""
    from scresist.survival.models import covariate_columns, strata_columns

    endpoint = study.settings.survival[0]
    names = [*endpoint.covariates, *([endpoint.strata] if endpoint.strata else [])]
    if not names:
        return None
    known = study.patients.set_axis(study.patients.index.astype(str)).reindex(patients)[names].dropna()
    columns = covariate_columns(known, endpoint.covariates)
    layers = known[endpoint.strata].astype(str).to_numpy() if endpoint.strata else None
    both = np.column_stack([columns, strata_columns(layers, len(known))])
    return pd.DataFrame(both, known.index).set_axis([", ".join(names)] * both.shape[1], axis=1)


def bulk_files(study: Study) -> list[Path]:
    """The files of external cohorts, and the clinical tables beside them."""
    given = study.settings.validation.bulk
    names = [] if given is None else [given] if isinstance(given, str) else given
    paths = [study.folder / name for name in names]
    beside = [p.with_name(f"{p.name.removesuffix('.gz').removesuffix('.csv')}_clinical.csv") for p in paths]
    return [p for p in [*paths, *beside] if p.exists()]


def _external(state: State, study: Study) -> None:
    """The first genes, the modules and `keep_genes` in the external cohorts of the study."""
    from scresist.survival.external import external_cohorts, read_bulk

    given = study.settings.validation.bulk
    names = [] if given is None else [given] if isinstance(given, str) else given
    cohorts = {}
    for name in names:
        path = study.folder / name
        try:
            cohorts[path.name.removesuffix(".gz").removesuffix(".csv")] = read_bulk(path)
        except InputError as error:
            state.refuse(f"external cohort {name}", error)
    if not cohorts:
        return
    endpoint = study.settings.survival[0]
    table = state.table("survival").drop_duplicates("feature").set_index("feature")
    genes = table[table["what"] == "gene"].sort_values("p_value", kind="stable").index[:IN_COHORTS]
    features = {str(g): [str(g)] for g in dict.fromkeys([*study.settings.focus.keep_genes, *genes])}
    modules = state.table("modules")
    if len(modules):
        for module, own in modules[~modules["module"].str.startswith(("grey", "unassigned"))].groupby("module"):
            features[str(module)] = [str(g) for g in own["gene"]]
    compared = state.table("survival_groups").drop_duplicates("feature").set_index("feature")
    share = compared["n_low"] / (compared["n_low"] + compared["n_high"])
    discovery = table[["hr"]].assign(cut_share=share.reindex(table.index).fillna(0.5))
    made = external_cohorts(
        cohorts, features, discovery, time=endpoint.time, event=endpoint.event, endpoint=endpoint.label
    )  # fmt: skip
    state.publish("validation_bulk", made)


def _remark(state: State, study: Study) -> None:
    from scresist.survival.remark import remark

    state.publish("remark", remark(
        study.settings.survival, study.patients, state.table("survival"), state.table("survival_endpoints"),
        state.table("validation_bulk"), drug=study.settings.study.drug, notes=state.results["survival"].notes,
    ))  # fmt: skip


STEP = Step(
    name="survival",
    meaning="fits Cox models of the endpoints, from samples taken before treatment; compares groups, best response and "
    "external cohorts",
    body=survival,
    after=("contrasts", "bench"),
    needs=("contrasts",),
    settings=("survival", "focus", "validation.bulk"),
    sheet=lambda study: ("patient", "arm", "taken", "date", "treatment_start"),
    patients=lambda study: (*study.settings.endpoint_columns, "best_response"),
    files=bulk_files,
)
