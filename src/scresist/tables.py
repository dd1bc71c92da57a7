"""Every table that is written: its name, step, columns with their meaning, row key, and kind of claim.

`State.publish` checks each table against its entry; docs/results.md and the headings of the page are made from it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from scresist.column import Column
from scresist.columns import COLUMNS, MEANINGS


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
    Table("subclones", "malignancy", "chromosome arms by which the malignant cells of a patient are divided",
          ("patient", "arm", "share", "shift", "apart", "gain", "n_cells", "n_subclones"), ("patient", "arm")),
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
    Table("protein_scores", "microenvironment", "antibodies (CITE-seq) per sample and population, and the RNA of their "
          "genes", ("sample", "cell_type", "protein", "gene", "value", "rna", "counts", "n_cells", "control"),
          ("sample", "cell_type", "protein")),
    Table("protein_against_rna", "microenvironment", "whether an antibody and the RNA of its gene agree over samples",
          ("protein", "gene", "cell_type", "n", "correlation", "ci_low", "ci_high"), ("protein", "cell_type")),
    Table("modules", "networks", "genes of every module",
          ("compartment", "module", "gene", "kme", "rank"), ("module", "gene"),
          optional=("colour", "stability", "kme_low", "kme_high", "rank_low", "rank_high")),
    Table("module_scores", "networks", "score of every module per sample", ("sample", "module", "score", "n_cells"),
          ("sample", "module")),
    Table("module_catalogue", "networks", "size, hub, variance and recurrence of every module, and what it may rest on",
          ("module", "id", "hub", "colour", "n_genes", "variance_explained", "carried_by", "carried_share",
           "technical", "technical_r", "other_cells", "arm", "arm_share", "flags", "doubts"), ("module",),
          optional=("recurrence", "recurrence_low", "recurrence_high", "jaccard", "least_without_one", "depends_on",
                    "cells_of_half", "coherence", "coherence_chance", "q_coherence", "found_without",
                    "consensus_jaccard")),
    Table("network_choices", "networks", "agreement of the modules of two halves of the patients, by settings",
          ("start", "power", "deep_split", "min_module_size", "n_modules", "agreement", "information",
           "information_chance", "rank"),
          ("start", "power", "deep_split", "min_module_size")),
    Table("module_candidates", "networks", "modules that were found, and their coherence where they did not form",
          ("id", "n_genes", "genes", "carried_by", "carried_share", "found_without", "recurrence", "recurrence_low",
           "recurrence_high", "coherence", "coherence_chance", "p_value", "q_value", "kept"),
          ("id",), optional=("cells_of_half",)),
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
          *_ARMS, "doubts"), ("pathway", "contrast")),
    Table("communication_contrasts", "communication", "links, pathways, sending and receiving between arms",
          (*_LINK, "contrast", *_ARMS, "doubts"), (*_LINK, "contrast"), kind="communication"),
    Table("signal_chain_contrasts", "communication", "ligands, receptors and responses between arms",
          ("pathway", "step", "group", "contrast", *_ARMS, "doubts"), ("pathway", "step", "group", "contrast"),
          kind="responses"),
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
    Table("protein_contrasts", "contrasts", "antibodies between arms", ("protein", "cell_type", "contrast", *_ARMS),
          ("protein", "cell_type", "contrast"), kind="proteins"),
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
    Table("survival", "survival", "hazard ratio of every tested gene of the focus, module, signature and share",
          ("feature", "endpoint", "hr", "ci_low", "ci_high", "p_value", "q_value", "method", "n", "events",
           "p_permutation", "covariates", "stratified_by", "penalised", "concordance", "zph_p", "form_p", "sd",
           "influence", "influence_patient", "rests_on_one", "family", "weak", "reason"),
          ("feature", "endpoint", "method"), kind="survival", optional=("cut", "what")),
    Table("survival_endpoints", "survival", "patients, events, median and follow-up of every endpoint",
          ("endpoint", "unit", "n", "events", "median", "ci_low", "ci_high", "follow_up", "follow_up_low",
           "follow_up_high", "competing_events", "tied"), ("endpoint",), optional=("interval_hr", "reason")),
    Table("survival_groups", "survival", "high against low values: log-rank, MaxCombo, restricted means",
          ("feature", "endpoint", "cut", "cut_how", "n_low", "n_high", "events", "hr", "p_value", "p_permutation",
           "p_combo", "cut_low", "cut_high", "median_low", "median_high", "horizon", "mean_difference", "ci_low",
           "ci_high", "mean_p", "adjusted", "reason"), ("feature", "endpoint")),
    Table("survival_curves", "survival", "Kaplan-Meier curves of these groups, with numbers at risk",
          ("feature", "endpoint", "group", "time", "n_risk", "n_event", "survival", "ci_low", "ci_high", "p_value",
           "n", "events"), ("feature", "endpoint", "group", "time")),
    Table("survival_competing", "survival", "subdistribution hazard ratios beside a competing event",
          ("feature", "endpoint", "hr", "ci_low", "ci_high", "p_value", "n", "events", "competing_events", "reason"),
          ("feature", "endpoint")),
    Table("survival_incidence", "survival", "cumulative incidence beside a competing event, with Gray's test",
          ("feature", "endpoint", "group", "cause", "time", "n_risk", "incidence", "ci_low", "ci_high", "p_value",
           "n", "events"), ("feature", "endpoint", "group", "cause", "time")),
    Table("survival_forms", "survival", "whether an effect is curved or changes with time, and what it is then",
          ("feature", "endpoint", "n", "events", "form_p", "hr_low", "hr_high", "change_p", "early_time", "hr_early",
           "early_low", "early_high", "late_time", "hr_late", "late_low", "late_high", "reason"),
          ("feature", "endpoint")),
    Table("survival_form_curves", "survival", "hazard ratio against the median of the value, on a spline",
          ("feature", "endpoint", "value", "hr", "ci_low", "ci_high"), ("feature", "endpoint", "value")),
    Table("survival_adjusted", "survival", "curves of the groups, had both the covariates of all patients",
          ("feature", "endpoint", "group", "time", "survival", "ci_low", "ci_high", "n", "events"),
          ("feature", "endpoint", "group", "time")),
    Table("survival_scans", "survival", "hazard ratios with the event at, between and after its scans",
          ("feature", "endpoint", "n", "events", "width", "hr", "p_value", "hr_middle", "p_middle", "hr_left", "p_left",
           "hr_imputed", "ci_low", "ci_high", "p_imputed", "interval_hr", "reason"), ("feature", "endpoint")),
    Table("survival_scores", "survival", "a score of several features, by nested cross-validation",
          ("endpoint", "n", "events", "concordance", "ci_low", "ci_high", "apparent", "optimism", "slope",
           "slope_low", "slope_high", "n_genes",
           "folds", "repeats", "reason"), ("endpoint",)),
    Table("survival_decision", "survival", "net benefit of the score by threshold of risk",
          ("endpoint", "horizon", "threshold", "net_benefit", "ci_low", "ci_high", "benefit_all", "share_above"),
          ("endpoint", "threshold")),
    Table("survival_calibration", "survival", "predicted and observed risk in thirds of the predicted",
          ("endpoint", "horizon", "third", "n", "events", "predicted", "observed", "ci_low", "ci_high"),
          ("endpoint", "third")),
    Table("survival_response", "survival", "odds of a response, of benefit and of a better category per SD",
          ("feature", "endpoint", "odds_ratio", "ci_low", "ci_high", "p_value", "p_permutation", "p_floor", "q_value",
           "n", "events", "method", "exact_odds_ratio", "exact_p", "auc", "auc_low", "auc_high", "influence",
           "influence_patient", "rests_on_one", "family", "weak", "reason"),
          ("feature", "endpoint"), kind="response"),
    Table("validation_bulk", "survival", "hazard ratios in external cohorts, direction and cut of this study",
          ("cohort", "feature", "endpoint", "hr", "ci_low", "ci_high", "p_value", "q_value", "n", "events",
           "genes_found", "genes", "discovery_hr", "same_direction", "p_one_sided", "cut_share", "cut_hr",
           "heterogeneity", "cochran_q", "i_squared", "tau_squared", "reason"), ("cohort", "feature")),
    Table("remark", "survival", "items of REMARK, with those that only the authors can fill",
          ("item", "topic", "text", "filled"), ("item",)),
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
           "direction_expected", "bench", "bench_result", "evidence_change", "evidence_module", "evidence_specific",
           "evidence_robust",
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
          optional=("population", "subclone", "umap_1", "umap_2")),
    Table("map_genes", "report", "levels of every tested gene in the cells of the map, packed",
          ("gene", "step", "n_cells", "top", "packed"), ("gene",), suffix=".parquet"),
    Table("marker_levels", "report", "levels of the markers that named the populations",
          ("cell_type", "gene", "level", "share", "n_cells"), ("cell_type", "gene")),
    Table("cell_copy_number", "report", "copy-number signal of every cell", ("cell",), ("cell",), suffix=".parquet",
          one_per="chromosome arm"),
    Table("samples", "report", "the sample sheet with the columns of the patients",
          ("sample", "patient", "arm"), ("sample",), one_per="column of the sheets"),
    Table("claims", "report", "every statement that the page makes, with its numbers and its verdict",
          ("kind", "statement", "unit", "n", "test", "effect", "ci_low", "ci_high", "p_value", "p_floor", "q_value",
           "level", "influence", "influence_patient", "verdict", "grade", "why", "contrast", "feature", "cell_type",
           "table", "row", "question"), (), folder=""),
    Table("planted", "demo", "what was planted in a simulated cohort, and what the run found",
          ("what", "where", "planted", "found"), ("what", "where")),
    # the bench: protein in tissue
    Table("validation_ihc", "bench", "H-score of every sample and marker",
          ("patient", "sample", "marker", "h_score", "ci_low", "ci_high", "n_cores", "n_readers", "positive_percent",
           "tps", "cps", "reason"), ("sample", "marker")),
    Table("validation_ihc_cores", "bench", "cells, classes and H-score of every stained image",
          ("patient", "sample", "marker", "core", "image", "where", "n_cells", "weak", "moderate", "strong",
           "positive_percent", "h_score", "overlay", "reason"), ("sample", "marker", "core")),
    Table("validation_ihc_cells", "bench", "place, area, stains and class of every cell of the stained images",
          ("patient", "sample", "marker", "core", "cell", "x_um", "y_um", "area_um2", "dab", "haematoxylin", "class"),
          ("sample", "marker", "core", "cell"), suffix=".parquet"),
    Table("validation_ihc_agreement", "bench", "how far readers agree",
          ("marker", "readers", "statistic", "n", "value", "ci_low", "ci_high", "reason"),
          ("marker", "readers", "statistic")),
    Table("validation_her2", "bench", "HER2 status of every sample",
          ("patient", "sample", "score", "score_lowest", "score_highest", "her2_cep17", "her2_copies", "ish_group",
           "status", "class", "n_cores", "n_readers", "reason"), ("sample",)),
    Table("validation_ihc_contrasts", "bench", "H-scores between arms", ("marker", "contrast", *_ARMS),
          ("marker", "contrast"), kind="ihc"),
    Table("validation_mif", "bench", "density of every phenotype in every compartment of every region",
          ("patient", "sample", "roi", "compartment", "phenotype", "n_cells", "area_mm2", "density_per_mm2", "reason"),
          ("sample", "roi", "compartment", "phenotype")),
    Table("validation_mif_markers", "bench", "intensity and share of positive cells of every marker by compartment",
          ("patient", "sample", "roi", "compartment", "marker", "n_cells", "mean_intensity", "positive_share"),
          ("sample", "roi", "compartment", "marker")),
    Table("validation_mif_gates", "bench", "threshold of every marker between negative and positive cells",
          ("marker", "gate", "gate_low", "gate_high", "positive_share", "separation", "n_cells", "reason"),
          ("marker",), optional=("gate_control", "false_share")),
    Table("validation_mif_intensities", "bench", "number of cells by intensity of every marker with a gate",
          ("marker", "left", "right", "n_cells"), ("marker", "left")),
    Table("validation_mif_spatial", "bench", "how phenotypes lie to each other in every region, against shuffles",
          ("patient", "sample", "roi", "from", "to", "statistic", "radius_um", "value", "expected", "z", "p_value",
           "q_value", "n_from", "n_to", "reason"), ("sample", "roi", "from", "to", "statistic")),
    Table("validation_mif_neighbourhoods", "bench", "share of the cells of every region in each kind of neighbourhood",
          ("patient", "sample", "roi", "neighbourhood", "share", "about"), ("sample", "roi", "neighbourhood")),
    Table("validation_mif_contrasts", "bench", "densities of phenotypes between arms",
          ("compartment", "phenotype", "contrast", *_ARMS), ("compartment", "phenotype", "contrast"), kind="mif"),
    Table("validation_mif_spatial_contrasts", "bench", "how phenotypes lie to each other, between arms",
          ("from", "to", "statistic", "contrast", *_ARMS), ("from", "to", "statistic", "contrast"),
          kind="mif spatial"),
    Table("validation_agreement", "bench", "whether RNA, protein and assays of a gene agree",
          ("gene", "evidence", "n", "statistic", "value", "ci_low", "ci_high", "p_value", "expected_sign", "met",
           "sentence", "reason"), ("gene", "evidence")),
    # functional assays of the bench
    Table("validation_dose_response", "bench",
          "IC50, area above the curve, Emax and slope of every line, condition and compound",
          ("experiment", "line", "condition", "compound", "ic50_um", "ic50_low", "ic50_high", "ic50_reached", "aac",
           "emax", "hill", "n_replicates", "aac_low", "aac_high", "emax_low", "emax_high", "ec50_um", "lower_plateau",
           "upper_plateau", "gr50_um", "gr50_low", "gr50_high", "gr50_reached", "gr_max", "gr_max_low", "gr_max_high",
           "gr_aoc", "gr_aoc_low", "gr_aoc_high", "dose_min_um", "dose_max_um", "n_doses", "rmse", "lack_of_fit_p",
           "interval_of", "weak", "reason"),
          ("experiment", "line", "condition", "compound")),
    Table("validation_dose_points", "bench",
          "mean response of every biological replicate and dose",
          ("experiment", "line", "condition", "compound", "replicate", "dose_um", "response", "n_wells"),
          ("experiment", "line", "condition", "compound", "replicate", "dose_um")),
    Table("validation_dose_components", "bench",
          "IC50, slope, plateau, area and Emax by random effects: SD between replicates, between plates and of wells",
          ("experiment", "line", "condition", "compound", "quantity", "value", "ci_low", "ci_high", "sd_replicates",
           "sd_plates", "sd_wells", "n_replicates", "n_plates", "reason"),
          ("experiment", "line", "condition", "compound", "quantity")),
    Table("validation_dose_ratios", "bench",
          "IC50 of a condition or line over that of another",
          ("experiment", "compound", "line", "condition", "test", "reference", "ratio", "ci_low", "ci_high", "p_value",
           "q_value", "n_test", "n_reference", "boot_low", "boot_high", "ratio_at_least", "ratio_at_most",
           "aac_difference", "aac_low", "aac_high", "aac_p_value", "f_p_value", "statistic", "weights", "pairing",
           "expected", "met", "weak", "reason"),
          ("experiment", "compound", "line", "condition", "test", "reference"), kind="dose ratios"),
    Table("validation_kinetics", "bench",
          "rate constants, Km, Ki and IC50 of every condition, and their ratios",
          ("experiment", "condition", "reference", "model", "parameter", "value", "ci_low", "ci_high", "unit",
           "p_value", "q_value", "chosen", "aicc", "weight", "n_replicates", "n_reference", "n_points", "interval_of",
           "expected", "met", "weak", "reason"),
          ("experiment", "condition", "reference", "model", "parameter")),
    Table("validation_kinetics_points", "bench", "release or rate of every biological replicate and point",
          ("experiment", "condition", "replicate", "time", "released", "substrate_um", "inhibitor_um", "enzyme_um",
           "rate", "time_unit", "rate_unit"),
          ("experiment", "condition", "replicate", "time", "substrate_um", "inhibitor_um", "enzyme_um")),
    Table("validation_readout_points", "bench", "every read-out of every biological replicate",
          ("experiment", "line", "kind", "readout", "condition", "replicate", "value", "unit"),
          ("experiment", "line", "kind", "readout", "condition", "replicate")),
    Table("validation_expression_points", "bench", "log2 level of every gene or protein and biological replicate",
          ("assay", "experiment", "line", "target", "condition", "replicate", "level"),
          ("assay", "experiment", "line", "target", "condition", "replicate")),
    Table("validation_combinations", "bench",
          "synergy of two drugs at every pair of doses, and its mean",
          ("experiment", "line", "condition", "drug_a", "drug_b", "model", "dose_a_um", "dose_b_um", "observed",
           "predicted", "synergy", "ci_low", "ci_high", "p_value", "q_value", "n_replicates", "n_pairs",
           "expected", "met", "weak", "reason"),
          ("experiment", "line", "condition", "drug_a", "drug_b", "model", "dose_a_um", "dose_b_um")),
    Table("validation_readouts", "bench",
          "growth, colonies, apoptosis and internalisation between conditions",
          ("experiment", "line", "kind", "readout", "test", "reference", "effect", "ci_low", "ci_high", "p_value",
           "q_value", "scale", "unit", "mean_test", "mean_reference", "n_test", "n_reference", "boot_low", "boot_high",
           "pairing", "expected", "met", "weak", "reason"),
          ("experiment", "line", "kind", "readout", "test", "reference"), kind="readouts"),
    Table("validation_expression", "bench",
          "fold changes of qPCR and Western blots between conditions",
          ("assay", "experiment", "line", "target", "test", "reference", "fold", "ci_low", "ci_high", "p_value",
           "q_value", "ddct", "normalised_to", "n_test", "n_reference", "pairing", "expected", "met", "weak",
           "reason"),
          ("assay", "experiment", "line", "target", "test", "reference"), kind="bench expression"),
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
