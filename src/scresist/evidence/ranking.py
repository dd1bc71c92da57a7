"""Evidence per gene and contrast, its score, and a verdict in words; every line of evidence is a column."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from scresist import resources
from scresist.checks import require_columns
from scresist.contrasts.estimability import weakness
from scresist.contrasts.families import with_focused_q
from scresist.contrasts.verdict import ALPHA, Verdict, evidence_of, verdict
from scresist.evidence.doubts import doubt_sentences, doubts
from scresist.results import Result

COLUMNS = (
    "contrast", "rank", "gene", "score", "module", "kme", "log2fc", "ci_low", "ci_high", "p_value", "p_floor",
    "q_value", "n_test", "n_reference", "n_pairs", "malignant_share", "cells_share", "preference", "ambient_risk",
    "change_elsewhere", "n_elsewhere", "same_elsewhere", "technical", "technical_source", "technical_p", "change_kept",
    "influence", "influence_patient", "rests_on_one", "stability", "kme_low", "kme_high", "module_effect",
    "module_p_value", "module_q_value", "hr", "survival_q", "mechanism", "direction_expected", "bench", "bench_result",
    "evidence_change", "evidence_module", "evidence_specific", "evidence_robust", "doubt_ambient", "doubt_elsewhere",
    "doubt_technical", "doubt_listed", "verdict", "grade", "why",
)  # fmt: skip
WEIGHTS = {"change": 1.0, "module": 1.0}
TRUST = {"specific": 0.25, "robust": 0.5}  # share of the score that each can take away
OUTSIDE_MODULES = 0.2  # share of the level for a gene that is in no module that changes with it
HALF_AT = 2.0  # -log10 p at which the evidence of a change is one half


def rank(
    expression: pd.DataFrame,
    provenance: pd.DataFrame,
    *,
    modules: pd.DataFrame | None = None,
    module_contrasts: pd.DataFrame | None = None,
    survival: pd.DataFrame | None = None,
    contrast_verdicts: pd.DataFrame | None = None,
    levels: pd.DataFrame | None = None,
    others: pd.DataFrame | None = None,
    technical: pd.DataFrame | None = None,
    keep_genes: Sequence[str] = (),
    top: int = 200,
) -> Result:
    """Rank genes of the focus compartment by patient-level evidence, per contrast.

    score = evidence x trust x (1 - each doubt). Evidence is the mean of two lines: change, L / (L + 2) with L = -log10
    of the p-value of the gene's contrast, times S / (S + 1) with S its shrunken absolute log2 fold change; module, the
    same of the module's own contrast times the square of the gene's kME over the hub's, where both move one way, and
    the share of patient resamplings in which the gene is there. A line that was not measured (no network) is left out
    of the mean, not counted 0. Trust takes away at most a quarter for want of preference for the compartment (specific:
    a factor may be made by other cells too, and what comes from them is a doubt already) and a half for the influence
    of the most influential patient (robust). Neither is evidence of a change, so neither replaces it.

    The doubts, each in [0, 1] and 0 where it was not measured: ambient, the share of the compartment's counts that may
    be ambient; elsewhere, the median change of the other populations over that of the compartment, where at least three
    have it, two thirds move the same way and the compartment holds no more of the gene than they do (preference up to
    0.6; from 0.7 on the others hold it because of the soup, not the other way round), where that is one half or more;
    technical, the part of the change that goes when the batch, depth or cycle is in the model, where that is one half
    or more and the gene goes with it within arms (p < 0.01); listed, one half for the shipped genes of the cell cycle,
    red cells and dissociation, whose level depends on how the sample was taken.

    The verdict is that of `contrasts.verdict`: a doubt that reaches one half counts against the gene. Where there is a
    network, the q-value of a gene that is in no module with q < 0.05 that changes in the same direction is compared
    with a fifth of the level. Known routes of escape and `keep_genes` stay in the table whatever their rank.

    Parameters
    ----------
    expression
        Contrasts of the compartment's genes: gene, contrast, log2fc, p_value, ... as `contrasts.expression` gives.
    provenance
        From `provenance`, indexed by gene.
    modules, module_contrasts
        gene, module, kme (and stability, kme_low, kme_high); module, contrast, effect, p_value, q_value.
    survival
        feature, hr, q_value, as `survival.cox` gives.
    contrast_verdicts
        contrast, verdict (ok | weak | refused), sentence, as `contrasts.estimable` gives; None takes all as ok.
    levels
        kind, family, level, as `contrasts.study_levels` gives, with the kind `candidates` and contrasts as families;
        None holds each family to 0.05.
    others, technical
        From `change_in_others` and `technical`, indexed by gene and contrast; None leaves these doubts out.
    keep_genes
        Genes to keep whatever their rank.
    top
        How many of the best stay in the table, per contrast.

    Returns
    -------
    Result with COLUMNS.
    """
    scored = score_genes(
        expression, provenance, modules=modules, module_contrasts=module_contrasts, survival=survival, others=others,
        technical=technical,
    )  # fmt: skip
    return judge_genes(scored, contrast_verdicts=contrast_verdicts, levels=levels, keep_genes=keep_genes, top=top)


def score_genes(
    expression: pd.DataFrame,
    provenance: pd.DataFrame,
    *,
    modules: pd.DataFrame | None = None,
    module_contrasts: pd.DataFrame | None = None,
    survival: pd.DataFrame | None = None,
    others: pd.DataFrame | None = None,
    technical: pd.DataFrame | None = None,
    panel: pd.DataFrame | None = None,
    bench: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Every line of evidence, every doubt and the score of each gene of the focus in each contrast.

    Parameters
    ----------
    expression, provenance, modules, module_contrasts, survival, others, technical
        As in `rank`.
    panel
        Known routes of escape: gene, mechanism, direction, bench; None is the shipped table.
    bench
        The table `validation_agreement`: protein and assays of genes. What agrees is written beside the gene and adds
        nothing to its score, which is of the RNA alone; what contradicts it is a doubt.

    Returns
    -------
    The contrasts of the genes with the other columns of COLUMNS but rank and verdict, and `doubts` in words.
    """
    require_columns(expression, ["gene", "contrast", "log2fc", "p_value"], "the expression contrasts")
    if expression.empty:
        return expression
    table = expression.reset_index(drop=True).join(provenance, on="gene")
    table = table.rename(columns={"compartment_share": "malignant_share"})
    table = _join_modules(table, modules, module_contrasts)
    table = _join_survival(table, survival)
    for beside in (others, technical):
        if beside is not None:
            table = table.join(beside, on=["gene", "contrast"])
    routes = (resources.known_escape() if panel is None else panel).set_index("gene")
    table["mechanism"] = table["gene"].map(routes["mechanism"]).fillna("")
    table["direction_expected"] = table["gene"].map(routes["direction"]).fillna("")
    table["bench"] = table["gene"].map(routes["bench"]).fillna("")
    table = _score(table)
    seen, against = _at_the_bench(bench)
    table["bench_result"] = table["gene"].map(seen).fillna("")
    table["doubts"] = [
        "; ".join([*doubt_sentences(row), *against.get(str(row["gene"]), [])]) for row in table.to_dict("records")
    ]
    return table


def _at_the_bench(bench: pd.DataFrame | None) -> tuple[dict[str, str], dict[str, list[str]]]:
    """By gene, what was measured at the bench in a few words, and what of it contradicts the RNA."""
    if bench is None or bench.empty:
        return {}, {}
    words = {"yes": "agrees", "no": "contradicts", "open": "not decided"}
    seen: dict[str, list[str]] = {}
    against: dict[str, list[str]] = {}
    for row in bench[bench["reason"].fillna("") == ""].to_dict("records"):
        gene = str(row["gene"])
        seen.setdefault(gene, []).append(f"{row['evidence']}: {words[str(row['met'])]} (n {int(row['n'])})")
        if row["met"] == "no":
            against.setdefault(gene, []).append(f"the bench contradicts it ({row['evidence']})")
    return {gene: "; ".join(found) for gene, found in seen.items()}, against


def judge_genes(
    scored: pd.DataFrame,
    *,
    contrast_verdicts: pd.DataFrame | None = None,
    levels: pd.DataFrame | None = None,
    keep_genes: Sequence[str] = (),
    top: int = 200,
) -> Result:
    """The ranked genes with their verdicts, from their scores.

    Parameters
    ----------
    scored
        From `score_genes`.
    contrast_verdicts, levels, keep_genes, top
        As in `rank`.

    Returns
    -------
    Result with COLUMNS.
    """
    if scored.empty:
        return Result(pd.DataFrame(columns=list(COLUMNS)), "no gene was tested in the compartment")
    weak, levels_of = {}, {}
    if contrast_verdicts is not None:
        weak = weakness(contrast_verdicts)
    if levels is not None:
        levels_of = levels[levels["kind"] == "candidates"].set_index("family")["level"].to_dict()
    # One family per contrast; findings with a doubt, or that one patient carries, do not dilute the rate of the rest.
    table = with_focused_q(scored.drop(columns=[c for c in ("family", "cell_type") if c in scored]))
    table[["verdict", "why", "grade"]] = [
        _verdict(row, weak.get(row["contrast"], ""), ALPHA if levels is None else levels_of[row["contrast"]])
        for row in table.to_dict("records")
    ]
    place = {name: i for i, name in enumerate(dict.fromkeys(table["contrast"]))}  # the order of the design
    order = ["place", "score", "p_value", "gene"]
    table = table.assign(place=table["contrast"].map(place))
    table = table.sort_values(order, ascending=[True, False, True, True], kind="stable").reset_index(drop=True)
    table["rank"] = table.groupby("contrast", sort=False).cumcount() + 1
    kept = (table["mechanism"] != "") | table["gene"].isin(keep_genes) | (table["rank"] <= top)
    table = table.reindex(columns=list(COLUMNS))[kept.to_numpy()]
    return Result(
        table.reset_index(drop=True),
        "weighted evidence at patient level",
        {"weights": WEIGHTS, "trust": TRUST, "top": top},
    )


def _join_modules(
    table: pd.DataFrame, modules: pd.DataFrame | None, module_contrasts: pd.DataFrame | None
) -> pd.DataFrame:
    if modules is None or modules.empty:
        return table.assign(module="", kme=np.nan, stability=np.nan, module_effect=np.nan, module_p_value=np.nan,
                            module_q_value=np.nan)  # fmt: skip
    own = modules.drop_duplicates("gene").set_index("gene")
    table = table.assign(module=table["gene"].map(own["module"]).fillna(""), kme=table["gene"].map(own["kme"]))
    for name in ("stability", "kme_low", "kme_high"):
        table[name] = table["gene"].map(own[name]) if name in own else np.nan
    if module_contrasts is None or module_contrasts.empty:
        return table.assign(module_effect=np.nan, module_p_value=np.nan, module_q_value=np.nan)
    of = module_contrasts.set_index(["module", "contrast"])[["effect", "p_value", "q_value"]]
    of.columns = pd.Index(["module_effect", "module_p_value", "module_q_value"])
    return table.join(of, on=["module", "contrast"])


def _join_survival(table: pd.DataFrame, survival: pd.DataFrame | None) -> pd.DataFrame:
    if survival is None or survival.empty:
        return table.assign(hr=np.nan, survival_q=np.nan)
    own = survival.drop_duplicates("feature").set_index("feature")
    if "weak" in own:  # the same evidence as the contrast: it counts once, there
        own = own.assign(q_value=own["q_value"].where(own["weak"].fillna("") == ""))
    return table.assign(hr=table["gene"].map(own["hr"]), survival_q=table["gene"].map(own["q_value"]))


def _strength(p_values: pd.Series) -> np.ndarray:
    level = -np.log10(np.maximum(p_values.to_numpy(dtype=float), 1e-300))
    return np.asarray(level / (level + HALF_AT))


def _score(table: pd.DataFrame) -> pd.DataFrame:
    change = np.nan_to_num(_strength(table["p_value"]))
    if "shrunken_log2fc" in table:
        # What is large can be seen at the bench; shrunken, so that a noisy gene is not large by chance.
        size = table["shrunken_log2fc"].abs().fillna(0.0).to_numpy(dtype=float)
        change = change * size / (size + 1.0)
    agree = np.sign(table["module_effect"]) == np.sign(table["log2fc"])
    hub = table.groupby("module")["kme"].transform("max")
    module = _strength(table["module_p_value"]) * np.clip(table["kme"] / hub, 0, 1) ** 2 * agree
    in_no_module = (table["module"] == "") | table["module"].str.startswith(("grey", "unassigned"))
    has_network = bool((~in_no_module).any())
    # A gene in no module has no support from one; without any network the line is not measured at all.
    # Where patients were resampled, a place in the module counts as far as it recurs.
    module = module * table["stability"].astype(float).fillna(1.0)
    module = np.where(in_no_module | module.isna(), 0.0 if has_network else np.nan, module)
    influence = table["influence"] if "influence" in table else pd.Series(np.nan, index=table.index)
    table["evidence_change"], table["evidence_module"] = change, module
    table["evidence_specific"] = table["preference"].astype(float)
    # Influence is computed for genes with p < 0.05 only: the others have no finding that could be robust.
    table["evidence_robust"] = np.nan_to_num(np.clip(1 - influence.to_numpy(dtype=float), 0, 1))
    held = ~in_no_module & (table["module_q_value"] < ALPHA) & agree
    table["alone"] = ~held & has_network
    table["score"] = weighted(table, WEIGHTS, TRUST)
    for name, doubt in doubts(table).items():
        table[f"doubt_{name}"] = doubt
        table["score"] *= 1 - doubt
    return table


def weighted(table: pd.DataFrame, weights: Mapping[str, float], trust: Mapping[str, float]) -> np.ndarray:
    """Mean of the lines of evidence by weight, less what each line of trust takes away; unknown lines are left out."""
    lines = np.column_stack([table[f"evidence_{name}"].astype(float) for name in weights])
    known, size = np.isfinite(lines), np.array(list(weights.values()))
    whole = known @ size
    score = np.divide(np.where(known, lines, 0.0) @ size, whole, out=np.zeros(len(table)), where=whole > 0)
    for name, share in trust.items():
        score = score * (1 - share * (1 - table[f"evidence_{name}"].astype(float).fillna(1.0).to_numpy()))
    return np.asarray(score)


def _verdict(row: dict[str, object], weak: str, level: float) -> Verdict:
    """The one verdict, with what the ranking adds to the test: doubts, and whether a changing module has it."""
    stricter = ""
    if row["alone"]:
        level *= OUTSIDE_MODULES
        stricter = "no module that changes contains it"
    return verdict(evidence_of(row, level=level, stricter=stricter, weak=weak))
