"""Who signals to whom, through what: CellChat's numbers where asked, patients as the unit by default."""

from scresist.communication.compare import contrast_communication, interaction_table
from scresist.communication.conditions import (
    compare_totals,
    difference,
    lift,
    rank_flow,
    role_change_totals,
    role_changes,
)
from scresist.communication.infer import infer
from scresist.communication.patterns import Patterns, choose_patterns, find_patterns, pattern_matrix
from scresist.communication.resource import LigandReceptorTable, cellchatdb, read_resource
from scresist.communication.result import Communication
from scresist.communication.roles import contribution, group_centralities, select_links, signalling_roles
from scresist.communication.similarity import pathway_shift, pathway_similarity, place_pathways

__all__ = [
    "Communication",
    "LigandReceptorTable",
    "Patterns",
    "cellchatdb",
    "choose_patterns",
    "compare_totals",
    "contrast_communication",
    "contribution",
    "difference",
    "find_patterns",
    "group_centralities",
    "infer",
    "interaction_table",
    "lift",
    "pathway_shift",
    "pathway_similarity",
    "pattern_matrix",
    "place_pathways",
    "rank_flow",
    "read_resource",
    "role_change_totals",
    "role_changes",
    "select_links",
    "signalling_roles",
]
