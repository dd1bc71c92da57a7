"""The bodies of the steps: call the stages in turn, put their results where the next step and the folder look."""

from scresist.run.bodies.candidates import candidates
from scresist.run.bodies.cells import annotate, embed, ingest, malignancy, microenvironment, quality
from scresist.run.bodies.communication import communication
from scresist.run.bodies.contrasts import contrasts
from scresist.run.bodies.networks import networks
from scresist.run.bodies.report import report
from scresist.run.bodies.survival import survival
from scresist.run.files import OUTPUTS, input_files, marker_hash, outputs_exist, remove_outputs

__all__ = [
    "OUTPUTS", "annotate", "candidates", "communication", "contrasts", "embed", "ingest", "input_files",
    "malignancy", "marker_hash", "microenvironment", "networks", "outputs_exist", "quality", "remove_outputs",
    "report", "survival",
]  # fmt: skip
