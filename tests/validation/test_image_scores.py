"""A sheet of stained images: cells, scores like those of a reader, overlays, and every fault with its row."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from painted import painted
from scresist import validation
from scresist.checks import InputError
from scresist.tables import check
from scresist.validation.image_files import image_size
from scresist.validation.image_scores import BESIDE, read_sheet, score_images, with_readers
from scresist.validation.images import ihc_image


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four images of two samples, of which those of S2 have more positive cells."""
    at = tmp_path_factory.mktemp("images")
    rows = []
    for k, (sample, share) in enumerate([("S1", 0.1), ("S1", 0.2), ("S2", 0.7), ("S2", 0.6)]):
        image, _, _ = painted(k, size=240, n=25, positive=share)
        Image.fromarray(image).save(at / f"{k}.png")
        rows.append((f"P{sample[1]}", sample, "MUC3A", f"{k}.png", 0.5, "cytoplasm"))
    table = pd.DataFrame(rows, columns=["patient", "sample", "marker", "image", "um_per_pixel", "where"])
    table.to_csv(at / "images.csv", index=False)
    Image.fromarray(np.zeros((240, 200), np.uint16)).save(at / "small.tif")
    (at / "broken.png").write_text("no image")
    return at, table


def test_images_become_cores_cells_and_scores(folder):
    at, table = folder
    found = score_images(table, folder=at, overlays=at / "overlays")
    check("validation_ihc_cores", found.cores.table)
    check("validation_ihc_cells", found.cells.table)
    cores = found.cores.table.set_index("core")
    direct = ihc_image(at / "2.png", um_per_pixel=0.5, where="cytoplasm")
    assert cores.loc["2", "h_score"] == direct.summary.table["h_score"].iloc[0]
    assert len(found.cells.table) == cores["n_cells"].sum()
    own = found.cells.table[found.cells.table["core"] == "2"]
    np.testing.assert_allclose(own["x_um"], direct.cells["x"] * 0.5)
    scores = validation.ihc(found.scores).table.set_index("sample")
    assert scores.loc["S2", "h_score"] > scores.loc["S1", "h_score"] + 50
    assert scores.loc["S1", "n_cores"] == 2
    for name in cores["overlay"]:
        drawn = np.asarray(Image.open(at / "overlays" / name))
        assert drawn.shape == (240, 240, 3)
        assert ((drawn == [70, 110, 220]).all(axis=2) | (drawn == [200, 30, 30]).all(axis=2)).sum() > 100


def test_the_order_of_the_sheet_and_tiles_change_no_score(folder):
    at, table = folder
    once, other = score_images(table, folder=at), score_images(table.iloc[::-1], folder=at, tile=100)
    names = ["core", "n_cells", "h_score"]
    first, second = (f.cores.table[names].sort_values("core", ignore_index=True) for f in (once, other))
    pd.testing.assert_frame_equal(first, second)


def test_a_marker_of_readers_has_its_images_beside_it_and_agreement_is_over_shared_cores(folder):
    at, table = folder
    images = score_images(table, folder=at).scores
    readers = images.assign(reader="A", weak=images["weak"] / 2)
    both = with_readers(readers, images)
    out = validation.ihc(both).table
    assert set(out["marker"]) == {"MUC3A", "MUC3A" + BESIDE}
    assert (out["n_readers"] == 1).all()
    agreed = validation.reader_agreement(pd.concat([readers, images])).table
    assert agreed["n"].max() == 4
    assert with_readers(None, images) is images


def test_a_large_overlay_is_drawn_smaller(folder):
    at, _ = folder
    whole = ihc_image(at / "2.png", um_per_pixel=0.5).overlay
    small, tiled = (ihc_image(at / "2.png", um_per_pixel=0.5, tile=t, overlay_pixels=10_000).overlay for t in (900, 90))
    assert small.shape == (80, 80, 3)
    np.testing.assert_array_equal(small, tiled)
    near = np.abs(small.astype(int) - whole[::3, ::3].astype(int)).max(axis=2) == 0
    assert near.mean() > 0.8  # but for the outlines


def test_a_mask_file_is_used_and_sizes_are_read(folder):
    at, table = folder
    labels = np.zeros((240, 240), np.uint16)
    labels[10:20, 10:20], labels[50:60, 50:70] = 1, 2
    Image.fromarray(labels).save(at / "labels.tif")
    assert image_size(at / "labels.tif") == image_size(at / "0.png") == (240, 240)
    found = score_images(table.head(1).assign(mask="labels.tif"), folder=at)
    assert found.cores.table["n_cells"].iloc[0] == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": "none.png"}, "row 3: the image does not exist"),
        ({"image": "broken.png"}, "row 3: .*cannot be read"),
        ({"image": ""}, "row 3: column 'image' is empty"),
        ({"mask": "small.tif"}, "row 3: the mask has 240 x 200 pixels and the image 240 x 240"),
        ({"mask": "none.tif"}, "row 3: the mask does not exist"),
        ({"um_per_pixel": np.nan}, "row 3: the image has no scale"),
        ({"um_per_pixel": 0.0}, "row 3: um_per_pixel must be above 0"),
        ({"um_per_pixel": 8.0}, "row 3: a pixel of more than 2 um is too coarse"),
        ({"where": "membrane"}, "row 3: where must be one of nucleus, cytoplasm, cell"),
        ({"image": "0.png"}, "row 3: this image is there already"),
        ({"patient": "P9"}, "row 3: the sample belongs to another patient"),
        ({"core": "0"}, "row 3: this sample, marker and core are there already"),
    ],
)
def test_faults_are_refused_with_their_row(folder, change, message):
    at, table = folder
    bad = table.assign(core=["0", "1", "2", "3"], mask="")
    for name, value in change.items():
        bad.loc[1, name] = value
    with pytest.raises(InputError, match=message):
        read_sheet(bad, at)


def test_a_scale_for_all_and_white_of_the_sheet(folder):
    at, table = folder
    plain = table.drop(columns="um_per_pixel")
    assert read_sheet(plain, at, um_per_pixel=0.5)["um_per_pixel"].eq(0.5).all()
    lighter = score_images(table.assign(white_red=255, white_green=255, white_blue=255), folder=at).cores.table
    assert (lighter["h_score"] >= score_images(table, folder=at).cores.table["h_score"]).all()
    with pytest.raises(InputError, match="no column white_blue"):
        read_sheet(table.assign(white_red=250, white_green=250), at)
    with pytest.raises(InputError, match="row 2: white_red must be above 0"):
        read_sheet(table.assign(white_red=0, white_green=250, white_blue=250), at)
