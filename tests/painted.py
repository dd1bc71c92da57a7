"""Images of nuclei that were painted with known stains."""

import numpy as np

from scresist.kernels.stains import DAB, HAEMATOXYLIN


def painted(seed=1, size=500, n=120, positive=0.4):
    """Nuclei of radius 8 pixels with a ring of DAB around some of them."""
    rng = np.random.default_rng(seed)
    centres: list[np.ndarray] = []
    while len(centres) < n:
        c = rng.uniform(20, size - 20, 2)
        if all(np.hypot(*(c - o)) > 30 for o in centres):
            centres.append(c)
    y, x = np.mgrid[:size, :size]
    h, d = np.full((size, size), 0.02), np.full((size, size), 0.02)
    stained = rng.random(n) < positive
    for c, s in zip(centres, stained, strict=True):
        far = np.hypot(y - c[0], x - c[1])
        h[far <= 8] = 0.6
        if s:
            d[(far > 8) & (far <= 14)] = 0.8
    unit = [np.array(v) / np.linalg.norm(v) for v in (HAEMATOXYLIN, DAB)]
    density = h[..., None] * unit[0] + d[..., None] * unit[1]
    noise = rng.normal(0, 1.5, density.shape)
    return np.clip(245 * 10**-density + noise, 0, 255).astype(np.uint8), np.array(centres), stained
