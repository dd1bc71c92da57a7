"""Models of a release or a rate fitted to one condition: which are compared, their AICc, one fit per replicate."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from scresist.checks import counted
from scresist.kernels import kinetics as kernel

ARGUMENTS = {
    "michaelis-menten": ("substrate_um",),
    "competitive": ("substrate_um", "inhibitor_um"),
    "uncompetitive": ("substrate_um", "inhibitor_um"),
    "noncompetitive": ("substrate_um", "inhibitor_um"),
    "mixed": ("substrate_um", "inhibitor_um"),
    "morrison": ("inhibitor_um", "enzyme_um"),
    "morrison, enzyme estimated": ("inhibitor_um",),
    "hyperbolic": ("inhibitor_um",),
    "sigmoid": ("inhibitor_um",),
    "first order": ("time",),
    "first order to 100 %": ("time",),
    "constant rate": ("time",),
}
KINDS = {
    "release": ("first order", "first order to 100 %", "constant rate"),
    "substrate": ("michaelis-menten",),
    "inhibition": ("competitive", "uncompetitive", "noncompetitive", "mixed"),
    "tight": ("morrison", "morrison, enzyme estimated", "hyperbolic", "sigmoid"),
    "inhibitor": ("hyperbolic", "sigmoid"),
}
OF_REPLICATES, OF_POINTS = "biological replicates", "profile over points"


@dataclass(slots=True)
class Fits:
    """The fit and AICc of every model of one condition by its name; `lacks` tells why there is none."""

    lacks: str = ""
    models: dict[str, kernel.KineticFit] = field(default_factory=dict)
    aicc: dict[str, float] = field(default_factory=dict)

    @property
    def chosen(self) -> str:
        """The model of least AICc."""
        return min(self.aicc, key=lambda m: self.aicc[m])

    @property
    def weights(self) -> dict[str, float]:
        """Akaike weights of the models."""
        values = np.array(list(self.aicc.values()))
        if not np.isfinite(values).any():
            return dict.fromkeys(self.aicc, float("nan"))
        relative = np.exp(-0.5 * (values - values.min()))
        return dict(zip(self.aicc, (relative / relative.sum()).tolist(), strict=True))


def kind_of(data: pd.DataFrame) -> str:
    """What was varied, which decides the models."""
    if data["time"].notna().any():
        return "release"
    levels = {c: data[c].dropna().nunique() for c in ("substrate_um", "inhibitor_um")}
    if levels["inhibitor_um"] > 1:
        if levels["substrate_um"] > 1:
            return "inhibition"
        return "tight" if data["enzyme_um"].notna().all() else "inhibitor"
    return "substrate"


def measured(data: pd.DataFrame) -> np.ndarray:
    """What was measured: percent released, or rates."""
    return data["released" if data["time"].notna().any() else "rate"].to_numpy(float)


def arguments(data: pd.DataFrame, model: str) -> list[np.ndarray]:
    """What a model takes: time, or concentrations."""
    return [data[c].to_numpy(float) for c in ARGUMENTS[model]]


def fit_models(data: pd.DataFrame, wanted: set[str]) -> Fits:
    """The fit and AICc of every model of one condition; a reason where there is none.

    Parameters
    ----------
    data
        Points of the condition.
    wanted
        Models that may be compared.
    """
    kind, y = kind_of(data), measured(data)
    out = Fits(_too_little(data, kind))
    if out.lacks:
        return out
    for name in KINDS[kind]:
        if name in wanted and y.size > len(kernel.MODELS[name].parameters):
            fit = kernel.fit_model(name, y, *arguments(data, name))
            out.models[name] = fit
            out.aicc[name] = kernel.aicc(fit.rss, fit.n, fit.parameters.size)
    if not out.models:
        out.lacks = f"{counted(y.size, 'point')}; more are needed than a model has parameters"
    return out


def _too_little(data: pd.DataFrame, kind: str) -> str:
    """Why no model of the kind can be fitted; empty where one can."""
    if kind == "release":
        after = data.loc[data["time"] > 0, "time"].nunique()
        if after < 2:
            return f"{counted(after, 'time')} after 0; a rate constant needs 2"
        if data["released"].max() < 1:
            return "less than 1 percent was released at any time: there is no rate constant"
        return ""
    levels = data["substrate_um"].dropna().nunique()
    if kind == "substrate" and levels < 3:
        return f"{counted(levels, 'concentration')} of substrate; Km needs 3, or an inhibitor that is varied"
    if kind in ("tight", "inhibitor") and data["inhibitor_um"].nunique() < 3:
        return f"{counted(data['inhibitor_um'].nunique(), 'concentration')} of inhibitor; an IC50 needs 3"
    if not (data["rate"] > 0).any():
        return "no rate is above zero"
    return ""


def fit_replicates(data: pd.DataFrame, model: str) -> np.ndarray | None:
    """Logarithms of the parameters of every biological replicate; None where one has too few points of its own.

    Parameters
    ----------
    data
        Points of one condition.
    model
        Which one.
    """
    n = len(kernel.MODELS[model].parameters)
    out = []
    for _, part in data.groupby("replicate", sort=False):
        y = measured(part)
        if y.size <= n or not (y > 0).any():
            return None
        out.append(np.log(kernel.fit_model(model, y, *arguments(part, model)).parameters))
    return np.stack(out)
