"""Does a candidate predict the endpoint: curves, Cox models, cuts; only from samples taken before the clock ran."""

from scresist.survival.curves import kaplan_meier
from scresist.survival.models import candidates, cox

__all__ = ["candidates", "cox", "kaplan_meier"]
