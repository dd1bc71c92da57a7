"""Stained images: discs that were painted with known stains, the picture of scikit-image, an export of inForm."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from oracle import SHARED, needs_shared
from painted import painted
from scresist.checks import InputError
from scresist.kernels.nuclei import ellipse_share, nuclei
from scresist.kernels.stains import DAB, HAEMATOXYLIN, cell_means, unmix, white_point
from scresist.validation.component_images import component_intensities
from scresist.validation.images import ihc_image

IMAGING = SHARED / "data" / "imaging"


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
    with pytest.raises(InputError, match="white must be"):
        ihc_image(image, um_per_pixel=0.5, white=(255.0, 0.0, 200.0))
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

    from scresist.validation import image_files, images

    image, _, _ = painted(6)
    slide = Slide(image)
    direct = images.ihc_image(image, um_per_pixel=0.5, tile=150).cells
    monkeypatch.setattr(images, "SAMPLED", image.size)
    monkeypatch.setattr(images, "opened", lambda _: nullcontext(image_files._Slide(slide)))
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


def gland(seed):
    """A ring of tall nuclei that touch, and some in stroma: image and labels."""
    from scipy import ndimage

    rng = np.random.default_rng(seed)
    size, places = 260, []
    y, x = np.mgrid[:size, :size]
    for radius in (70, 53):
        for turn in np.arange(0, 2 * np.pi, 10.3 / radius):
            away = radius + rng.normal(0, 2)
            places.append((130 + away * np.sin(turn), 130 + away * np.cos(turn), rng.uniform(7.5, 10), 4.6, turn))
    places += [(*rng.uniform(8, 250, 2), 6.0, 5.0, rng.uniform(0, 3)) for _ in range(40)]
    labels = np.zeros((size, size), dtype=int)
    for cy, cx, a, b, turn in places:
        u = (x - cx) * np.cos(turn) + (y - cy) * np.sin(turn)
        v = (y - cy) * np.cos(turn) - (x - cx) * np.sin(turn)
        own = (u / a) ** 2 + (v / b) ** 2 <= 1
        if (labels[own] == 0).mean() > 0.7:
            labels[own & (labels == 0)] = labels.max() + 1
    h = np.where(labels > 0, np.r_[0, rng.uniform(0.3, 0.6, labels.max())][labels], 0.05)
    h = ndimage.gaussian_filter(h * (1 + ndimage.gaussian_filter(rng.normal(size=h.shape), 1.5)), 1.0)
    d = ndimage.gaussian_filter(np.where((np.hypot(y - 130, x - 130) < 85) & (labels == 0), 0.5, 0.03), 1.0)
    unit = [np.array(v) / np.linalg.norm(v) for v in (HAEMATOXYLIN, DAB)]
    density = h[..., None] * unit[0] + d[..., None] * unit[1]
    return np.clip(238 * 10**-density + rng.normal(0, 2.5, density.shape), 0, 255).astype(np.uint8), labels


def found_well(found, true):
    """F1 of nuclei that overlap a true one by at least half of both together."""
    pairs = np.zeros((true.max() + 1, found.max() + 1))
    np.add.at(pairs, (true, found), 1)
    both = pairs.sum(axis=1)[1:, None] + pairs.sum(axis=0)[None, 1:] - pairs[1:, 1:]
    return 2 * (pairs[1:, 1:] >= 0.5 * both).sum() / (true.max() + found.max())


def test_crowded_nuclei_are_told_apart():
    from skimage.filters import threshold_otsu

    for seed in (1, 2):
        image, true = gland(seed)
        h, _ = unmix(image, white_point(image, 99.0))
        found = nuclei(h, threshold=float(threshold_otsu(h)), radius=6, smooth=1.5, least_area=48)
        assert found_well(found, true) > 0.7  # a watershed of distances alone: below 0.5
        assert found.max() == pytest.approx(true.max(), rel=0.15)


def test_an_ellipse_is_one_and_a_cross_is_not():
    y, x = np.mgrid[:80, :160]
    labels = (((y - 40) / 15) ** 2 + ((x - 40) / 30) ** 2 <= 1).astype(int)
    labels[((abs(y - 40) < 4) & (abs(x - 120) < 30)) | ((abs(x - 120) < 4) & (abs(y - 40) < 30))] = 2
    n, share = ellipse_share(labels)
    assert n[1:].tolist() == [(labels == 1).sum(), (labels == 2).sum()]
    assert share[1] == pytest.approx(1, abs=0.01)
    assert share[2] < 0.6


@needs_shared
def test_the_picture_of_scikit_image_is_stable():
    from skimage.io import imread

    image = imread(IMAGING / "ihc.png")
    whole = ihc_image(image, um_per_pixel=0.5).summary.table.iloc[0]
    assert 400 < whole["n_cells"] < 550
    for tile in (128, 200):
        other = ihc_image(image, um_per_pixel=0.5, tile=tile).summary.table.iloc[0]
        assert other["n_cells"] == whole["n_cells"]
        assert other["h_score"] == pytest.approx(whole["h_score"], abs=0.5)
    for factor, white in ((0.9, None), (1.1, None), (1.1, (255.0, 255.0, 255.0))):
        found = ihc_image(np.clip(image * factor, 0, 255).astype(np.uint8), um_per_pixel=0.5, white=white).summary
        other = found.table.iloc[0]
        assert other["positive_percent"] == pytest.approx(whole["positive_percent"], abs=2)
        assert other["h_score"] == pytest.approx(whole["h_score"], abs=3)
        assert ("cut off" in " ".join(found.notes)) == (factor > 1 and white is None)


@needs_shared
def test_nuclei_of_dapi_are_mostly_those_of_inform():
    from skimage.filters import threshold_otsu

    from scresist.validation.component_images import component_channels, page_texts
    from scresist.validation.image_files import read_pages

    stem = str(IMAGING / "phenoptr" / "FIHC4__0929309_HP_IM3_2_")
    channels, names = component_channels(Path(f"{stem}component_data.tif"))
    maps = Path(f"{stem}binary_seg_maps.tif")
    true = next(page for page, text in zip(read_pages(maps), page_texts(maps), strict=True)
                if "<CompartmentType>Nucleus<" in text)  # fmt: skip
    true = np.unique(true, return_inverse=True)[1].reshape(true.shape)
    signal = channels[..., next(k for k, name in enumerate(names) if "DAPI" in name)].astype(float)
    found = nuclei(signal, threshold=float(threshold_otsu(signal)), radius=6, smooth=1.5, least_area=48)
    assert found_well(found, true) > 0.6


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
