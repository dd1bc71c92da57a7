"""Does a candidate predict the endpoint: curves, Cox models, cuts; only from samples taken before the clock ran."""

from scresist.survival.curves import kaplan_meier
from scresist.survival.models import cox
from scresist.survival.searched import candidates

__all__ = ["candidates", "cox", "kaplan_meier"]
