"""The bodies of the steps: call the stages in turn, put their results where the next step and the folder look."""

from scresist.steps.candidates import candidates
from scresist.steps.cells import annotate, embed, ingest, malignancy, microenvironment, quality
from scresist.steps.communication import communication
from scresist.steps.contrasts import contrasts
from scresist.steps.files import OUTPUTS, after_load, input_files, marker_hash, outputs_exist, remove_outputs
from scresist.steps.networks import networks
from scresist.steps.report import report
from scresist.steps.survival import survival

__all__ = [
    "OUTPUTS", "after_load", "annotate", "candidates", "communication", "contrasts", "embed", "ingest", "input_files",
    "malignancy", "marker_hash", "microenvironment", "networks", "outputs_exist", "quality", "remove_outputs",
    "report", "survival",
]  # fmt: skip
