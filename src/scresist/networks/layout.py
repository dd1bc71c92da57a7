"""Genes in two dimensions, for figures."""

import warnings

import numpy as np
import pandas as pd

from scresist.networks.network import Network


def lay_out_genes(net: Network, *, n_hubs: int = 10, rng: int = 1) -> pd.DataFrame:
    """Genes of modules in two dimensions by their correlation with every module's hubs (UMAP, cosine).

    Parameters
    ----------
    net
        The network.
    n_hubs
        Hubs per module.
    rng
        Seed of the layout.

    Returns
    -------
    `gene`, `module`, `kme`, `rank`, `x`, `y`; unassigned genes are left out. For figures only: distances between
    modules mean nothing.
    """
    inside = net.modules[net.modules["rank"].notna()]
    hubs = inside[inside["rank"] <= n_hubs]["gene"]
    X = net.expression.to_numpy(dtype=np.float64)
    Z = (X - X.mean(axis=0)) / np.linalg.norm(X - X.mean(axis=0), axis=0)
    features = Z[:, net.genes.get_indexer(inside["gene"])].T @ Z[:, net.genes.get_indexer(hubs)]
    with warnings.catch_warnings():
        # umap warns where tensorflow is missing, which only its neural version needs.
        warnings.filterwarnings("ignore", message="Tensorflow not installed", category=ImportWarning)
        from umap import UMAP

        # With a seed UMAP warns that it runs on one thread, as it must.
        warnings.filterwarnings("ignore", message="n_jobs value 1 overridden", category=UserWarning)
        points = UMAP(
            n_neighbors=min(25, len(features) - 1), metric="cosine", min_dist=0.3, random_state=rng, init="pca"
        ).fit_transform(features)
    table = inside[["gene", "module", "kme", "rank"]].reset_index(drop=True)
    return table.assign(x=points[:, 0], y=points[:, 1])
