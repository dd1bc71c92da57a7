"""Communication: networks of groups, links as bubbles, roles, flows, patterns, and one point per patient."""

from scresist.plots.communication.flows import by_patient, flows, flows_by_patient
from scresist.plots.communication.links import bubbles
from scresist.plots.communication.networks import chord, circle, matrix
from scresist.plots.communication.river import river
from scresist.plots.communication.roles import role_changes, roles

__all__ = [
    "bubbles", "by_patient", "chord", "circle", "flows", "flows_by_patient", "matrix", "river", "role_changes", "roles",
]  # fmt: skip
