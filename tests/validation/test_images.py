"""Stained images: discs that were painted with known stains, the picture of scikit-image, an export of inForm."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from oracle import SHARED, needs_shared
from painted import painted
from scresist.checks import InputError
from scresist.kernels.nuclei import ellipse_share, nuclei
from scresist.kernels.stains import DAB, HAEMATOXYLIN, cell_means, grown_labels, unmix, white_point
from scresist.validation import image_files
from scresist.validation.component_images import component_intensities
from scresist.validation.image_files import image_size, opened, opened_pages, require_colours
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


LAYOUTS = {"tiles": {"tile": (128, 128)}, "strips": {"rowsperstrip": 24}, "one strip": {}}


@pytest.mark.parametrize("compression", [None, "deflate", "lzw", "jpeg"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_parts_of_a_tiff_are_those_of_the_whole(tmp_path, compression, layout):
    import tifffile

    image, _, _ = painted(4)
    image = image[:317, :290]
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", compression=compression, **LAYOUTS[layout])
    whole = tifffile.imread(tmp_path / "a.tif")
    assert (whole == image).all() or compression == "jpeg"
    parts = [np.s_[::7, ::7, :3], np.s_[100:260, 90:290, :3], np.s_[0:3, 5:6, :3], np.s_[130:317:11, 3:200:64, 1:2],
             np.s_[::400, ::129, :3], np.s_[40:40, 0:9, :3]]  # fmt: skip
    with opened(tmp_path / "a.tif") as pixels:
        assert (pixels.shape, pixels.ndim, pixels.dtype) == (image.shape, 3, np.uint8)
        for part in parts:
            np.testing.assert_array_equal(pixels[part], whole[part])


def test_colours_that_are_planes_or_pages_of_their_own_are_read(tmp_path):
    import tifffile

    image, _, _ = painted(4)
    planes = np.moveaxis(image, -1, 0)
    for name, compression in (("a.tif", "lzw"), ("b.tif", None)):
        tifffile.imwrite(tmp_path / name, planes, photometric="rgb", planarconfig="separate", compression=compression,
                         tile=(64, 64) if compression else None)  # fmt: skip
    tifffile.imwrite(tmp_path / "c.ome.tif", planes, photometric="minisblack", compression="lzw", tile=(64, 64),
                     metadata={"axes": "CYX"})  # fmt: skip
    for name in ("a.tif", "b.tif", "c.ome.tif"):
        with opened(tmp_path / name) as pixels:
            np.testing.assert_array_equal(pixels[20:400, 33:90, :3], image[20:400, 33:90])


def test_tiles_that_a_scanner_left_out_are_light_and_broken_ones_are_named(tmp_path):
    import tifffile

    image, _, _ = painted(4)
    tifffile.imwrite(tmp_path / "a.tif", image, tile=(128, 128), photometric="rgb", compression="lzw")
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+b") as file:
        page = file.pages[0]
        place, counts = page.dataoffsets[0], list(page.databytecounts)
        page.tags["TileByteCounts"].overwrite([counts[0], 0, *counts[2:]])
    with opened(tmp_path / "a.tif") as pixels:
        assert (pixels[:128, 128:256, :3] == 255).all()
        assert (pixels[:128, :128, :3] == image[:128, :128]).all()
    with (tmp_path / "a.tif").open("r+b") as file:
        file.seek(place)
        file.write(b"\xff" * counts[0])
    with (
        pytest.raises(InputError, match=r"a\.tif: tile 1 of 16 cannot be decompressed"),
        opened(tmp_path / "a.tif") as p,
    ):
        p[:9, :9, :3]


def slide_like_aperio(path, image):
    """A pyramid of JPEG tiles with a thumbnail in strips, in the order and with the descriptions of Aperio's SVS."""
    import tifffile

    size = f"{image.shape[1]}x{image.shape[0]}"
    words = (
        "Aperio Image Library v12.0.15\r\n" + size + " [0,0 " + size + "] (240x240) JPEG/RGB Q=90|AppMag = 20|MPP = 0.5"
    )
    whole = {"photometric": "rgb", "compression": "jpeg", "compressionargs": {"level": 90}, "metadata": None}
    with tifffile.TiffWriter(path) as file:
        file.write(image, tile=(240, 240), description=words, **whole)
        file.write(image[::4, ::4].copy(), rowsperstrip=16, description=words, **whole)
        file.write(image[::2, ::2].copy(), tile=(240, 240), subfiletype=1, description=words, **whole)


def test_a_slide_has_the_same_pixels_and_cells_by_openslide_and_by_its_tiles(tmp_path, monkeypatch):
    openslide = pytest.importorskip("openslide")
    image, centres, _ = painted(6)
    slide_like_aperio(tmp_path / "a.svs", image)
    assert openslide.OpenSlide.detect_format(tmp_path / "a.svs") == "aperio"
    monkeypatch.setattr(image_files, "REGION", 128)
    found = {}
    for reader in ("openslide", "tifffile"):
        if reader == "tifffile":
            monkeypatch.setitem(sys.modules, "openslide", None)
        with opened(tmp_path / "a.svs") as pixels:
            assert type(pixels).__name__ == {"openslide": "_Slide", "tifffile": "TiffSegments"}[reader]
            parts = [pixels[part] for part in (np.s_[::3, ::3, :3], np.s_[17:431, 200:333, :3], np.s_[::67, ::5, :3])]
        found[reader] = parts, ihc_image(tmp_path / "a.svs", um_per_pixel=0.5, tile=200)
    for ours, theirs in zip(found["openslide"][0], found["tifffile"][0], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    cells = [f[1].cells for f in found.values()]
    pd.testing.assert_frame_equal(*cells)
    assert abs(len(cells[0]) - len(centres)) <= 3
    assert image_size(tmp_path / "a.svs") == image.shape[:2]


def test_other_slides_need_openslide_and_it_names_what_it_cannot_read(tmp_path, monkeypatch):
    (tmp_path / "a.ndpi").write_bytes(b"no slide")
    with pytest.raises(InputError, match="cannot be read"), opened(tmp_path / "a.ndpi"):
        pass
    monkeypatch.setitem(sys.modules, "openslide", None)
    with pytest.raises(InputError, match="openslide-python"), opened(tmp_path / "a.ndpi"):
        pass


@pytest.mark.parametrize("compression", ["lzw", "jpeg", "deflate", None])
def test_component_images_are_measured_tile_by_tile(tmp_path, compression):
    import tifffile

    rng = np.random.default_rng(2)
    kind = np.uint8 if compression == "jpeg" else np.float32
    planes = (255 * rng.random((3, 150, 170))).astype(kind)
    labels = np.repeat(np.repeat(np.arange(1, 91).reshape(9, 10), 15, axis=0), 16, axis=1)
    mask = np.zeros((150, 170), dtype=np.uint16)
    mask[4:139, 5:165] = labels * (rng.random(labels.shape) < 0.9)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for k, plane in enumerate(planes):
            file.write(plane, tile=(32, 32), compression=compression, description=f"<Name>m{k}</Name>", metadata=None,
                       photometric="minisblack")  # fmt: skip
        file.write(planes[0, ::2, ::2].copy(), tile=(32, 32), compression=compression, subfiletype=1, metadata=None)
    tifffile.imwrite(tmp_path / "mask.tif", mask, compression="lzw", rowsperstrip=8)
    stored = tifffile.imread(tmp_path / "a.tif", key=[0, 1, 2])
    found = component_intensities(tmp_path / "a.tif", tmp_path / "mask.tif", tile=64)
    assert found["cell"].tolist() == list(range(1, 91))
    for row in found.iloc[[0, 44, 89]].to_dict("records"):
        inside = mask == row["cell"]
        assert row["area"] == inside.sum()
        assert (row["y"], row["x"]) == pytest.approx([v.mean() for v in np.nonzero(inside)])
        assert [row[f"m{k}"] for k in range(3)] == pytest.approx([p[inside].mean(dtype=float) for p in stored])
    pd.testing.assert_frame_equal(component_intensities(np.moveaxis(stored, 0, -1), mask, names=["m0", "m1", "m2"],
                                                        tile=40), found, rtol=1e-12)  # fmt: skip


def test_labels_grow_to_the_nearest_one():
    rng = np.random.default_rng(1)
    labels = np.where(rng.random((30, 34)) < 0.03, rng.integers(1, 99, (30, 34)), 0)
    found = grown_labels(labels, 3)
    places = np.argwhere(labels > 0)
    for y, x in np.argwhere(labels == 0):
        away = ((places - (y, x)) ** 2).sum(axis=1)
        near = min(labels[tuple(p)] for p in places[away == away.min()])
        assert found[y, x] == (near if away.min() <= 9 else 0)
    assert (found[labels > 0] == labels[labels > 0]).all()


def test_images_without_colours_are_named(tmp_path):
    import tifffile
    from PIL import Image

    grey = np.zeros((70, 70), np.uint8)
    Image.fromarray(grey).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", grey.astype(np.uint16))
    for name in ("a.png", "a.tif"):
        with pytest.raises(InputError, match=f"{name}: the image must be in colour"):
            require_colours(tmp_path / name)


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

    stem = str(IMAGING / "phenoptr" / "FIHC4__0929309_HP_IM3_2_")
    with opened_pages(Path(f"{stem}component_data.tif")) as pages:
        signal = next(page[:, :] for page, text in pages if "<Name>DAPI" in text).astype(float)
    with opened_pages(Path(f"{stem}binary_seg_maps.tif")) as pages:
        true = next(page[:, :] for page, text in pages if "<CompartmentType>Nucleus<" in text)
    true = np.unique(true, return_inverse=True)[1].reshape(true.shape)
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
