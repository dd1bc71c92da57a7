"""Nuclei from a stain that is high in them: crowded ones are separated by their own peaks."""

import numpy as np
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.measure import label
from skimage.morphology import disk, remove_small_holes, remove_small_objects
from skimage.segmentation import watershed

# Chosen on simulated glands, and on nuclei that inForm found in DAPI (docs/measured.md, Tissue at the bench).
SHARE_OF_THRESHOLD, SHARE_OF_SURROUNDINGS = 0.6, 0.9
SIZES = (0.53, 0.73)  # SD of the Laplacians, in radii: those of nuclei somewhat smaller and larger than usual
DISTANCE_COUNTS = 0.3
ELLIPSE, LARGEST = 0.95, 5.7  # an area that is an ellipse of at most so many areas of a usual nucleus is one nucleus


def nuclei(signal: np.ndarray, *, threshold: float, radius: float, smooth: float, least_area: int) -> np.ndarray:
    """Labels of nuclei: 0 for none, 1 and up.

    A pixel is of a nucleus where the signal is above a part of the threshold and about that of its surroundings. Peaks
    of the Laplacian of a Gaussian of the size of a nucleus, raised by the distance from the edge, are the centres, and
    a watershed from them divides what touches. An area that is an ellipse by itself is not divided.

    Parameters
    ----------
    signal
        Rows x columns, high in nuclei.
    threshold
        Between nuclei and the rest, over the whole image; infinite where there is nothing to find.
    radius
        Of a usual nucleus, in pixels. What lies further than ten of it decides nothing about a pixel.
    smooth
        SD of the Gaussian that smooths the signal, in pixels.
    least_area
        Pixels of the smallest nucleus.

    References
    ----------
    Lindeberg (1998) Int J Comput Vis 30:79 (blobs by the Laplacian); Meyer (1994) Signal Process 38:113 (watershed).
    """
    if not np.isfinite(threshold):
        return np.zeros(signal.shape, dtype=np.int32)
    surroundings = ndimage.gaussian_filter(signal, 2 * radius, truncate=2.5)
    level = np.maximum(SHARE_OF_THRESHOLD * threshold, SHARE_OF_SURROUNDINGS * surroundings)
    inside = ndimage.gaussian_filter(signal, smooth) > level
    inside = remove_small_holes(inside, max_size=max(least_area // 2, 1))
    inside = ndimage.binary_opening(inside, disk(max(round(radius / 3), 1)))
    inside = remove_small_objects(inside, max_size=max(least_area - 1, 0))
    areas: np.ndarray = label(inside, connectivity=1)
    peak = np.zeros(signal.shape)
    for size in SIZES:
        peak -= (size * radius) ** 2 * ndimage.gaussian_laplace(signal, size * radius) / (threshold * len(SIZES))
    peak += DISTANCE_COUNTS * ndimage.gaussian_filter(ndimage.distance_transform_edt(inside), 1.0) / radius
    peaks = peak_local_max(np.where(inside, peak, -1.0), min_distance=max(round(0.53 * radius), 1), threshold_abs=0.0,
                           labels=areas, exclude_border=False)  # fmt: skip
    seeds = np.zeros(signal.shape, dtype=np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    found: np.ndarray = watershed(-peak, seeds, mask=inside)
    n, share = ellipse_share(areas)
    whole = (share >= ELLIPSE) & (n <= LARGEST * np.pi * radius**2)
    whole[0] = False
    found = np.where(whole[areas], areas + len(peaks), found)
    small = np.bincount(found.ravel()) < least_area
    found[small[found]] = 0
    numbered: np.ndarray = np.unique(found, return_inverse=True)[1].reshape(found.shape)
    return numbered if (found == 0).any() else numbered + 1


def ellipse_share(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of each label, and their number over that of the ellipse with the same second moments: 1 for an ellipse.

    Parameters
    ----------
    labels
        Rows x columns, 0 and up.
    """
    at = labels.ravel()
    y, x = (v.ravel().astype(float) for v in np.indices(labels.shape))
    n = np.bincount(at)
    with np.errstate(invalid="ignore", divide="ignore"):
        my, mx, myy, mxx, mxy = (np.bincount(at, v) / n for v in (y, x, y * y, x * x, y * x))
        spread = (myy - my**2 + 1 / 12) * (mxx - mx**2 + 1 / 12) - (mxy - my * mx) ** 2
        return n, n / (4 * np.pi * np.sqrt(np.maximum(spread, 1e-12)))
