"""The result of an inference: probabilities and p-values of every source, target and pair, and tables of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from scresist.checks import InputError
from scresist.kernels.multiple_testing import benjamini_hochberg
from scresist.results import Brief

LINK_P = 0.05  # p-value up to which a link counts, as in CellChat; no level of a test of arms


@dataclass(frozen=True, slots=True, repr=False)
class Communication(Brief):
    """Probabilities of communication between groups.

    Attributes
    ----------
    groups, pairs
        Names of the groups and of the ligand-receptor pairs.
    probability, p_value
        (source, target, pair). In sound mode the mean over the samples that have both groups (NaN where none has), and
        the p-values of the samples combined by Fisher's method.
    interactions
        One row per pair: interaction_name, pathway_name, ligand, receptor, annotation, evidence.
    samples
        In sound mode: sample names, then `by_sample` and `p_by_sample` of shape (sample, source, target, pair), NaN
        where a group is missing from a sample.
    coverage
        Interactions that cannot be inferred in these data, with the genes that are missing.
    settings, notes
        The settings of the call, and notes for the reader.
    """

    groups: pd.Index
    pairs: pd.Index
    probability: np.ndarray
    p_value: np.ndarray
    interactions: pd.DataFrame
    mode: str
    samples: pd.Index | None = None
    by_sample: np.ndarray | None = None
    p_by_sample: np.ndarray | None = None
    coverage: pd.DataFrame = field(default_factory=pd.DataFrame)
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    notes: tuple[str, ...] = ()

    @property
    def table(self) -> pd.DataFrame:
        """Links as rows: (sample,) source, target, ligand, receptor, pathway, probability, p_value, q_value.

        In parity the links with p < 0.05, source fastest, then target, then interaction. In sound mode every link above
        zero of every sample, q over all links of a sample.
        """
        if self.by_sample is None or self.p_by_sample is None or self.samples is None:
            table = _long(self, self.probability, self.p_value)
            return table[table["p_value"] < LINK_P].reset_index(drop=True)
        parts = [
            _long(self, p, q).assign(sample=s)
            for s, p, q in zip(self.samples, self.by_sample, self.p_by_sample, strict=True)
        ]
        joined = pd.concat(parts, ignore_index=True)
        return joined[["sample", *[c for c in joined.columns if c != "sample"]]]

    def values_per_sample(self, *, level: str = "pair") -> tuple[np.ndarray, list[str]]:
        """Probabilities (sample, source, target, name) and the names: pairs, or pathways with the sum over their pairs.

        Raises
        ------
        InputError
            If the result has no values per sample.
        """
        if self.by_sample is None or self.samples is None:
            raise InputError('the result has no values per sample: infer with mode="sound"')
        if level == "pair":
            return self.by_sample, [str(pair) for pair in self.pairs]
        which = self.interactions["pathway_name"].to_numpy()
        names = list(dict.fromkeys(which))
        return np.stack([self.by_sample[..., which == name].sum(axis=-1) for name in names], axis=-1), names

    def pathway_array(self, *, threshold: float = LINK_P) -> tuple[np.ndarray, pd.Index]:
        """Summed probability of the links with p <= threshold per pathway, (source, target, pathway), largest first."""
        kept = np.where(self.p_value <= threshold, np.nan_to_num(self.probability), 0.0)
        names = list(dict.fromkeys(self.interactions["pathway_name"]))
        which = self.interactions["pathway_name"].to_numpy()
        sums = np.stack([kept[:, :, which == n].sum(axis=2) for n in names], axis=2) if names else kept[:, :, :0]
        total = sums.sum(axis=(0, 1))
        order = [k for k in np.argsort(-total, kind="stable") if total[k] > 0]
        return sums[:, :, order], pd.Index([names[k] for k in order], name="pathway")

    def pathways(self, *, threshold: float = LINK_P) -> pd.DataFrame:
        """Links per pathway: source, target, pathway, probability (sum), p_value (mean); links below `threshold`."""
        long = _long(self, np.nan_to_num(self.probability), self.p_value)
        kept = long[long["p_value"] < threshold]
        grouped = kept.groupby(["source", "target", "pathway"], sort=False, observed=True)
        table = grouped.agg(probability=("probability", "sum"), p_value=("p_value", "mean")).reset_index()
        # The order of a dictionary, capitals or not, as R sorts text.
        link = (table["source"].astype(str) + table["target"].astype(str)).str.casefold()
        order = table.assign(link=link, name=table["pathway"].str.casefold()).sort_values(
            ["link", "name"], kind="stable"
        )
        return order[["source", "target", "pathway", "probability", "p_value"]].reset_index(drop=True)

    def counts(self, *, threshold: float = LINK_P) -> pd.DataFrame:
        """Number of links with p < threshold, source x target."""
        kept = (self.p_value < threshold) & (np.nan_to_num(self.probability) > 0)
        return pd.DataFrame(kept.sum(axis=2), index=self.groups, columns=self.groups)

    def weights(self, *, threshold: float = LINK_P) -> pd.DataFrame:
        """Summed probability of the links with p < threshold, source x target."""
        kept = np.where(self.p_value < threshold, np.nan_to_num(self.probability), 0.0)
        return pd.DataFrame(kept.sum(axis=2), index=self.groups, columns=self.groups)


def _long(com: Communication, probability: np.ndarray, p_value: np.ndarray) -> pd.DataFrame:
    pair, target, source = np.nonzero(np.nan_to_num(probability).transpose(2, 1, 0) > 0)
    p = p_value[source, target, pair]
    own = com.interactions.iloc[pair]
    return pd.DataFrame(
        {
            "source": com.groups[source].to_numpy(),
            "target": com.groups[target].to_numpy(),
            "interaction": own["interaction_name"].to_numpy(),
            "ligand": own["ligand"].to_numpy(),
            "receptor": own["receptor"].to_numpy(),
            "pathway": own["pathway_name"].to_numpy(),
            "probability": probability[source, target, pair],
            "p_value": p,
            "q_value": benjamini_hochberg(p),
        }
    )
