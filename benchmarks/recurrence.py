"""What tells planted modules from those of chance: whether they are found again, and are coherent, without patients.

    python benchmarks/recurrence.py [--only simulator other ...] [--cohorts 2] [--sd 0.5]

Cohorts with eight planted programmes, and cohorts whose genes are independent, by the generators of
programme_cohorts.py. The proof is switched off, so that modules of chance stay in the network. A module is planted
where its F1 with a programme (or a shared factor of the real cells) is at least 0.5, and of chance in a cohort of
independent genes. The area under the curve (AUC) is that of each measure between the two kinds.
"""

import argparse
import warnings
from collections.abc import Iterator
from unittest.mock import patch

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from programme_cohorts import GENERATORS, Setting, available, draw
from scresist import networks

MEASURES = ("recurrence", "found_without", "coherence", "q_coherence")
PLANTED = 0.5  # F1


def f1(own: set[str], wanted: set[str]) -> float:
    """Harmonic mean of precision and recall."""
    return 2 * len(own & wanted) / max(len(own) + len(wanted), 1)


def modules_of(setting: Setting) -> pd.DataFrame:
    """A row per module of a cohort, proved or not: its kind, whether it is proved, and every measure."""
    planted = draw(setting)
    with patch("scresist.networks.by_residuals.LEVEL", np.inf), warnings.catch_warnings():
        warnings.simplefilter("ignore", networks.PowerWarning)
        net = networks.build(planted.cells, groupby=("patient", "cell_type"))
    wanted = [set(genes) for genes in [*planted.programmes.values(), *planted.also.values()]]
    own = {name: set(net.members(name)["gene"]) for name in net.names}
    best = [max((f1(own[name], genes) for genes in wanted), default=0.0) for name in net.catalogue["module"]]
    kind = "chance" if setting.null else np.where(np.array(best) >= PLANTED, "planted", "other")
    return net.catalogue.assign(kind=kind, proved=net.catalogue["q_coherence"] < 0.05, generator=setting.generator)


def settings(generators: list[str], cohorts: int, sd: float) -> Iterator[Setting]:
    """Planted and empty cohorts of each generator."""
    for generator in generators:
        if reason := available(generator):
            print(f"{generator}: skipped, {reason}")
            continue
        for seed in range(1, cohorts + 1):
            yield Setting(generator, sd=sd, seed=seed)
            yield Setting(generator, sd=sd, seed=seed, null="independent")


def main() -> None:
    """Draw, build, resample, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=list(GENERATORS), choices=list(GENERATORS))
    parser.add_argument("--cohorts", type=int, default=2)
    parser.add_argument("--sd", type=float, default=0.5)
    args = parser.parse_args()
    parts = []
    for setting in settings(args.only, args.cohorts, args.sd):
        part = modules_of(setting)
        print(f"{setting.generator} {setting.null or 'planted'} seed {setting.seed}: "
              f"{part['kind'].value_counts().to_dict()}, proved {int(part['proved'].sum())}", flush=True)  # fmt: skip
        parts += [part] if len(part) else []
    rows = pd.concat(parts, ignore_index=True)
    print(rows.groupby("kind")[[*MEASURES, "proved"]].agg("mean").round(3).to_string())
    told = rows[rows["kind"] != "other"]
    truth = told["kind"] == "planted"
    if truth.nunique() < 2:
        print(f"only {told['kind'].unique().tolist()} modules: no module of chance is left to draw a curve with")
        return
    for measure in MEASURES:
        values = told[measure].astype(float) * (-1 if measure == "q_coherence" else 1)
        print(f"{measure}: AUC {roc_auc_score(truth, values):.3f} ({truth.sum()} planted, {(~truth).sum()} of chance)")


if __name__ == "__main__":
    main()
