"""The bench: IHC, multiplex immunofluorescence and functional assays, with the patient or the replicate as the unit."""

from scresist.validation.arrangement import mif_spatial, neighbourhoods
from scresist.validation.assays import readouts
from scresist.validation.component_images import component_intensities
from scresist.validation.concordance import agreement, functional_agreement
from scresist.validation.densities import mif, prepare
from scresist.validation.dose import dose_points, dose_response
from scresist.validation.dose_components import dose_components
from scresist.validation.dose_ratios import dose_ratios
from scresist.validation.expression import blot, qpcr
from scresist.validation.her2_status import her2
from scresist.validation.images import ihc_image
from scresist.validation.rates import kinetics
from scresist.validation.readers import ihc, reader_agreement
from scresist.validation.two_drugs import combinations

__all__ = [
    "agreement", "blot", "combinations", "component_intensities", "dose_components", "dose_points", "dose_ratios",
    "dose_response", "functional_agreement", "her2", "ihc", "ihc_image", "kinetics", "mif", "mif_spatial",
    "neighbourhoods", "prepare", "qpcr", "reader_agreement", "readouts",
]  # fmt: skip
