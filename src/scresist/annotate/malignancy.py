"""Which epithelial cells are malignant: copy number per patient, against that patient's immune and stromal cells."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from scresist import keys, resources
from scresist.cells import count_detected, log_normalised
from scresist.checks import RefusedError, require_columns
from scresist.kernels.copy_number import mixture_with_known_null, project, relative_to_reference, smoothing_matrix
from scresist.progress import track
from scresist.results import Result

if TYPE_CHECKING:
    from anndata import AnnData

CANDIDATE = "epithelial"
REFERENCE = ("T/NK", "B", "plasma", "myeloid", "mast", "fibroblast", "mural", "endothelial")
MIN_REFERENCE, MIN_CANDIDATES, MIN_GENES = 20, 10, 2000
WINDOW, STEP, LIMIT = 101, 10, 3.0
MALIGNANT, NORMAL = 0.8, 0.2  # probability bounds of the calls
MIN_SIGNAL = 1.5  # the tumour's profile must be this many times as strong as the differences between reference lineages
MIN_REFERENCE_GROUP = 10
MIN_OWN = 1 / 3  # of the signal, for the patient's own part to be used
# Genes whose differences are of identity: HLA, antigen receptors, mitochondrial.
IDENTITY = {"human": r"^(HLA-|IG[HKL]|TR[ABDG]|MT-)", "mouse": r"^(H2-|Ig[hkl][vdjcamge]|Tr[abdg][vdjc]|mt-)"}
MIN_SHARED = 5  # patients from which on what their epithelium has in common is known


@dataclass(frozen=True, slots=True)
class _Who:
    """The lineages whose cells may be malignant."""

    lineages: tuple[str, ...]

    @property
    def words(self) -> str:
        """Their names."""
        return " or ".join(self.lineages)

    def coded(self, lineage: np.ndarray) -> np.ndarray:
        """Lineage of each cell, with one name for all that may be malignant, and none for epithelium that may not."""
        own = np.isin(lineage, self.lineages)
        other = np.where(lineage == CANDIDATE, "other", lineage)
        return np.where(own, CANDIDATE, other).astype(object)


@dataclass(frozen=True, slots=True)
class _Patient:
    probability: np.ndarray
    arms: pd.DataFrame
    facts: dict[str, object]


def malignancy(cohort: "AnnData", *, lineages: Sequence[str] = (CANDIDATE,)) -> None:
    """Write `obs` malignant_probability and malignancy, and `obsm["copy_number"]` per chromosome arm.

    Per patient: log-normalised expression beyond the range of the reference lineages' means, averaged over 101 genes
    along the genome, then each cell projected on the mean profile of the patient's epithelial cells. Epithelium differs
    from immune and stromal cells by identity too, malignant or not: with six patients or more, the mean profile of the
    other patients' epithelium is taken off the epithelial cells first, where enough of the patient's own is left. A
    two-component mixture, with the null taken from the reference cells, gives the probability. `malignant` is an
    epithelial cell with at least 0.8; `normal` an epithelial one with at most 0.2, or an immune or stromal cell below
    0.8 (by its identity alone where the patient's call is refused); the rest is `uncertain`. `malignancy_summary` gives
    the facts per patient and what was refused.

    Parameters
    ----------
    cohort
        Annotated by `cell_types`, with raw counts in `layers["counts"]`.
    lineages
        Whose cells may be malignant: epithelial in carcinomas, glial/neural in gliomas, melanocytic, B, plasma,
        fibroblast (sarcomas). The immune and stromal lineages among the others are the reference.

    Raises
    ------
    RefusedError
        Where no patient has both 10 epithelial and 20 reference cells, or fewer than 2,000 genes have a position.
    """
    require_columns(cohort.obs, ["patient", "lineage"], "the cohort")
    genes = _positioned(cohort)
    if len(genes) < MIN_GENES:
        raise RefusedError(
            f"malignancy is not called: {len(genes)} of {cohort.n_vars} genes have a position and are expressed; copy "
            f"number needs {MIN_GENES}"
        )
    who = _Who(tuple(lineages))
    lineage = who.coded(cohort.obs["lineage"].astype(str).to_numpy())
    probability = np.full(cohort.n_obs, np.nan)
    arms = None
    notes: list[str] = []
    facts: list[dict[str, object]] = []
    members = dict(cohort.obs.groupby("patient", observed=True).indices)
    reasons = {str(p): reason for p, at in members.items() if (reason := _refusal(lineage[at], who.words))}
    members = {p: at for p, at in members.items() if str(p) not in reasons}
    shared = _shared_by_others(cohort, members, lineage, genes)
    for patient, at in track(members.items(), "patients"):
        found = _call_patient(cohort, at, lineage[at], genes, shared.get(patient))
        found.facts["refused"] = str(found.facts["refused"]).replace("epithelial", who.words)
        facts.append({"patient": str(patient), **found.facts})
        if found.facts["refused"]:
            notes.append(f"patient {patient}: {found.facts['refused']}")
        probability[at] = found.probability
        if arms is None:
            arms = pd.DataFrame(np.nan, index=cohort.obs_names, columns=found.arms.columns, dtype=np.float32)
        arms.iloc[at] = found.arms[arms.columns].to_numpy(dtype=np.float32)
    if arms is None:
        raise RefusedError("malignancy is not called: " + "; ".join(_grouped(reasons)))
    keys.put(cohort, "malignant_probability", probability)
    calls = pd.Categorical(_call(probability, lineage), categories=["malignant", "normal", "uncertain"])
    keys.put(cohort, "malignancy", calls)
    keys.put(cohort, "copy_number", arms)
    keys.put(cohort, "malignancy_notes", np.array([*_grouped(reasons), *notes], dtype=object))
    keys.put(cohort, "malignancy_facts", {c: np.array([f[c] for f in facts]) for c in facts[0]})


def _grouped(reasons: dict[str, str]) -> list[str]:
    """Patients with one kind of reason in one sentence."""
    kinds: dict[str, list[str]] = {}
    for patient, reason in reasons.items():
        number, _, words = reason.partition(" ")
        kinds.setdefault(words, []).append(f"{patient} ({number})")
    return [
        f"{len(who)} {'patient has' if len(who) == 1 else 'patients have'} too few {words}: {', '.join(who)}"
        for words, who in kinds.items()
    ]


def malignancy_summary(cohort: "AnnData") -> Result:
    """Per patient: epithelial and reference cells, signal over the reference lineages, calls; after `malignancy`.

    Parameters
    ----------
    cohort
        After `malignancy`.
    """
    facts = cohort.uns.get("malignancy_facts", {})
    notes = tuple(str(n) for n in cohort.uns.get("malignancy_notes", ()))
    table = pd.DataFrame({name: list(values) for name, values in facts.items()})
    if len(table):
        calls = pd.crosstab(cohort.obs["patient"].astype(str), cohort.obs["malignancy"].astype(str))
        table = table.join(calls.reindex(columns=["malignant", "normal", "uncertain"], fill_value=0), on="patient")
    return Result(table, "copy number from expression, per patient", notes=notes)


def _call(probability: np.ndarray, lineage: np.ndarray) -> np.ndarray:
    candidate, reference = lineage == CANDIDATE, np.isin(lineage, REFERENCE)
    known = np.isfinite(probability)
    p = np.nan_to_num(probability, nan=0.5)
    malignant = candidate & known & (p >= MALIGNANT)
    normal = (candidate & known & (p <= NORMAL)) | (reference & (p < MALIGNANT))
    return np.select([malignant, normal], ["malignant", "normal"], default="uncertain")


def _refusal(lineage: np.ndarray, words: str) -> str:
    n_candidates, n_reference = int((lineage == CANDIDATE).sum()), int(np.isin(lineage, REFERENCE).sum())
    if n_candidates < MIN_CANDIDATES:
        return f"{n_candidates} {words} cells (needed: {MIN_CANDIDATES})"
    if n_reference < MIN_REFERENCE:
        return f"{n_reference} immune or stromal cells as reference (needed: {MIN_REFERENCE})"
    return ""


def _positioned(cohort: "AnnData") -> pd.DataFrame:
    """Genes with a position that are expressed, in genomic order: chromosome, arm and column.

    Markers of lineages, HLA and antigen receptor genes are left out: their differences are of identity, not of copies.
    """
    organism = keys.organism_of(cohort)
    table = resources.genes_of(organism)
    named = set(resources.translated_table(resources.markers(), organism)["gene"])
    genes = pd.Index(cohort.var_names)
    detected = count_detected(cohort, np.zeros(cohort.n_obs, dtype=int), 1)[0]
    expressed = detected / cohort.n_obs >= 0.02
    usable = genes.isin(table.index) & expressed & ~genes.isin(named) & ~genes.str.match(IDENTITY[organism])
    found = table.loc[genes[usable], ["chromosome", "start", "cytoband"]].assign(column=np.flatnonzero(usable))
    found = found[~found["chromosome"].isin(["Y", "M"])]
    number = pd.to_numeric(found["chromosome"].replace({"X": "23"}))
    arm = found["cytoband"].str.extract(r"^[0-9XY]+([pq])", expand=False).fillna("")
    order = np.lexsort((found["column"], pd.to_numeric(found["start"]), number))
    return found.assign(arm=found["chromosome"] + arm).iloc[order]


def _shared_by_others(
    cohort: "AnnData", members: dict[object, np.ndarray], lineage: np.ndarray, genes: pd.DataFrame
) -> dict[object, np.ndarray]:
    """Mean epithelial profile of all other patients, per patient; none where there are too few."""
    if len(members) <= MIN_SHARED:
        return {}
    weights, _ = smoothing_matrix(genes["chromosome"].to_numpy(), WINDOW, STEP)
    means = []
    for at in members.values():
        _, _, _, profiles = _profiles(cohort, at, lineage[at], genes, weights)
        means.append(profiles[lineage[at] == CANDIDATE].mean(axis=0))
    total = np.sum(means, axis=0)
    return {p: (total - own) / (len(means) - 1) for p, own in zip(members, means, strict=True)}


def _profiles(
    cohort: "AnnData", at: np.ndarray, lineage: np.ndarray, genes: pd.DataFrame, weights: sparse.csr_array
) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Expression, reference groups with their means, and smoothed profiles of one patient's cells."""
    # Dense only for one patient and the expressed genes: cells x some 8,000 x 4 bytes.
    values = log_normalised(cohort, cells=at, genes=genes["column"].to_numpy())
    expression = np.asarray(values.toarray(), dtype=np.float32)
    groups = _reference_groups(lineage)
    means = np.vstack([expression[lineage_rows].mean(axis=0) for lineage_rows in groups.values()])
    profiles = np.asarray(relative_to_reference(expression, means, LIMIT) @ weights)
    profiles -= np.median(profiles, axis=1, keepdims=True)
    profiles -= profiles[np.isin(lineage, REFERENCE)].mean(axis=0)
    return expression, groups, means, profiles


def _call_patient(
    cohort: "AnnData", at: np.ndarray, lineage: np.ndarray, genes: pd.DataFrame, shared: np.ndarray | None
) -> _Patient:
    weights, middles = smoothing_matrix(genes["chromosome"].to_numpy(), WINDOW, STEP)
    expression, groups, means, profiles = _profiles(cohort, at, lineage, genes, weights)
    candidate = np.flatnonzero(lineage == CANDIDATE)
    reference = np.flatnonzero(np.isin(lineage, REFERENCE))
    signal, noise = _signal(expression, profiles, means, groups, candidate, weights)
    facts: dict[str, object] = {"epithelial": len(candidate), "reference": len(reference)}
    facts |= {"signal": signal, "reference_signal": noise, "refused": ""}
    by_arm = _by_arm(profiles, genes["arm"].to_numpy()[middles], cohort.obs_names[at])
    if signal < MIN_SIGNAL * noise:
        facts["refused"] = (
            f"the epithelial cells' copy-number signal ({signal:.4f}) is not {MIN_SIGNAL} times that between reference "
            f"lineages ({noise:.4f}): a near-diploid tumour or normal cells; the cells stay uncertain"
        )
        return _Patient(np.full(len(at), np.nan), by_arm, facts)
    if shared is not None:
        own = profiles.copy()
        own[candidate] -= shared
        left = float(np.std(own[candidate].mean(axis=0)))
        if left >= max(noise, MIN_OWN * signal):  # else the tumours are too alike to separate identity from copies
            profiles = own
    return _Patient(_probability(profiles, candidate, reference), by_arm, facts)


def _reference_groups(lineage: np.ndarray) -> dict[str, np.ndarray]:
    """Rows of each reference lineage; those with few cells are taken together."""
    rows = {name: np.flatnonzero(lineage == name) for name in REFERENCE}
    large = {name: at for name, at in rows.items() if len(at) >= MIN_REFERENCE_GROUP}
    rest = np.concatenate([at for name, at in rows.items() if name not in large] or [np.array([], dtype=int)])
    if len(rest) >= MIN_REFERENCE_GROUP or not large:
        large["other"] = rest
    return large


def _signal(
    expression: np.ndarray,
    profiles: np.ndarray,
    means: np.ndarray,
    groups: dict[str, np.ndarray],
    candidate: np.ndarray,
    weights: sparse.csr_array,
) -> tuple[float, float]:
    """Strength of the epithelial mean profile, and of each reference lineage against the others (largest)."""
    signal = float(np.std(profiles[candidate].mean(axis=0)))
    others = [0.0]
    for k, rows in enumerate(groups.values()):
        rest = np.delete(means, k, axis=0)
        if len(rest):
            lineage = relative_to_reference(expression[rows], rest, LIMIT) @ weights
            mean = np.asarray(lineage).mean(axis=0)
            others.append(float(np.std(mean)))
    # With a single reference group its halves stand in for lineages.
    if len(groups) == 1:
        rows = next(iter(groups.values()))
        halves = profiles[rows[::2]].mean(axis=0) - profiles[rows[1::2]].mean(axis=0)
        others.append(float(np.std(halves)))
    return signal, float(np.median(others[1:])) if len(others) > 1 else 0.0


def _probability(profiles: np.ndarray, candidate: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Posterior of carrying the tumour's profile: mixture on the projection, the profile refined twice."""
    inside = candidate
    posterior = np.zeros(len(profiles))
    for _ in range(3):
        score = project(profiles, profiles[inside].mean(axis=0))
        null_mean, null_sd = float(score[reference].mean()), float(score[reference].std(ddof=1))
        fitted, mean, sd, share = mixture_with_known_null(score[candidate], null_mean, null_sd, start=1.0)
        posterior = _posterior(score, null_mean, null_sd, mean, sd, min(share, 0.5))
        posterior[candidate] = fitted
        malignant = candidate[fitted >= 0.5]
        if len(malignant) < MIN_CANDIDATES:
            break
        inside = malignant
    return posterior


def _posterior(values: np.ndarray, m0: float, s0: float, m1: float, s1: float, share: float) -> np.ndarray:
    log_odds = 0.5 * ((values - m0) / s0) ** 2 + np.log(s0) - 0.5 * ((values - m1) / s1) ** 2 - np.log(s1)
    # Outside the epithelium the carrier is rare: a tenth of the odds.
    odds = np.exp(np.clip(log_odds, -500, 500)) * 0.1 * share / max(1 - share, 1e-3)
    return np.where(values > m0, odds / (1 + odds), 0.0)


def _by_arm(profiles: np.ndarray, arm: np.ndarray, cells: pd.Index) -> pd.DataFrame:
    names = [a for a in dict.fromkeys(arm) if a[-1:] in {"p", "q"}]
    return pd.DataFrame({a: profiles[:, arm == a].mean(axis=1) for a in names}, index=cells)
