"""Stained images: discs that were painted with known stains, the picture of scikit-image, an export of inForm."""

import numpy as np
import pandas as pd
import pytest

from oracle import SHARED, needs_shared
from scresist.checks import InputError
from scresist.kernels.stains import DAB, HAEMATOXYLIN, cell_means, unmix, white_point
from scresist.validation.images import component_intensities, ihc_image

IMAGING = SHARED / "data" / "imaging"


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


def test_painted_nuclei_are_found_and_classed():
    image, centres, stained = painted()
    found = ihc_image(image, um_per_pixel=0.5, where="cytoplasm")
    cells = found.cells
    assert abs(len(cells) - len(centres)) <= 3
    away = np.hypot(cells["y"].to_numpy()[:, None] - centres[:, 0], cells["x"].to_numpy()[:, None] - centres[:, 1])
    assert np.median(away.min(axis=1)) < 1.5
    assert found.summary.table["positive_percent"].iloc[0] == pytest.approx(100 * stained.mean(), abs=4)
    assert (cells["class"].to_numpy() > 0)[away.argmin(axis=0)].tolist() == stained.tolist()


def test_stains_that_were_mixed_are_unmixed():
    unit = [np.array(v) / np.linalg.norm(v) for v in (HAEMATOXYLIN, DAB)]
    density = 0.5 * unit[0] + 0.3 * unit[1]
    pixel = (256 * 10**-density - 1).reshape(1, 1, 3)
    h, d = unmix(pixel, np.full(3, 255.0))
    assert h[0, 0] == pytest.approx(0.5, abs=1e-4)
    assert d[0, 0] == pytest.approx(0.3, abs=1e-4)


def test_tiles_change_no_cell_and_brightness_little():
    image, _, _ = painted(2)
    whole, tiled = (ihc_image(image, um_per_pixel=0.5, tile=t) for t in (4096, 150))
    key = ["y", "x"]
    pd.testing.assert_frame_equal(whole.cells.drop(columns="cell").sort_values(key, ignore_index=True),
                                  tiled.cells.drop(columns="cell").sort_values(key, ignore_index=True))  # fmt: skip
    np.testing.assert_array_equal(whole.overlay, tiled.overlay)
    for factor in (0.9, 1.04):
        other = ihc_image(np.clip(image * factor, 0, 255).astype(np.uint8), um_per_pixel=0.5)
        for name in ("positive_percent", "h_score"):
            assert other.summary.table[name].iloc[0] == pytest.approx(whole.summary.table[name].iloc[0], abs=2)


def test_a_mask_is_used_and_a_blank_image_has_no_cell():
    image, centres, _ = painted(3)
    mask = np.zeros(image.shape[:2], dtype=int)
    for k, c in enumerate(centres[:10], 1):
        mask[int(c[0]) - 3 : int(c[0]) + 3, int(c[1]) - 3 : int(c[1]) + 3] = k
    assert len(ihc_image(image, um_per_pixel=0.5, mask=mask).cells) == 10
    blank = ihc_image(np.full((200, 200, 3), 240, np.uint8), um_per_pixel=0.5)
    assert blank.summary.table["reason"].iloc[0] == "no nucleus was found"


def test_what_is_refused():
    image = np.zeros((90, 90, 3), np.uint8)
    with pytest.raises(InputError, match=r"mask has .* they must be of one size"):
        ihc_image(image, um_per_pixel=0.5, mask=np.zeros((9, 9), int))
    with pytest.raises(InputError, match="3 of 8 bits"):
        ihc_image(image[..., 0], um_per_pixel=0.5)
    with pytest.raises(InputError, match="um_per_pixel"):
        ihc_image(image, um_per_pixel=0)
    with pytest.raises(InputError, match="rise"):
        ihc_image(image, um_per_pixel=0.5, cuts=(0.4, 0.2, 0.6))
    with pytest.raises(InputError, match="does not exist"):
        ihc_image("none.png", um_per_pixel=0.5)
    with pytest.raises(InputError, match="every label is 0"):
        component_intensities(np.zeros((5, 5, 2)), np.zeros((5, 5), int))
    with pytest.raises(InputError, match="one size"):
        component_intensities(np.zeros((5, 5, 2)), np.ones((4, 5), int))


def test_a_tiled_tiff_is_read_by_its_tiles(tmp_path):
    import tifffile

    image, _, _ = painted(4)
    tifffile.imwrite(tmp_path / "a.tif", image, tile=(128, 128), photometric="rgb", compression="deflate")
    tifffile.imwrite(tmp_path / "b.tif", image, photometric="rgb")
    direct = ihc_image(image, um_per_pixel=0.5).cells
    for name in ("a.tif", "b.tif"):
        pd.testing.assert_frame_equal(ihc_image(tmp_path / name, um_per_pixel=0.5).cells, direct)


class Slide:
    """What the reader uses of OpenSlide, over an array."""

    def __init__(self, image):
        self.image, self.dimensions = image, (image.shape[1], image.shape[0])
        self.level_downsamples = (1.0,)
        self.largest = 0

    def get_best_level_for_downsample(self, _):
        return 0

    def read_region(self, at, _, size):
        from PIL import Image

        self.largest = max(self.largest, size[0] * size[1])
        return Image.fromarray(self.image[at[1] : at[1] + size[1], at[0] : at[0] + size[0]])


def test_a_slide_is_read_region_by_region(monkeypatch):
    from contextlib import nullcontext
    from pathlib import Path

    from scresist.validation import images

    image, _, _ = painted(6)
    slide = Slide(image)
    direct = images.ihc_image(image, um_per_pixel=0.5, tile=150).cells
    monkeypatch.setattr(images, "SAMPLED", image.size)
    monkeypatch.setattr(images, "_opened", lambda _: nullcontext(images._Slide(slide)))
    found = images.ihc_image(Path("a.svs"), um_per_pixel=0.5, tile=150, overlay=False)
    pd.testing.assert_frame_equal(found.cells, direct)


def test_means_of_cells_are_those_of_a_loop():
    rng = np.random.default_rng(5)
    labels, values = rng.integers(0, 6, (30, 40)), rng.normal(size=(30, 40, 3))
    found = cell_means(values, labels, np.array([5, 2, 9]))
    np.testing.assert_allclose(found[0], values[labels == 5].mean(axis=0))
    np.testing.assert_allclose(found[1], values[labels == 2].mean(axis=0))
    assert np.isnan(found[2]).all()
    assert white_point(np.full((4, 4, 3), 200), 99.0).tolist() == [200, 200, 200]


@needs_shared
def test_the_picture_of_scikit_image_is_stable():
    from skimage.io import imread

    image = imread(IMAGING / "ihc.png")
    whole = ihc_image(image, um_per_pixel=0.5).summary.table.iloc[0]
    assert 150 < whole["n_cells"] < 400
    for tile in (128, 200):
        other = ihc_image(image, um_per_pixel=0.5, tile=tile).summary.table.iloc[0]
        assert other["n_cells"] == whole["n_cells"]
        assert other["h_score"] == pytest.approx(whole["h_score"], abs=0.5)
    for factor in (0.9, 1.1):
        other = ihc_image(np.clip(image * factor, 0, 255).astype(np.uint8), um_per_pixel=0.5).summary.table.iloc[0]
        assert other["positive_percent"] == pytest.approx(whole["positive_percent"], abs=2)


@needs_shared
def test_intensities_of_cells_are_those_that_inform_exported():
    stem = IMAGING / "phenoptr" / "FIHC4__0929309_HP_IM3_2_"
    ours = component_intensities(f"{stem}component_data.tif", f"{stem}binary_seg_maps.tif")
    theirs = pd.read_csv(f"{stem}cell_seg_data.txt", sep="\t")
    both = ours.merge(theirs, left_on="cell", right_on="Cell ID")
    assert len(both) == len(theirs) == 270
    for marker in ("Alexa 594", "Cy3", "Cy5", "DAPI", "FITC"):
        column = f"Entire Cell {marker} Mean (Normalized Counts, Total Weighting)"
        assert np.corrcoef(both[marker], both[column])[0, 1] > 0.99, marker
