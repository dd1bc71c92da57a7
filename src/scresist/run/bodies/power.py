"""Power: what this design can find, whatever the results are."""

from scresist.checks import RefusedError
from scresist.run.step import Context, State, Step
from scresist.study import Study


def power(state: State, study: Study, context: Context) -> None:
    """The chance to find an effect of each size with this design."""
    from scresist.power import power_curves

    if not study.design.contrasts:
        return
    try:
        state.publish("power", power_curves(study=study))
    except RefusedError as refusal:
        state.refuse("power", refusal)


STEP = Step(
    name="power",
    meaning="computes the chance to find an effect of each size with this design",
    body=power,
    settings=("survival",),
    design=True,
    sheet=lambda study: ("taken",),
    patients=lambda study: study.settings.endpoint_columns,
)
