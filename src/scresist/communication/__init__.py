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
from scresist.communication.resource import LigandReceptorTable, cellchatdb, read_resource
from scresist.communication.result import Communication
from scresist.communication.roles import contribution, group_centralities, select_links, signalling_roles

__all__ = [
    "Communication", "LigandReceptorTable", "cellchatdb", "compare_totals", "contrast_communication", "contribution",
    "difference", "group_centralities", "infer", "interaction_table", "lift", "rank_flow", "read_resource",
    "role_change_totals", "role_changes", "select_links", "signalling_roles",
]  # fmt: skip
