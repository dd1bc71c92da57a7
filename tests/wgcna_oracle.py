"""Reads the golden results of WGCNA 1.72-1, dynamicTreeCut 1.63-1 and hdWGCNA 0.4 (R 4.2.2); see their README."""

import json
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from oracle import SHARED

FOLDER = SHARED / "oracle" / "wgcna"
SETS = ("A_opc500", "B_oligo1500")
NETS = [("A_opc500", tag) for tag in
        ("main", "unsigned", "hybrid_nowick", "hybrid_signed", "unsigned_signedTOM", "bicor_signed")]  # fmt: skip
NETS += [("B_oligo1500", tag) for tag in ("main", "unsigned", "hybrid_nowick")]
# correlation, power, the adjacency that feeds the overlap, the overlap
RECIPES = {
    "main": ("pearson", None, "signed", "signed"),
    "unsigned": ("pearson", 6, "unsigned", "unsigned"),
    "hybrid_nowick": ("pearson", 6, "unsigned keep sign", "signed Nowick"),
    "hybrid_signed": ("pearson", 5, "signed hybrid", "signed"),
    "unsigned_signedTOM": ("pearson", 6, "unsigned keep sign", "signed"),
    "bicor_signed": ("bicor", 8, "signed", "signed"),
}
POWER = {"A_opc500": 7, "B_oligo1500": 8}


@cache
def arrays(name: str) -> dict[str, np.ndarray]:
    with np.load(FOLDER / name) as stored:
        return {key: stored[key] for key in stored.files}


def table(name: str) -> pd.DataFrame:
    return pd.read_csv(FOLDER / name, float_precision="round_trip")


@cache
def edge_cases() -> dict[str, Any]:
    return json.loads((FOLDER / "edge" / "edge_cases.json").read_text())


def edge_array(name: str) -> np.ndarray:
    values = arrays("edge/misc.npz")[name].astype(float)
    return np.where(np.isnan(values), np.nan, values)  # R's NA is a signalling NaN


def expression(dataset: str) -> np.ndarray:
    return arrays(f"{dataset}/misc.npz")["datExpr"]


def from_upper(values: np.ndarray, diagonal: float = 1.0) -> np.ndarray:
    p = int((1 + np.sqrt(1 + 8 * len(values))) / 2)
    square = np.full((p, p), diagonal)
    rows, columns = np.tril_indices(p, -1)
    square[rows, columns] = square[columns, rows] = values
    return square


def scipy_merges(merge: np.ndarray) -> np.ndarray:
    """R's merge columns (negative: gene) as scipy numbers them."""
    merge = np.asarray(merge)
    return np.where(merge < 0, -merge - 1, merge + len(merge))


def tree(dataset: str, tag: str) -> np.ndarray:
    golden = table(f"{dataset}/net_{tag}__hclust.csv.gz").to_numpy()
    return np.column_stack([scipy_merges(golden[:, :2]), golden[:, 2], np.zeros(len(golden))])


def alphabetical(colours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colours as numbers in alphabetical order, grey 0, and the names by number."""
    names = np.array(["grey", *sorted(set(colours) - {"grey"})], dtype=object)
    number = {name: i for i, name in enumerate(names)}
    return np.array([number[c] for c in colours]), names


def standard_colours() -> list[str]:
    return (FOLDER / "edge" / "standardColors.txt").read_text().split()
