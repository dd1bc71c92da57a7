"""The bench: functional assays beside the RNA, with the biological replicate as the unit."""

from scresist.validation.assays import readouts
from scresist.validation.dose import dose_points, dose_ratios, dose_response
from scresist.validation.expression import blot, qpcr
from scresist.validation.rates import kinetics
from scresist.validation.two_drugs import combinations

__all__ = ["blot", "combinations", "dose_points", "dose_ratios", "dose_response", "kinetics", "qpcr", "readouts"]
