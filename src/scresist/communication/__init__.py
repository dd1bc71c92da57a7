"""Who signals to whom, through what: with patients as the unit by default, or with CellChat's numbers."""

from scresist.communication.compare import contrast_communication, interaction_table
from scresist.communication.conditions import (
    compare_totals,
    difference,
    lift,
    role_change_totals,
    role_changes,
)
from scresist.communication.depth import depths, with_depth_doubts
from scresist.communication.exchange import SignalTensor, to_cellphonedb, to_liana, to_tensor
from scresist.communication.filters import keep_shared_links
from scresist.communication.gene_changes import condition_gene_changes, link_gene_changes
from scresist.communication.infer import infer
from scresist.communication.interactions import LigandReceptorTable, cellchatdb
from scresist.communication.over_expression import over_expressed_genes
from scresist.communication.patterns import Patterns, choose_patterns, find_patterns, pattern_matrix
from scresist.communication.readers import read_cellchatdb_rda, read_cellphonedb, read_liana
from scresist.communication.resource import (
    check_resource,
    coverage,
    is_shipped,
    locate_resource,
    read_resource,
    resource_files,
)
from scresist.communication.response import contrast_chain, contrast_steps, responses, signal_chain
from scresist.communication.result import Communication
from scresist.communication.roles import contribution, group_centralities, select_links, signalling_roles
from scresist.communication.scores import link_evidence, score_links
from scresist.communication.similarity import pathway_shift, pathway_similarity, place_pathways

__all__ = [
    "Communication", "LigandReceptorTable", "Patterns", "SignalTensor", "cellchatdb", "check_resource",
    "choose_patterns", "compare_totals", "condition_gene_changes", "contrast_chain", "contrast_communication",
    "contrast_steps", "contribution", "coverage", "depths", "difference", "find_patterns",
    "group_centralities", "infer",
    "interaction_table", "is_shipped", "keep_shared_links", "lift", "link_evidence", "link_gene_changes",
    "locate_resource", "over_expressed_genes", "pathway_shift", "pathway_similarity", "pattern_matrix",
    "place_pathways",  "read_cellchatdb_rda", "read_cellphonedb", "read_liana", "read_resource",
    "resource_files", "responses", "role_change_totals", "role_changes", "score_links", "select_links",
    "signal_chain", "signalling_roles", "to_cellphonedb", "to_liana", "to_tensor",
    "with_depth_doubts",
]  # fmt: skip
