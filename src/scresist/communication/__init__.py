"""Who signals to whom, through what: CellChat's numbers where asked, patients as the unit by default."""

from scresist.communication.compare import contrast_communication, interaction_table
from scresist.communication.infer import infer
from scresist.communication.resource import LigandReceptorTable, cellchatdb, read_resource
from scresist.communication.result import Communication

__all__ = [
    "Communication", "LigandReceptorTable", "cellchatdb", "contrast_communication", "infer", "interaction_table",
    "read_resource",
]  # fmt: skip
