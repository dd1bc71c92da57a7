"""The steps of a study, in their order. A new step is one file in `bodies` and one line here."""

from scresist.run.bodies import (
    annotate,
    calibration,
    candidates,
    communication,
    contrasts,
    embed,
    ingest,
    malignancy,
    microenvironment,
    networks,
    power,
    quality,
    report,
    survival,
    usual_tools,
    validation,
)

STEPS = (
    ingest.STEP,
    quality.STEP,
    embed.STEP,
    annotate.STEP,
    malignancy.STEP,
    microenvironment.STEP,
    networks.STEP,
    communication.STEP,
    power.STEP,
    contrasts.STEP,
    validation.STEP,
    survival.STEP,
    candidates.STEP,
    usual_tools.STEP,
    calibration.STEP,
    report.STEP,
)
