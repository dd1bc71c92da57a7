"""Whose finding is it: every estimate again with one patient left out."""

from dataclasses import dataclass

import numpy as np

from scresist.contrasts.engine import Tested, refit
from scresist.contrasts.verdict import ALPHA

_MAX_PERMUTED = 200  # rows whose permutation test is repeated for every patient


@dataclass(frozen=True, slots=True)
class Influence:
    """Per feature: the largest relative change of the effect, whose removal makes it, and the weakest p left."""

    influence: np.ndarray
    patient: np.ndarray
    p_without: np.ndarray
    rests_on_one: np.ndarray


def leave_one_patient_out(tested: Tested, *, alpha: float = ALPHA, rows: np.ndarray | None = None) -> Influence:
    """How far each effect and its significance rest on a single patient.

    `influence` is the largest |effect - effect without a patient| / |effect|: 0 is nobody's, 1 is gone without that
    patient, beyond 1 turns round. `p_without` is the largest p-value over the patients left out. A finding (p < alpha)
    rests on one patient when leaving some one out turns its sign, or leaves p at alpha or above, or too few patients to
    test. Only `rows` (an index; default all that were tested) are computed; the rest is NaN.
    """
    n_features = tested.effect.size
    influence, p_without = np.full(n_features, np.nan), np.full(n_features, np.nan)
    who = np.full(n_features, "", dtype=object)
    rests = np.zeros(n_features, bool)
    wanted = np.flatnonzero(np.isfinite(tested.p_value)) if rows is None else np.asarray(rows)
    wanted = wanted[np.isfinite(tested.p_value[wanted])]
    if tested.setup.method == "permutation":
        wanted = wanted[np.argsort(tested.p_value[wanted], kind="stable")[:_MAX_PERMUTED]]
    if wanted.size == 0:
        return Influence(influence, who, p_without, rests)
    setup = tested.setup.pick(wanted)
    patients = np.unique(setup.units.patient)
    pairs = [refit(setup, setup.units.patient != p) for p in patients]
    effects, p_values = np.stack([e for e, _ in pairs]), np.stack([p for _, p in pairs])
    effect, present = tested.effect[wanted], _takes_part(setup.units.values, setup.units.patient, patients)
    with np.errstate(invalid="ignore", divide="ignore"):
        change = np.where(present, np.abs(effects - effect) / np.abs(effect), np.nan)
    change = np.where(present & np.isnan(change), np.inf, change)  # nothing left to estimate: it was all that patient's
    filled = np.where(np.isnan(change), -1.0, change)
    top = np.argmax(filled, axis=0)
    influence[wanted] = np.take_along_axis(filled, top[None], axis=0)[0]
    who[wanted] = patients[top]
    worst = np.max(np.where(present, np.where(np.isnan(p_values), 1.0, p_values), 0.0), axis=0)
    untestable = (present & np.isnan(p_values)).any(axis=0)
    turned = (present & (np.sign(effects) != np.sign(effect))).any(axis=0)
    p_without[wanted] = np.where(untestable, np.nan, worst)
    rests[wanted] = (tested.p_value[wanted] < alpha) & (turned | untestable | (worst >= alpha))
    return Influence(influence, who, p_without, rests)


def _takes_part(values: np.ndarray, patient: np.ndarray, patients: np.ndarray) -> np.ndarray:
    """Whether each patient has a value of each feature, shape (patients, features)."""
    return np.stack([(~np.isnan(values[patient == p])).any(axis=0) for p in patients])
