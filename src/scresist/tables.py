"""Every table that is written: its name, step, columns with their meaning, row key, and kind of claim.

`State.publish` checks each table against its entry; docs/results.md and the headings of the page are made from it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading on the page, what it means, and how its numbers are written (a format, `p` or `%`)."""

    label: str
    meaning: str
    form: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the results folder.

    `columns` are those that are always there, `optional` those that some studies get, `one_per` what each further
    column is where their number depends on the study. `key` names the columns whose values identify a row.
    `kind` is the kind of claim that its rows are (empty: a description, no claim).
    """

    name: str
    step: str
    meaning: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    optional: tuple[str, ...] = ()
    kind: str = ""
    suffix: str = ".csv"
    one_per: str = ""
    folder: str = "tables"

    @property
    def path(self) -> str:
        """The file, relative to the results folder."""
        return f"{self.folder}/{self.name}{self.suffix}" if self.folder else f"{self.name}{self.suffix}"


COLUMNS = {
    # who and what
    "cell": Column("cell", "sample and barcode"),
    "sample": Column("sample", "sample of the sample sheet"),
    "patient": Column("patient", "patient of the sample"),
    "arm": Column("arm", "arm of the sample"),
    "taken": Column("taken", "when the sample was taken: before, on, at progression; empty where it is not known"),
    "cluster": Column("cluster", "Leiden cluster, numbered by decreasing size"),
    "lineage": Column("lineage", "lineage of the cells"),
    "cell_type": Column("population", "the population that is compared: malignant, or a cell type"),
    "confidence": Column("confidence", "share of marker resamplings that give the same label", ".2f"),
    "malignant_probability": Column("malignant", "probability from copy number; empty where it was refused", ".2f"),
    "malignancy": Column("malignancy", "malignant, normal or uncertain"),
    "doublet_score": Column("doublet score", "scrublet score within the sample", ".2f"),
    "umap_1": Column("UMAP 1", "first coordinate of the layout; without a unit"),
    "umap_2": Column("UMAP 2", "second coordinate of the layout; without a unit"),
    "gene": Column("gene", "gene symbol"),
    "module": Column("module", "co-expression module"),
    "signature": Column("signature", "gene set that was scored"),
    "feature": Column("gene or module", "gene, module or score"),
    "pathway": Column("pathway", "signalling pathway"),
    "source": Column("source", "population that sends"),
    "target": Column("target", "population that receives"),
    "ligand": Column("ligand", "ligand, or the parts of its complex"),
    "receptor": Column("receptor", "receptor, or the parts of its complex"),
    "interaction": Column("interaction", "ligand-receptor pair"),
    "level": Column("level", "pair, pathway, outgoing or incoming"),
    "step": Column("step", "ligand in the sender, receptor or response in the receiver"),
    "group": Column("population", "the population in which the step was measured"),
    "contrast": Column("contrast", "contrast of the design"),
    "test": Column("test", "the test that was used"),
    "reference": Column("reference", "reference arm"),
    "pairing": Column("pairing", "auto, paired or unpaired"),
    # counts and quality
    "n_cells": Column("cells", "number of cells"),
    "cells": Column("cells", "number of cells"),
    "count": Column("count", "sum of the counts"),
    "n_samples": Column("samples", "number of samples"),
    "cells_in": Column("barcodes", "barcodes that were read"),
    "cells_kept": Column("kept", "cells that were kept"),
    "low_counts": Column("few counts", "removed: too few counts"),
    "low_genes": Column("few genes", "removed: too few genes"),
    "high_mito": Column("high mitochondrial", "removed: mitochondrial share too high"),
    "doublet": Column("doublets", "removed: doublet"),
    "median_counts": Column("median counts", "median counts per kept cell", ".0f"),
    "median_genes": Column("median genes", "median genes per kept cell", ".0f"),
    "median_mito_percent": Column("mitochondrial %", "median mitochondrial share of kept cells, percent", ".1f"),
    "contamination": Column("ambient share", "estimated share of ambient counts", "%"),
    "contamination_low": Column("low", "lowest of the estimates of the ambient share", "%"),
    "contamination_high": Column("high", "median of the estimates of the ambient share", "%"),
    "rank": Column("rank", "1 is the first"),
    "log2_fold_change": Column("log2 fold change", "of the means, the cluster against the rest", "+.2f"),
    "share_in": Column("share inside", "share of the cluster's cells with the gene", "%"),
    "share_out": Column("share outside", "share of the other cells with the gene", "%"),
    "use": Column("use", "descriptive: no claim rests on this p-value"),
    "lineage_share": Column("share of the lineage", "share of the cluster's cells with this lineage", "%"),
    "cell_type_share": Column("share", "share of the cluster's cells with this type", "%"),
    "markers_for": Column("markers for it", "markers of the type that are high"),
    "markers_against": Column("markers against it", "markers of the type that are low, or of others that are high"),
    "epithelial": Column("tested cells", "cells of the lineage that may be malignant"),
    "reference_cells": Column("reference cells", "cells of other lineages"),
    "signal": Column("signal", "strength of the tumour's copy-number profile", ".3f"),
    "reference_signal": Column("between reference lineages", "the same between lineages of normal cells", ".3f"),
    "refused": Column("refused", "why there is no call"),
    "malignant": Column("malignant", "cells called malignant"),
    "normal": Column("normal", "cells called normal"),
    "uncertain": Column("uncertain", "cells without a clear call"),
    "value": Column("value", "the value of the sample (or patient and arm)", ".3g"),
    "score": Column("score", "the score of the sample", ".3g"),
    # a test
    "effect": Column("effect", "difference between the arms", "+.2f"),
    "log2fc": Column("log2 fold change", "difference between the arms, log2", "+.2f"),
    "shrunken_log2fc": Column("shrunken log2 fold change", "the same, shrunken by what its noise could make", "+.2f"),
    "mean_expression": Column("mean", "mean log2 counts per million", ".1f"),
    "ci_low": Column("95 % low", "lower end of the 95 % interval", "+.2f"),
    "ci_high": Column("high", "upper end of the 95 % interval", "+.2f"),
    "p_value": Column("p", "p-value with patients as the unit", "p"),
    "p_floor": Column("p floor", "the smallest p that an exact test of this design can reach", "p"),
    "q_value": Column("q", "p corrected over its family of tests (Benjamini-Hochberg)", "p"),
    "n_test": Column("n test", "patients in the test arm"),
    "n_reference": Column("n ref", "patients in the reference arm"),
    "n_pairs": Column("pairs", "patients in both arms"),
    "influence": Column("influence", "largest relative change of the effect when one patient is left out", ".2f"),
    "influence_patient": Column("of", "the patient whose removal changes the effect most"),
    "p_without": Column("p without", "p-value when that patient is left out", "p"),
    "rests_on_one": Column("rests on one", "the finding is gone when that patient is left out"),
    "p_permutation": Column("p permutation", "p-value of the permutation of patients", "p"),
    "df": Column("df", "degrees of freedom", ".1f"),
    "n_missing": Column("missing", "patients without a value"),
    "family": Column("family", "the tests that the q-value is corrected over"),
    "reason": Column("reason", "why there is no test"),
    "verdict": Column("verdict", "supported, suggestive, not supported or refused"),
    "grade": Column("rests on", "what a supported finding rests on: relabelling of patients, or the model alone"),
    "why": Column("why this verdict", "the reason of the verdict"),
    "share_effect": Column("share, log odds", "difference of the log odds of the share of all cells", "+.2f"),
    "share_p_value": Column("share, p", "test of the share of all cells; a claim needs it below the level too", "p"),
    "effect_low_reference": Column(
        "effect, low reference", "were the reference the population at the first quartile of effects", "+.2f"),
    "effect_high_reference": Column(
        "effect, high reference", "were the reference the population at the third quartile of effects", "+.2f"),
    "share_test": Column("share, test", "mean share in the test arm", "%"),
    "share_reference": Column("share, reference", "mean share in the reference arm", "%"),
    "fold_change": Column("fold", "exp of the effect", ".2f"),
    "primary_effect": Column("primary", "effect of the primary contrast", "+.2f"),
    "primary_q": Column("q primary", "q-value of the primary contrast", "p"),
    "acquired_effect": Column("acquired", "effect of the acquired contrast", "+.2f"),
    "acquired_q": Column("q acquired", "q-value of the acquired contrast", "p"),
    "difference": Column("acquired less primary", "difference of the two effects", "+.2f"),
    "n_primary": Column("n primary", "patients with primary resistance"),
    "n_acquired": Column("n acquired", "patients with acquired resistance"),
    "class": Column("class", "shared, opposite, primary only, acquired only or undecided"),
    "n_relabellings": Column("relabellings", "ways to relabel the patients"),
    "detectable": Column("detectable", "difference found 8 times in 10, in SD between patients", ".1f"),
    "confounded": Column("confounded", "covariates and batches that go with the arm"),
    "sentence": Column("sentence", "what the contrast can show"),
    # networks
    "compartment": Column("compartment", "the cells in which the network was made"),
    "kme": Column("kME", "correlation of the gene with its module's eigengene", ".2f"),
    "kme_low": Column("kME low", "lower end of the 95 % interval over patients", ".2f"),
    "kme_high": Column("kME high", "upper end of the 95 % interval over patients", ".2f"),
    "rank_low": Column("rank low", "lower end of the 95 % interval over patients"),
    "rank_high": Column("rank high", "upper end of the 95 % interval over patients"),
    "colour": Column("colour", "colour of the module in figures"),
    "stability": Column("stability", "share of patient resamplings in which the gene is in the module", ".2f"),
    "id": Column("number", "number of the module"),
    "hub": Column("hub", "gene of highest kME"),
    "n_genes": Column("genes", "genes of the module"),
    "variance_explained": Column("variance explained", "share of the module's variance on its eigengene", "%"),
    "carried_by": Column("carried by", "a patient who makes more than half of its variance or has a module alone"),
    "carried_share": Column("share of the variance", "of that patient", "%"),
    "technical": Column("goes with", "depth, mitochondrial share, cell cycle, contamination or batch"),
    "technical_r": Column("correlation", "with that", ".2f"),
    "recurrence": Column("recurs", "share of patient resamplings with a module that shares half its genes", "%"),
    "jaccard": Column("overlap", "mean Jaccard index with its nearest module over resamplings", ".2f"),
    "least_without_one": Column("smallest overlap", "Jaccard index when one patient is left out, the smallest", ".2f"),
    "depends_on": Column("that patient", "the patient whose removal changes the module most"),
    "deviation": Column("deviation", "of that, within samples: the unit of module scores", ".3g"),
    "part": Column("part", "part of a sample's cells, where patients are too few to prove modules in"),
    "recurrence_low": Column("recurs, low", "lower end of its 95 % interval", "%"),
    "recurrence_high": Column("recurs, high", "upper end of its 95 % interval", "%"),
    "other_cells": Column("of other cells", "share of its genes five times higher in another population", "%"),
    "arm_share": Column("on one arm", "largest share of its placed genes on one chromosome arm", "%"),
    "flags": Column("may also be", "what else may explain the module"),
    "coherence": Column("coherence", "mean correlation of its genes in cells that did not form it", ".3f"),
    "coherence_chance": Column("of random genes", "the same of random genes of like mean expression", ".3f"),
    "q_coherence": Column("q coherence", "false discovery rate of modules so coherent", "p"),
    "found_without": Column("found without", "mean Jaccard index without a fifth of patients", ".2f"),
    "start": Column("start", "where modules start: a tree, or components of the cells"),
    "primary": Column("primary", "whether the family belongs to the question declared beforehand"),
    "n_modules": Column("modules", "modules found"),
    "information": Column("shared bits", "bits a gene that two halves share beyond chance", ".3f"),
    "information_chance": Column("by chance", "95 % quantile of that for permuted modules", ".3f"),
    "deep_split": Column("depth of the cut", "0 to 4; 4 gives most branches"),
    "cohort": Column("cohort", "the second cohort"),
    "n_found": Column("found", "genes of the module that are measured and vary in the second cohort"),
    "genes_missing": Column("missing genes", "genes of the module that are not"),
    "z_summary": Column("Zsummary", "preservation; 2 is some evidence, 10 strong", ".1f"),
    "z_density": Column("density", "Z of how far its genes still vary together", ".1f"),
    "z_connectivity": Column("connectivity", "Z of how far the same genes are central", ".1f"),
    "z_summary_chance": Column("by chance", "95 % quantile of Zsummary of permuted genes of like expression", ".1f"),
    "p_summary": Column("p of Zsummary", "permutations of genes of like expression", "p"),
    "median_rank": Column("median rank", "1 is the best preserved", ".1f"),
    "n_patients": Column("patients", "patients of the second cohort"),
    "preserved": Column("preserved", "q below 0.05, Zsummary of 2 or more, and not carried by one patient"),
    "arm_test": Column("arm", "arm of the second cohort that is tested"),
    "arm_reference": Column("against", "arm of the second cohort that it is compared with"),
    "first_effect": Column("effect, first cohort", "difference between the arms of the first cohort", "+.2f"),
    "first_q": Column("q, first cohort", "q-value in the first cohort", "p"),
    "same_direction": Column("same direction", "whether both cohorts differ in one direction"),
    "weak": Column("weak", "why the test supports less than its p-value"),
    "first_module": Column("module, first cohort", "module of the gene in the first cohort"),
    "consensus_jaccard": Column("in the consensus", "Jaccard index with the nearest module of the consensus", ".2f"),
    "agreement": Column("agreement", "share of patients whose own network has the gene in the module", ".2f"),
    "population": Column("population", "population of the cells"),
    "n_metacells": Column("metacells", "metacells that were made"),
    "k": Column("k", "cells per metacell"),
    "how": Column("how", "how the cells were pooled"),
    "max_shared": Column("allowed overlap", "largest number of cells that two metacells may share"),
    "mean_shared": Column("mean overlap", "mean number of cells that two metacells share", ".1f"),
    "median_shared": Column("median overlap", "median number of cells that two metacells share", ".1f"),
    "kept": Column("kept", "whether it is used"),
    "detected": Column("detected", "share of the cells with the gene", "%"),
    "power": Column("power", "soft-thresholding power; in power.csv the chance to find the effect at p < 0.05", ".3g"),
    "sft_r2": Column("fit", "R2 of the fit to a scale-free network, signed", ".2f"),
    "slope": Column("slope", "slope of the fit", ".2f"),
    "truncated_r2": Column("truncated fit", "R2 of the exponentially truncated fit", ".2f"),
    "mean_k": Column("mean connectivity", "mean over genes", ".3g"),
    "median_k": Column("median connectivity", "median over genes", ".3g"),
    "max_k": Column("largest connectivity", "largest over genes", ".3g"),
    "gene_set": Column("gene set", "gene set of the collection"),
    "collection": Column("collection", "collection of gene sets"),
    "n_overlap": Column("shared", "genes in both"),
    "module_size": Column("of module", "genes of the module"),
    "set_size": Column("of set", "genes of the set that were measured"),
    "background": Column("background", "genes of the network"),
    "odds_ratio": Column("odds ratio", "of the overlap", ".1f"),
    "genes": Column("genes", "the genes in both"),
    "nearest": Column("nearest module", "the module of highest kME"),
    "rank_there": Column("rank there", "rank by kME in the nearest module"),
    "settings_share": Column("under other settings", "share of other settings that put the gene there", "%"),
    "neighbours": Column("nearest genes", "genes of largest topological overlap"),
    # communication
    "probability": Column("probability", "CellChat's probability of communication", ".3f"),
    "share_samples": Column("share of samples", "share of the samples that have the link", "%"),
    "share_significant": Column("significant in", "share of the samples in which its permutation p is below 0.05", "%"),
    "ligand_cells": Column("cells with ligand", "share of the source's cells", "%"),
    "receptor_cells": Column("cells with receptor", "share of the target's cells", "%"),
    "ligand_ambient_share": Column("ligand from soup", "share of the source's ligand that 5 % soup explains", "%"),
    "product": Column("product", "product of the means", ".3g"),
    "mean": Column("mean", "mean of ligand and receptor", ".3g"),
    "geometric_mean": Column("geometric mean", "of ligand and receptor", ".3g"),
    "regularised": Column("regularised", "regularised product (SingleCellSignalR)", ".3f"),
    "specificity": Column("specificity", "share of the product over all links of the pair (NATMI)", ".3f"),
    "log_fold": Column("log fold", "mean log fold change of ligand and receptor", "+.2f"),
    "aggregate": Column("joint rank", "rank that the scores agree on", ".3g"),
    "n_high": Column("scores that agree", "scores that put the link among the highest"),
    # verdicts over cells
    "cell_effect": Column("effect over cells", "effect of the test over cells", "+.2f"),
    "cell_q": Column("q over cells", "q-value of the test over cells", "p"),
    "patient_effect": Column("effect over patients", "effect of the test over patients", "+.2f"),
    "patient_p": Column("p over patients", "p-value of the test over patients", "p"),
    "patient_q": Column("q over patients", "q-value of the test over patients", "p"),
    # survival
    "endpoint": Column("endpoint", "column of the patient sheet with the time"),
    "hr": Column("hazard ratio", "per standard deviation", ".2f"),
    "method": Column("method", "the model"),
    "n": Column("n", "patients"),
    "events": Column("events", "patients with the event"),
    "p_lrt": Column("p, likelihood ratio", "likelihood-ratio p-value", "p"),
    "concordance": Column("concordance", "share of ordered pairs", ".2f"),
    "zph_p": Column("p, proportional hazards", "small: the hazards are not proportional", "p"),
    "cut": Column("cut", "where the feature was cut", ".3g"),
    "sd": Column("SD", "standard deviation between patients", ".3g"),
    # candidates
    "malignant_share": Column("share of transcripts", "share of all transcripts of the gene made in the focus", "%"),
    "cells_share": Column("share of cells", "share of the cells that are in the focus", "%"),
    "preference": Column("preference", "share of the gene's expression per cell that is the focus's", ".2f"),
    "ambient_risk": Column("ambient", "share of its counts in the focus that may be ambient", "%"),
    "change_elsewhere": Column("change in others", "median log2 fold change of the other populations", "+.2f"),
    "n_elsewhere": Column("other populations", "number of other populations with a test"),
    "same_elsewhere": Column("same direction", "share of them that change in the same direction", "%"),
    "technical_source": Column("technical", "the batch, depth or cycle that explains most of the change"),
    "technical_p": Column("p technical", "its p-value within arms", "p"),
    "change_kept": Column("change kept", "share of the change that remains in a model with it", "%"),
    "module_effect": Column("module's effect", "effect of the module", "+.2f"),
    "module_p_value": Column("module's p", "p-value of the module", "p"),
    "module_q_value": Column("module's q", "q-value of the module", "p"),
    "survival_q": Column("q survival", "q-value of the hazard ratio", "p"),
    "mechanism": Column("known route of escape", "mechanism of a known route of escape"),
    "direction_expected": Column("expected", "the direction that is known to confer resistance"),
    "bench": Column("bench", "the assay that would test it"),
    "evidence_change": Column("evidence: change", "0 to 1", ".2f"),
    "evidence_module": Column("evidence: module", "0 to 1; empty where there is no network", ".2f"),
    "evidence_specific": Column("trust: specific", "0 to 1", ".2f"),
    "evidence_robust": Column("trust: robust", "0 to 1", ".2f"),
    "doubt_ambient": Column("doubt: ambient", "share of the counts that may be ambient", ".2f"),
    "doubt_elsewhere": Column("doubt: all cells", "share of the change that all other cells show", ".2f"),
    "doubt_technical": Column("doubt: technical", "share of the change that batch, depth or cycle explains", ".2f"),
    "doubt_listed": Column("doubt: technical list", "one half for genes of the shipped technical lists", ".2f"),
    "doubts": Column("doubts", "what may explain the change, in words"),
    "line": Column("line of evidence", "whose weight is changed"),
    "factor": Column("factor", "by which the weight is multiplied", ".2g"),
    "first_becomes": Column("first becomes", "rank of the first gene under the changed weight"),
    # the study as a whole
    "kind": Column("kind of claim", "what the claim is about"),
    "tests": Column("tests", "number of tests with a q-value"),
    "smallest_q": Column("smallest q", "of the findings of the family that nothing else explains", "p"),
    "design": Column("design", "contrast, or endpoint"),
    "question": Column("question", "module, gene, composition or hazard"),
    "unit": Column("unit", "unit of the effect; of a claim: what was counted as independent"),
    "power_q": Column("power at q", "the chance to find the effect after correction over its family", "%"),
    "scheme": Column("scheme", "patients shuffled, or signs of residuals: the arms keep their variances"),
    "claim": Column("claim", "kind of claim"),
    "n_shuffles": Column("shuffles", "shuffles of the patients"),
    "false_positive_rate": Column("share p < 0.05", "over shuffles", "%"),
    "nominal": Column("nominal", "the rate that is aimed at", "%"),
    "any_discovery_rate": Column("shuffles with q < 0.05", "share of shuffles with some q below the level", "%"),
    "discoveries": Column("discoveries", "mean number of q below the level per shuffle", ".1f"),
    "observed_rate": Column("share p < 0.05, true arms", "with the true arms", "%"),
    "observed_discoveries": Column("discoveries, true arms", "with the true arms"),
    "p_observed": Column("p", "share of shuffles with as many discoveries as the true arms", "p"),
    "what": Column("what", "what was planted"),
    "where": Column("where", "where it was planted"),
    "planted": Column("planted", "the truth of the simulation"),
    "found": Column("found", "what the run reports"),
    "statement": Column("statement", "one sentence"),
    "table": Column("table", "the table that has the numbers"),
    "row": Column("row", "the key of the row in that table: the values of its key columns, joined by |"),
}  # fmt: skip
MEANINGS = {  # where a column means something else in one table
    ("annotation", "cell_type"): Column("cell type", "cell type of most of its cells"),
    ("cells", "cell_type"): Column("cell type", "cell type, or unassigned"),
    ("malignancy", "reference"): COLUMNS["reference_cells"],
    ("design", "test"): Column("test", "test arm"),
    ("metacells", "group"): Column("group", "patient and population within which cells were pooled"),
    ("composition_contrasts", "effect"): Column(
        "effect", "difference of the log number of cells relative to the reference", "+.2f"),
    ("composition_contrasts", "reference"): Column("relative to", "what the number of cells is relative to"),
    ("signature_contrasts", "effect"): Column("effect", "difference, standard deviations between cells", "+.2f"),
    ("communication_samples", "value"): Column(
        "probability", "sum over the pairs of the pathway; for sending and receiving the mean over partners", ".3g"),
    ("flow_contrasts", "effect"): Column("effect", "difference of the mean over pairs of populations", "+.4f"),
    ("communication_contrasts", "effect"): Column("effect", "difference of the probability of communication", "+.4f"),
    ("communication_contrasts", "ci_low"): Column("95 % low", "lower end of the 95 % interval", "+.4f"),
    ("communication_contrasts", "ci_high"): Column("high", "upper end of the 95 % interval", "+.4f"),
    ("survival", "ci_low"): Column("95 % low", "lower end of the 95 % interval", ".2f"),
    ("survival", "ci_high"): Column("high", "upper end of the 95 % interval", ".2f"),
    ("calibration", "ci_low"): Column("95 % low", "lower end of the 95 % interval over shuffles", "%"),
    ("calibration", "ci_high"): Column("high", "upper end of the 95 % interval over shuffles", "%"),
    ("calibration", "verdict"): Column("verdict", "holds, too many or no test"),
    ("candidates", "score"): Column("score", "weighted evidence, 0 to 1", ".2f"),
    ("network_choices", "agreement"): Column("agreement", "adjusted mutual information of the two halves", ".2f"),
    ("network_genes", "mean"): Column("mean", "log-normalised expression over metacells", ".3g"),
    ("validation_preservation", "p_value"): Column("p", "the larger of p of Zsummary and p of coherence", "p"),
    ("validation_preservation", "q_value"): Column("q", "over modules", "p"),
    ("validation_consensus", "module"): Column("module", "module of both cohorts"),
    ("validation_consensus", "jaccard"): Column("overlap", "Jaccard index with the nearest module of the first", ".2f"),
    ("module_candidates", "genes"): Column("genes", "ten of its genes"),
    ("module_candidates", "q_value"): Column("q", "false discovery rate over the modules that were found", "p"),
    ("module_catalogue", "arm"): Column("chromosome arm", "the arm with half of its genes, where that is no chance"),
    ("module_catalogue", "doubts"): Column("doubts", "why a difference between arms is no finding"),
    ("candidates", "technical"): Column("technical", "share of the change that batch, depth or cycle takes", "%"),
    ("candidates_sensitivity", "kept"): Column("kept", "genes of the first ten that stay", ".0f"),
    ("power", "power"): Column("power", "the chance to find the effect at p below the level", "%"),
    ("markers", "p_value"): Column("p", "over cells; the clusters were made from the same values", "p"),
    ("module_meaning", "p_value"): Column("p", "hypergeometric, over the genes of the network", "p"),
    ("module_meaning", "q_value"): Column("q", "over modules and sets", "p"),
    ("communication", "p_value"): Column("p", "relabelling of the cells of a sample; no test of arms", "p"),
    ("flips", "verdict"): Column("verdict", "stands, suggestive, falls, reversed or no test"),
    ("module_flips", "verdict"): Column("verdict", "stands, suggestive, falls, reversed or no test"),
    ("flow_flips", "verdict"): Column("verdict", "stands, suggestive, falls, reversed or no test"),
    ("gene_views", "verdict"): Column("place in the network", "in a module, near one, or left out"),
    ("claims", "level"): Column("level", "what q is compared with, over the whole study", "p"),
    ("families", "level"): Column("level", "what q is compared with, over the whole study", "p"),
    ("claims", "question"): Column("question", "primary, where the claim answers the question declared beforehand"),
    ("claims", "n"): Column("n", "patients of both arms, and in both"),
}  # fmt: skip

_TEST = ("ci_low", "ci_high", "p_value", "p_floor", "q_value", "n_test", "n_reference", "n_pairs", "influence",
         "influence_patient", "p_without", "rests_on_one")  # fmt: skip
_ENGINE = ("df", "n_missing", "family", "test", "reason")
_ARMS = ("effect", *_TEST, "p_permutation", *_ENGINE)
_BOTH = (
    "primary_effect", "primary_q", "acquired_effect", "acquired_q", "difference", "ci_low", "ci_high", "p_value",
    "q_value", "n_primary", "n_acquired", "n_reference", "class", "influence", "influence_patient", "rests_on_one",
    "reason",
)  # fmt: skip
_FLIP = ("cell_effect", "cell_q", "patient_effect", "patient_p", "patient_q", "n_test", "n_reference", "verdict")
_LOSSES = ("cells_in", "cells_kept", "low_counts", "low_genes", "high_mito", "doublet", "median_counts",
           "median_genes", "median_mito_percent")  # fmt: skip
_LINK = ("level", "source", "target", "ligand", "receptor", "pathway", "interaction")

_ALL = (
    Table("quality", "quality", "what was removed from every sample, one column per reason (exclusive)",
          ("sample", *_LOSSES, "contamination", "contamination_low", "contamination_high"), ("sample",)),
    Table("quality_by_lineage", "quality", "the same by coarse lineage", ("sample", "lineage", *_LOSSES),
          ("sample", "lineage")),
    Table("markers", "embed", "genes higher in a cluster than in the rest; descriptive, because the clusters were made "
          "from the values that are tested", ("cluster", "gene", "rank", "log2_fold_change", "share_in", "share_out",
          "p_value", "q_value", "use"), ("cluster", "gene")),
    Table("annotation", "annotate", "label of every cluster and the markers for and against it",
          ("cluster", "n_cells", "n_samples", "lineage", "lineage_share", "cell_type", "cell_type_share", "confidence",
           "markers_for", "markers_against"), ("cluster",)),
    Table("malignancy", "malignancy", "calls of malignant cells per patient, and refusals",
          ("patient", "epithelial", "reference", "signal", "reference_signal", "refused", "malignant", "normal",
           "uncertain"), ("patient",)),
    Table("composition", "microenvironment", "cells of each population in each sample", ("sample",), ("sample",),
          one_per="population"),
    Table("pseudobulk", "microenvironment", "counts summed per sample and population",
          ("sample", "cell_type", "gene", "count"), ("sample", "cell_type", "gene"), suffix=".parquet"),
    Table("pseudobulk_groups", "microenvironment", "cells of every sample and population, and whether they were summed",
          ("sample", "cell_type", "cells", "kept", "reason"), ("sample", "cell_type")),
    Table("signature_scores", "microenvironment", "mean score of every signature per sample and population",
          ("sample", "cell_type", "signature", "value", "n_cells"), ("sample", "cell_type", "signature")),
    Table("modules", "networks", "genes of every module",
          ("compartment", "module", "gene", "kme", "rank"), ("module", "gene"),
          optional=("colour", "stability", "kme_low", "kme_high", "rank_low", "rank_high")),
    Table("module_scores", "networks", "score of every module per sample", ("sample", "module", "score", "n_cells"),
          ("sample", "module")),
    Table("module_catalogue", "networks", "size, hub, variance and recurrence of every module, and what it may rest on",
          ("module", "id", "hub", "colour", "n_genes", "variance_explained", "carried_by", "carried_share",
           "technical", "technical_r", "other_cells", "arm", "arm_share", "flags", "doubts"), ("module",),
          optional=("recurrence", "recurrence_low", "recurrence_high", "jaccard", "least_without_one", "depends_on",
                    "coherence", "coherence_chance", "q_coherence", "found_without", "consensus_jaccard")),
    Table("network_choices", "networks", "agreement of the modules of two halves of the patients, by settings",
          ("start", "power", "deep_split", "n_modules", "agreement", "information", "information_chance", "rank"),
          ("start", "power", "deep_split")),
    Table("module_candidates", "networks", "modules that were found, and their coherence where they did not form",
          ("id", "n_genes", "genes", "carried_by", "carried_share", "found_without", "coherence", "coherence_chance",
           "p_value", "q_value", "kept"),
          ("id",)),
    Table("consensus_modules", "networks", "modules that the networks of separate patients agree on",
          ("gene", "module"), ("gene",), optional=("kme", "rank", "colour", "agreement")),
    Table("hub_genes", "networks", "genes of highest kME, with intervals over patients",
          ("module", "gene", "kme", "kme_low", "kme_high", "rank", "rank_low", "rank_high"), ("module", "gene")),
    Table("module_meaning", "networks", "gene sets that are over-represented in a module",
          ("module", "gene_set", "n_overlap", "module_size", "set_size", "background", "odds_ratio", "p_value",
           "q_value", "genes", "collection"), ("module", "collection", "gene_set")),
    Table("gene_views", "networks", "where the genes of `keep_genes` are in the network",
          ("gene", "module", "nearest", "kme", "kme_low", "kme_high", "rank_there", "module_size", "settings_share",
           "neighbours", "verdict"), ("gene",)),
    Table("metacells", "networks", "how the cells of every sample were pooled",
          ("group", "patient", "population", "n_cells", "n_metacells", "k", "how", "max_shared", "mean_shared",
           "median_shared"), ("group",), optional=("sample", "arm", "part")),
    Table("network_genes", "networks", "genes of the network, and why the others were left out",
          ("gene", "kept", "reason", "detected"), ("gene",), optional=("mean", "deviation")),
    Table("power_table", "networks", "fit to a scale-free network by power",
          ("power", "sft_r2", "slope", "truncated_r2", "mean_k", "median_k", "max_k"), ("power",)),
    Table("communication", "communication", "probability of every link per sample (per cohort in parity)",
          ("sample", "source", "target", "interaction", "ligand", "receptor", "pathway", "probability", "p_value",
           "q_value"), ("sample", "source", "target", "interaction"), suffix=".parquet"),
    Table("communication_evidence", "communication", "samples, cells and soup behind every link",
          ("source", "target", "interaction", "n_samples", "share_samples", "share_significant", "ligand_cells",
           "receptor_cells", "ligand_ambient_share"), ("source", "target", "interaction"), suffix=".parquet"),
    Table("communication_scores", "communication", "seven scores of every link and the rank they agree on",
          ("source", "target", "interaction", "ligand", "receptor", "pathway", "probability", "product", "mean",
           "geometric_mean", "regularised", "specificity", "log_fold", "aggregate", "n_high"),
          ("source", "target", "interaction"), suffix=".parquet"),
    Table("communication_samples", "communication", "probability of every pathway from one population to another per "
          "sample, and of what each population sends and receives",
          ("level", "sample", "source", "target", "pathway", "value"),
          ("level", "sample", "source", "target", "pathway"), suffix=".parquet"),
    Table("signal_chain", "communication", "ligand, receptor and response of every pathway per sample",
          ("pathway", "step", "group", "sample", "value"), ("pathway", "step", "group", "sample"), suffix=".parquet"),
    Table("flow_contrasts", "communication", "mean probability of every pathway over all pairs of populations, between "
          "arms", ("pathway", "contrast",
          *_ARMS), ("pathway", "contrast")),
    Table("communication_contrasts", "communication", "links, pathways, sending and receiving between arms",
          (*_LINK, "contrast", *_ARMS), (*_LINK, "contrast"), kind="communication"),
    Table("signal_chain_contrasts", "communication", "ligands, receptors and responses between arms",
          ("pathway", "step", "group", "contrast", *_ARMS), ("pathway", "step", "group", "contrast"), kind="responses"),
    Table("power", "power", "the chance to find an effect of each size with this design",
          ("design", "n_test", "n_reference", "n_pairs", "question", "unit", "effect", "power", "power_q", "method"),
          ("design", "question", "effect")),
    Table("design", "contrasts", "what every contrast can and cannot show",
          ("contrast", "test", "reference", "pairing", "n_test", "n_reference", "n_pairs", "n_relabellings", "p_floor",
           "detectable", "confounded", "verdict", "sentence"), ("contrast",)),
    Table("composition_contrasts", "contrasts", "numbers of cells of the populations between arms",
          ("cell_type", "contrast", *_ARMS, "reference", "effect_low_reference", "effect_high_reference",
           "share_effect", "share_p_value", "share_test", "share_reference", "fold_change"), ("cell_type", "contrast"),
          kind="composition"),
    Table("signature_contrasts", "contrasts", "signatures between arms", ("signature", "cell_type", "contrast", *_ARMS),
          ("signature", "cell_type", "contrast"), kind="signatures"),
    Table("module_contrasts", "contrasts", "modules between arms", ("module", "contrast", *_ARMS),
          ("module", "contrast"), kind="modules"),
    Table("expression_contrasts", "contrasts", "genes of every population between arms",
          ("cell_type", "contrast", "gene", "log2fc", "ci_low", "ci_high", "shrunken_log2fc", "mean_expression",
           *_TEST[2:], *_ENGINE), ("cell_type", "contrast", "gene"), kind="expression"),
    Table("module_resistance", "contrasts", "modules: primary against acquired", ("module", *_BOTH), ("module",),
          kind="module resistance"),
    Table("expression_resistance", "contrasts", "genes: primary against acquired", ("cell_type", "gene", *_BOTH),
          ("cell_type", "gene"), kind="gene resistance"),
    Table("validation_preservation", "validation", "whether the modules are modules in the second cohort",
          ("module", "n_genes", "n_found", "genes_missing", "z_summary", "z_density", "z_connectivity",
           "z_summary_chance", "median_rank", "p_summary", "coherence", "coherence_chance", "p_value", "q_value",
           "carried_by", "carried_share", "n_patients",
           "preserved", "cohort"), ("module",)),
    Table("validation_scores", "validation", "score of every module in the samples of the second cohort",
          ("sample", "patient", "arm", "module", "score", "n_cells"), ("sample", "module")),
    Table("validation_modules", "validation", "modules between the arms of the second cohort",
          ("module", "contrast", *_ARMS, "arm_test", "arm_reference", "first_effect", "first_q", "same_direction",
           "weak", "cohort"), ("module", "contrast"), kind="validation"),
    Table("validation_consensus", "validation", "modules that the networks of both cohorts agree on",
          ("gene", "module", "kme", "rank", "first_module", "jaccard"), ("gene",)),
    Table("survival", "survival", "hazard ratio of genes and modules",
          ("feature", "endpoint", "hr", "ci_low", "ci_high", "p_value", "q_value", "method", "n", "events", "p_lrt",
           "concordance", "zph_p", "sd", "influence", "influence_patient", "rests_on_one", "reason"),
          ("feature", "endpoint", "method"), kind="survival", optional=("cut",)),
    Table("families", "candidates", "families of tests, and the level that their q-values are compared with",
          ("kind", "family", "tests", "smallest_q", "primary", "level"), ("kind", "family")),
    Table("gene_doubts", "candidates", "what may explain the change of a gene, in every population with a finding",
          ("cell_type", "contrast", "gene", "doubt_ambient", "doubt_elsewhere", "doubts"),
          ("cell_type", "contrast", "gene")),
    Table("candidates", "candidates", "genes of the focus: every line of evidence, score, verdict and why",
          ("contrast", "rank", "gene", "score", "module", "kme", "log2fc", "ci_low", "ci_high", "p_value", "p_floor",
           "q_value", "n_test", "n_reference", "n_pairs", "malignant_share", "cells_share", "preference",
           "ambient_risk", "change_elsewhere", "n_elsewhere", "same_elsewhere", "technical", "technical_source",
           "technical_p", "change_kept", "influence", "influence_patient", "rests_on_one", "stability", "kme_low",
           "kme_high", "module_effect", "module_p_value", "module_q_value", "hr", "survival_q", "mechanism",
           "direction_expected", "bench", "evidence_change", "evidence_module", "evidence_specific", "evidence_robust",
           "doubt_ambient", "doubt_elsewhere", "doubt_technical", "doubt_listed", "verdict", "grade", "why"),
          ("contrast", "gene"), kind="candidates"),
    Table("candidates_sensitivity", "candidates", "how the first ten change when a weight is halved or doubled",
          ("contrast", "line", "factor", "kept", "first_becomes"), ("contrast", "line", "factor")),
    Table("candidate_values", "candidates", "log2 counts per million of the first candidates per patient and arm",
          ("patient", "arm", "gene", "value", "n_cells"), ("patient", "arm", "gene")),
    Table("flips", "usual_tools", "genes that a test over cells claims, and whether patients support the claim",
          ("cell_type", "contrast", "gene", *_FLIP), ("cell_type", "contrast", "gene")),
    Table("module_flips", "usual_tools", "the same for modules", ("module", "contrast", *_FLIP),
          ("module", "contrast")),
    Table("flow_flips", "usual_tools", "the same for pathways, tested over pairs of populations",
          ("pathway", "contrast", *_FLIP), ("pathway", "contrast")),
    Table("calibration", "calibration", "error rates with the patients of this study shuffled (`--calibrate B`)",
          ("claim", "contrast", "scheme", "n_shuffles", "tests", "false_positive_rate", "ci_low", "ci_high", "nominal",
           "any_discovery_rate", "discoveries", "observed_rate", "observed_discoveries", "p_observed", "refused",
           "verdict"), ("claim", "contrast")),
    Table("cells", "report", "every cell that was kept",
          ("cell", "sample", "patient", "arm", "cluster", "lineage", "cell_type", "confidence",
           "malignant_probability", "malignancy", "doublet_score"), ("cell",), suffix=".parquet",
          optional=("population", "umap_1", "umap_2")),
    Table("samples", "report", "the sample sheet with the columns of the patients",
          ("sample", "patient", "arm"), ("sample",), one_per="column of the sheets"),
    Table("claims", "report", "every statement that the page makes, with its numbers and its verdict",
          ("kind", "statement", "unit", "n", "test", "effect", "ci_low", "ci_high", "p_value", "p_floor", "q_value",
           "level", "influence", "influence_patient", "verdict", "grade", "why", "contrast", "feature", "cell_type",
           "table", "row", "question"), (), folder=""),
    Table("planted", "demo", "what was planted in a simulated cohort, and what the run found",
          ("what", "where", "planted", "found"), ("what", "where")),
)  # fmt: skip
TABLES = {table.name: table for table in _ALL}
CANDIDATES = "candidates"


def written_by(step: str) -> tuple[Table, ...]:
    """The tables that a step writes."""
    return tuple(table for table in _ALL if table.step == step)


def of_kind(kind: str) -> Table:
    """The table whose rows are claims of a kind."""
    return next(table for table in _ALL if table.kind == kind)


def column(table: str, name: str) -> Column:
    """The heading, meaning and format of a column of a table."""
    return MEANINGS.get((table, name)) or COLUMNS.get(name) or Column(name.replace("_", " "), "")


def row_keys(name: str, frame: pd.DataFrame) -> pd.Series:
    """The key of every row of a table: the values of its key columns joined by `|`, empty where a value is missing."""
    return joined_keys(frame, TABLES[name].key)


def joined_keys(frame: pd.DataFrame, key: Iterable[str]) -> pd.Series:
    """The values of some columns joined by `|`, row by row; a missing value is empty."""
    out = pd.Series("", index=frame.index, dtype=object)
    for i, part in enumerate(key):
        values = frame[part].astype(object)
        out = out + ("|" if i else "") + values.where(values.notna(), "").astype(str)
    return out


def check(name: str, frame: pd.DataFrame) -> None:
    """Raise where a table does not match its entry: a fault of the step that made it, not of a user.

    Raises
    ------
    RuntimeError
        If the table has no entry, lacks a column, has one that the entry does not list, or has two rows with one key.
    """
    if name not in TABLES:
        raise RuntimeError(f"the table {name!r} is not in the register of tables (tables.py)")
    table = TABLES[name]
    missing = [c for c in table.columns if c not in frame.columns]
    listed = {*table.columns, *table.optional}
    other = [c for c in frame.columns if c not in listed and not table.one_per]
    if missing or other:
        raise RuntimeError(f"the table {name!r} lacks columns {missing} and has unlisted columns {other} (tables.py)")
    twice = frame.duplicated(list(table.key)) if table.key else pd.Series(dtype=bool)
    if twice.any():
        key = row_keys(name, frame[twice].head(1)).iloc[0]
        raise RuntimeError(f"two rows of the table {name!r} have the key {key!r}")
