"""What all features of a contrast share."""

import numpy as np
import pytest

from scresist.contrasts.shared import within_patient_correlation


def test_a_feature_without_values_does_not_touch_the_others():
    """As where a cell type is in no sample of a contrast: its column is missing throughout."""
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(6), 2)
    model = np.column_stack([np.ones(12), np.tile([0.0, 1.0], 6)])
    values = rng.normal(size=(12, 5)) + rng.normal(size=(6, 5))[patient]
    weights = rng.uniform(0.5, 2.0, values.shape)
    alone = within_patient_correlation(values, model, patient, weights)
    values_and = np.column_stack([values, np.full(12, np.nan)])
    together = within_patient_correlation(values_and, model, patient, np.column_stack([weights, np.ones(12)]))
    assert together[:5] == pytest.approx(alone)
