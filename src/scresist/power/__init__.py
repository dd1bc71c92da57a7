"""What a design can and cannot find: the chance to detect an effect, before any sample is sequenced."""

from scresist.power.assumptions import Assumptions
from scresist.power.detection import power, power_curves
from scresist.power.pilot import pilot_assumptions

__all__ = ["Assumptions", "pilot_assumptions", "power", "power_curves"]
