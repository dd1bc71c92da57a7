"""Haematoxylin and DAB from colours, and the stain of each cell."""

import numpy as np
from skimage.segmentation import expand_labels

# Optical densities of haematoxylin, DAB and their residual in red, green and blue (Ruifrok AC & Johnston DA 2001, Anal
# Quant Cytol Histol 23:291).
HAEMATOXYLIN, DAB = (0.650, 0.704, 0.286), (0.268, 0.570, 0.776)


def white_point(rgb: np.ndarray, percentile: float) -> np.ndarray:
    """Light that passes where there is no tissue, per channel.

    Parameters
    ----------
    rgb
        Pixels x 3 (or an image), 0 to 255.
    percentile
        Of each channel.
    """
    found: np.ndarray = np.percentile(rgb.reshape(-1, 3), percentile, axis=0)
    return np.maximum(found, 1.0)


def unmix(rgb: np.ndarray, white: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Optical density (base 10) of haematoxylin and of DAB in every pixel.

    Parameters
    ----------
    rgb
        Rows x columns x 3, 0 to 255.
    white
        From `white_point`.
    """
    density = -np.log10((rgb.astype(np.float32) + 1.0) / (white.astype(np.float32) + 1.0))
    density = np.maximum(density, 0.0)
    stains = np.array([HAEMATOXYLIN, DAB])
    stains = stains / np.linalg.norm(stains, axis=1, keepdims=True)
    rest = np.cross(stains[0], stains[1])
    back = np.linalg.inv(np.vstack([stains, rest / np.linalg.norm(rest)])).astype(np.float32)
    amounts = density @ back
    return np.maximum(amounts[..., 0], 0.0), np.maximum(amounts[..., 1], 0.0)


def cell_means(values: np.ndarray, labels: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Mean of the values over the pixels of each label; NaN for a label without a pixel.

    Parameters
    ----------
    values
        Rows x columns, or rows x columns x channels.
    labels
        Rows x columns.
    numbers
        Labels to give, in this order.
    """
    at = labels.ravel()
    size = int(max(at.max(initial=0), numbers.max(initial=0))) + 1
    n = np.bincount(at, minlength=size).astype(float)
    planes = values.reshape(len(at), -1)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.stack(
            [np.bincount(at, planes[:, k].astype(float), size) / n for k in range(planes.shape[1])], axis=-1
        )
    found = found[numbers]
    return found[:, 0] if values.ndim == 2 else found


def label_sums(values: list[np.ndarray], labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The labels that are there, ascending, and sums of the values over their pixels: labels x values.

    Parameters
    ----------
    values
        Each rows x columns.
    labels
        Rows x columns.
    """
    numbers, at = np.unique(labels, return_inverse=True)
    at = at.ravel()
    sums = [np.bincount(at, v.ravel().astype(float), len(numbers)) for v in values]
    return numbers, np.stack(sums, axis=-1)


def grown_labels(labels: np.ndarray, width: int) -> np.ndarray:
    """Labels and, in pixels without one, the label of the nearest pixel that has one, up to a width.

    Of two at the same distance the smaller label is given, so that what lies further away decides nothing.

    Parameters
    ----------
    labels
        Rows x columns, 0 where there is none.
    width
        In pixels, a few: the work grows with its square.
    """
    reach = range(-width, width + 1)
    none = np.iinfo(np.int64).max
    given = np.pad(np.where(labels > 0, labels, none).astype(np.int64), width, constant_values=none)
    found = labels.astype(np.int64)
    for squared in sorted({dy * dy + dx * dx for dy in reach for dx in reach} - {0}):
        if squared > width**2:
            break
        near = np.full(labels.shape, none)
        for dy in reach:
            for dx in reach:
                if dy * dy + dx * dx == squared:
                    near = np.minimum(near, given[width + dy :, width + dx :][: labels.shape[0], : labels.shape[1]])
        found = np.where((found == 0) & (near < none), near, found)
    return found


def rings(labels: np.ndarray, width: int) -> np.ndarray:
    """The surroundings of each nucleus up to a width, without the nuclei.

    Parameters
    ----------
    labels
        Of nuclei.
    width
        In pixels.
    """
    grown: np.ndarray = expand_labels(labels, distance=width)
    return np.where(labels > 0, 0, grown)
