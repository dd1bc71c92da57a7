"""Pictures of contrasts: effects with their intervals, patients as points, primary against acquired."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scresist.checks import require_columns
from scresist.contrasts.verdict import ALPHA
from scresist.plots.labels import label_points
from scresist.study.design import Contrast, Design

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"supported": "#b2182b", "suggestive": "#ef8a62", "not supported": "#999999", "refused": "#cccccc"}


def forest(table: pd.DataFrame, ax: "Axes", *, label: str, effect: str = "effect", alpha: float = ALPHA) -> None:
    """Effects with their intervals, one line a row, in the order of the table; filled where q < alpha.

    A row without an interval (refused, or beyond what the design can bound) is drawn as an open mark.
    """
    require_columns(table, [label, effect, "ci_low", "ci_high"], "the table of contrasts")
    place = np.arange(len(table))[::-1]
    low, high = table["ci_low"].to_numpy(float), table["ci_high"].to_numpy(float)
    centre = table[effect].to_numpy(float)
    bounded = np.isfinite(low) & np.isfinite(high)
    found = (table["q_value"] < alpha).to_numpy() if "q_value" in table else np.zeros(len(table), bool)
    ax.axvline(0, color="#888888", linewidth=0.8)
    ax.hlines(place[bounded], low[bounded], high[bounded], color="#444444", linewidth=1.2)
    ax.scatter(centre[found], place[found], color=COLOURS["supported"], zorder=3, s=28, label=f"q < {alpha:g}")
    ax.scatter(
        centre[~found],
        place[~found],
        facecolor="white",
        edgecolor="#444444",
        zorder=3,
        s=28,
        label=f"q {chr(8805)} {alpha:g}",
    )
    ax.set_yticks(place, table[label].astype(str))
    ax.set_xlabel("effect (test minus reference), 95 % interval")


def volcano(table: pd.DataFrame, ax: "Axes", *, effect: str = "log2fc", label: str = "gene", top: int = 10) -> None:
    """Effect against p, the smallest p-values named; a dotted line at the smallest p an exact test can reach."""
    require_columns(table, [effect, "p_value", "q_value", label], "the table of contrasts")
    tested = table[table["p_value"].notna()]
    level = -np.log10(tested["p_value"].to_numpy(float))
    found = (tested["q_value"] < ALPHA).to_numpy()
    ax.scatter(tested[effect][~found], level[~found], s=5, color="#bbbbbb", rasterized=True)
    ax.scatter(tested[effect][found], level[found], s=9, color=COLOURS["supported"], rasterized=True)
    named = np.argsort(-level, kind="stable")[:top]
    label_points([str(n) for n in tested[label].iloc[named]], tested[effect].to_numpy(float)[named], level[named], ax)
    if "p_floor" in tested and tested["p_floor"].notna().any():
        floor = float(tested["p_floor"].min())
        ax.axhline(-np.log10(floor), color="#444444", linestyle=":", linewidth=0.8)
        ax.annotate("exact floor", (ax.get_xlim()[0], -np.log10(floor)), fontsize=7, va="bottom")
    ax.set_xlabel(effect)
    ax.set_ylabel("-log10 p (patients)")


def patients(values: pd.Series, design: Design, contrast: Contrast, ax: "Axes") -> None:
    """One feature's value of every patient in both arms, pairs joined by a line."""
    sheet = design.samples.loc[design.samples.index.isin(values.index)]
    frame = pd.DataFrame({
        "patient": sheet["patient"].astype(str), "arm": sheet["arm"].astype(str), "value": values.loc[sheet.index]
    })  # fmt: skip
    mean = frame.groupby(["patient", "arm"])["value"].mean().unstack("arm")  # noqa: PD010  # one column per arm
    for place, arm in enumerate((contrast.reference, contrast.test)):
        own = mean[arm].dropna() if arm in mean else pd.Series(dtype=float)
        # Spread by rank, not by chance: the same data draw the same picture.
        shift = (np.argsort(np.argsort(own.to_numpy(), kind="stable"), kind="stable") % 3 - 1) * 0.04
        ax.scatter(place + shift, own, s=24, color="#2166ac" if place == 0 else "#b2182b", zorder=3)
        if len(own):
            ax.hlines(own.mean(), place - 0.2, place + 0.2, color="black", linewidth=1.5)
    if {contrast.reference, contrast.test} <= set(mean.columns):
        for row in mean[[contrast.reference, contrast.test]].dropna().itertuples(index=False):
            ax.plot([0, 1], list(row), color="#999999", linewidth=0.8, zorder=1)
    ax.set_xticks([0, 1], [contrast.reference, contrast.test])
    ax.set_xlim(-0.5, 1.5)
    ax.set_ylabel(str(values.name))


def primary_against_acquired(table: pd.DataFrame, ax: "Axes", *, label: str = "feature", top: int = 10) -> None:
    """The two effects of every feature against each other, coloured by class."""
    require_columns(table, ["primary_effect", "acquired_effect", "class", label], "the table of both effects")
    colours = {"shared": "#762a83", "opposite": "#1b7837", "primary only": "#2166ac", "acquired only": "#b2182b"}
    plain = table["class"] == "undecided"
    ax.axhline(0, color="#cccccc", linewidth=0.8)
    ax.axvline(0, color="#cccccc", linewidth=0.8)
    ax.scatter(table["primary_effect"][plain], table["acquired_effect"][plain], s=6, color="#bbbbbb", label="undecided")
    for kind, colour in colours.items():
        own = table[table["class"] == kind]
        ax.scatter(own["primary_effect"], own["acquired_effect"], s=16, color=colour, label=kind)
    called = table[~plain].sort_values("p_value", kind="stable").head(top)
    effects = called[["primary_effect", "acquired_effect"]].to_numpy(float)
    label_points([str(name) for name in called[label]], effects[:, 0], effects[:, 1], ax)
    ax.set_xlabel("effect in primary resistance")
    ax.set_ylabel("effect in acquired resistance")
    ax.legend(fontsize=7, frameon=False)
