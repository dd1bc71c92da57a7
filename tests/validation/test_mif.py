"""Cell tables of every program, gates, densities over areas, spatial statistics: known answers, nulls, refusals."""

from types import SimpleNamespace

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from oracle import SHARED, needs_shared
from scresist.checks import InputError
from scresist.kernels.gates import control_gate, find_gate
from scresist.plots.style import new_axes
from scresist.plots.tissue import gate
from scresist.validation.arrangement import mif_spatial, neighbourhoods
from scresist.validation.by_sample import density_values, spatial_values
from scresist.validation.cell_tables import read_cells
from scresist.validation.densities import mif, prepare
from scresist.validation.marker_levels import marker_values


def square(seed=1, n=400, side=1000.0, patient="P1", roi="r1"):
    rng = np.random.default_rng(seed)
    corners = np.array([[0, 0], [0, side], [side, 0], [side, side]])
    xy = np.r_[corners, rng.uniform(0, side, (n - 4, 2))]
    return pd.DataFrame({"patient": patient, "sample": f"{patient}a", "roi": roi, "cell": range(n), "x_um": xy[:, 0],
                         "y_um": xy[:, 1], "compartment": np.where(xy[:, 0] < side / 4, "tumour", "stroma"),
                         "phenotype": rng.choice(["CK", "CD8", "CD68"], n)})  # fmt: skip


def test_densities_are_cells_per_area_of_the_compartment():
    cells = square()
    found = mif(cells).table.set_index(["compartment", "phenotype"])
    assert found.loc[("all", "CK"), "area_mm2"] == pytest.approx(1.0)
    assert found.loc[("tumour", "CD8"), "area_mm2"] == pytest.approx(0.25, abs=0.02)
    assert found["n_cells"].xs("all").sum() == 400
    assert (found["density_per_mm2"] == found["n_cells"] / found["area_mm2"]).all()
    inside = (cells["compartment"] == "tumour") & (cells["phenotype"] == "CD8")
    assert found.loc[("tumour", "CD8"), "n_cells"] == inside.sum()


def test_a_measured_area_is_used_and_a_missing_phenotype_has_no_cells():
    cells = pd.concat([square(), square(2, roi="r2").assign(phenotype="CK")])
    images = pd.DataFrame({"roi": ["r1", "r2"], "patient": "P1", "sample": "P1a", "area_mm2": [2.0, 4.0]})
    found = mif(cells, images=images).table.set_index(["roi", "compartment", "phenotype"])
    assert found.loc[("r2", "all", "CK"), "density_per_mm2"] == 100
    assert found.loc[("r2", "all", "CD8"), "n_cells"] == 0
    values = density_values(found.reset_index()).set_index(["compartment", "phenotype"])["value"]
    assert values[("all", "CK")] == pytest.approx(
        np.log2((found["n_cells"].xs("all", level=1).xs("CK", level=1).sum() + 0.5) / 6)
    )


def test_few_cells_give_no_area():
    found = mif(square(n=12)).table
    assert found["area_mm2"].isna().all()
    assert found["reason"].str.contains("fewer than 20 cells").all()


EXPORTS = {
    "inForm": ({"Cell X Position": "x_um", "Cell Y Position": "y_um", "Cell ID": "cell", "Sample Name": "roi",
                "Phenotype": "phenotype", "Tissue Category": "compartment"}, 1.0),
    "QuPath": ({"Centroid X µm": "x_um", "Centroid Y µm": "y_um", "Image": "roi", "Object ID": "cell",
                "Classification": "phenotype", "Parent": "compartment"}, 1.0),
    "MCMICRO": ({"X_centroid": "x_um", "Y_centroid": "y_um", "CellID": "cell", "imageid": "roi",
                 "phenotype": "phenotype"}, 0.5),
    "CosMx": ({"CenterX_global_px": "x_um", "CenterY_global_px": "y_um", "cell_ID": "cell", "fov": "roi",
               "phenotype": "phenotype"}, 0.12),
    "Xenium": ({"x_centroid": "x_um", "y_centroid": "y_um", "cell_id": "cell", "roi": "roi",
                "phenotype": "phenotype"}, 1.0),
}  # fmt: skip


@pytest.mark.parametrize("program", EXPORTS)
def test_exports_of_programs_are_read(program):
    names, scale = EXPORTS[program]
    cells = square()
    export = pd.DataFrame({theirs: cells[ours] for theirs, ours in names.items()})
    for axis in ("x_um", "y_um"):
        theirs = next(t for t, o in names.items() if o == axis)
        export[theirs] = export[theirs] / scale
    images = pd.DataFrame({"image": ["r1"], "patient": ["P1"], "sample": ["P1a"], "um_per_pixel": [scale]})
    found = read_cells(export, images=images).cells
    np.testing.assert_allclose(found[["x_um", "y_um"]], cells[["x_um", "y_um"]])
    assert (found["phenotype"] == cells["phenotype"]).all()
    assert set(found["patient"]) == {"P1"}
    if scale != 1.0:
        with pytest.raises(InputError, match="row 2: coordinates are in pixels and no scale"):
            read_cells(export, images=images.drop(columns="um_per_pixel"))


def test_halo_and_qupath_columns_become_markers():
    cells = square(n=40)
    halo = pd.DataFrame({"Image Location": "r1", "Object Id": cells["cell"], "XMin": cells["x_um"] - 5,
                         "XMax": cells["x_um"] + 5, "YMin": cells["y_um"] - 5, "YMax": cells["y_um"] + 5,
                         "CD8 Positive Classification": (cells["phenotype"] == "CD8").astype(int),
                         "CD8 Cell Intensity": 1.5, "Cell Area (µm²)": 80.0})  # fmt: skip
    images = pd.DataFrame({"roi": ["r1"], "patient": ["P1"], "sample": ["P1a"]})
    found = read_cells(halo, images=images, um_per_pixel=0.25)
    assert found.calls == ("CD8",)
    np.testing.assert_allclose(found.cells["x_um"], cells["x_um"] * 0.25)
    qupath = pd.DataFrame({"Centroid X µm": cells["x_um"], "Centroid Y µm": cells["y_um"], "Image": "r1",
                           "Cell: PD-1 mean": np.linspace(0, 9, 40), "Nucleus: PD-1 mean": 1.0})  # fmt: skip
    assert read_cells(qupath, images=images).intensities == ("PD-1",)


def test_cells_of_an_anndata_are_read():
    cells = square(n=50)
    data = anndata.AnnData(np.random.default_rng(0).gamma(2, 1, (50, 2)).astype(np.float32),
                           obs=cells[["patient", "sample", "roi", "phenotype"]].set_index(cells["cell"].astype(str)),
                           var=pd.DataFrame(index=["CD8", "CK"]))  # fmt: skip
    data.obsm["spatial"] = cells[["x_um", "y_um"]].to_numpy()
    found = read_cells(data)
    assert read_cells(SimpleNamespace(tables={"table": data})).cells.equals(found.cells)
    with pytest.raises(InputError, match="has 2 tables"):
        read_cells(SimpleNamespace(tables={"a": data, "b": data}))
    assert found.intensities == ("CD8", "CK")
    np.testing.assert_allclose(found.cells["y_um"], cells["y_um"])


def test_gates_lie_between_two_populations_and_one_population_has_none():
    rng = np.random.default_rng(3)
    two = np.r_[rng.normal(0, 1, 3000), rng.normal(5, 1, 500)]
    found = find_gate(two, least_separation=2.0, bootstraps=30, sample=2000, rng=rng)
    assert 2 < found.gate < 4
    assert found.low < found.gate < found.high
    assert found.share == pytest.approx(500 / 3500, abs=0.01)
    one = find_gate(rng.normal(0, 1, 3000), least_separation=2.0, bootstraps=5, sample=500, rng=rng)
    assert np.isnan(one.gate)
    assert np.isnan(find_gate(np.ones(100), least_separation=2.0, bootstraps=5, sample=50, rng=rng).gate)


def test_phenotypes_are_defined_by_gates():
    rng = np.random.default_rng(4)
    cells = square(n=600).drop(columns="phenotype")
    cd8 = rng.random(600) < 0.3
    cells["CD8"] = np.where(cd8, rng.lognormal(3, 0.3, 600), rng.lognormal(0, 0.3, 600))
    cells["CK"] = np.where(~cd8, rng.lognormal(3, 0.3, 600), rng.lognormal(0, 0.3, 600))
    ready = prepare(cells, phenotypes={"CD8 T": "CD8+ CK-", "tumour cell": "CK+"})
    assert (ready.cells.loc[cd8, "phenotype"] == "CD8 T").mean() > 0.98
    assert (ready.gates.table["gate_low"] < ready.gates.table["gate"]).all()
    drawn = ready.intensities.groupby("marker")["n_cells"].sum()
    assert drawn.to_dict() == {"CD8": 600, "CK": 600}
    axes = gate(ready.intensities, ready.gates.table, new_axes(3, 2)[1], marker="CD8")
    above = sum(p.get_height() for p in axes.patches if p.get_x() >= ready.gates.table["gate"].iloc[0])
    assert above == pytest.approx(cd8.sum(), abs=30)
    named = prepare(cells)
    assert set(named.cells["phenotype"]) >= {"CD8+", "CK+"}
    with pytest.raises(InputError, match=r"no marker 'CD9'.*did you mean 'CD8'"):
        prepare(cells, phenotypes={"x": "CD9+"})
    with pytest.raises(InputError, match="must be a marker and"):
        prepare(cells, phenotypes={"x": "CD8"})
    with pytest.raises(InputError, match="gate is given for 'CD4'"):
        prepare(cells, gates={"CD4": 1.0})
    by_hand = prepare(cells, gates={"CD8": 1e9})
    assert not by_hand.cells["phenotype"].str.contains("CD8").any()


def rare(rng, n=3000, positive=0.03):
    """Cells of a tumour: half CK+, a few of the others CD8+ with an intensity that is only a tail of all cells'."""
    cells = square(n=n).drop(columns="phenotype")
    ck = rng.random(n) < 0.5
    cd8 = ~ck & (rng.random(n) < 2 * positive)
    cells["CK"] = np.where(ck, rng.lognormal(4, 0.3, n), rng.lognormal(0, 0.3, n))
    cells["CD8"] = rng.lognormal(0, 0.5, n) * np.where(cd8, 6, 1)
    return cells, cd8


def test_rare_markers_are_gated_by_cells_that_never_have_them():
    cells, cd8 = rare(np.random.default_rng(5))
    words = {"CD8 T": "CD8+ CK-", "tumour cell": "CK+"}
    with pytest.raises(InputError, match="CD8 has no gate"):
        prepare(cells, phenotypes=words)
    ready = prepare(cells, phenotypes=words, controls={"CD8": "CK"})
    row = ready.gates.table.set_index("marker").loc["CD8"]
    called = (ready.cells["phenotype"] == "CD8 T").to_numpy()
    assert called[cd8].mean() > 0.8
    assert row["gate_low"] < row["gate"] < row["gate_high"]
    # 2 % of the unstained cells are called: a share of the calls that the table states.
    assert (~cd8)[called].mean() == pytest.approx(row["false_share"], abs=0.1)
    assert list(ready.gates.table["marker"]) == ["CK", "CD8"]
    assert row["gate_control"] == "CK"


def test_a_marker_without_positive_cells_has_no_gate_by_a_control():
    cells, _ = rare(np.random.default_rng(6), positive=0)
    ready = prepare(cells, controls={"CD8": "CK"})
    row = ready.gates.table.set_index("marker").loc["CD8"]
    assert np.isnan(row["gate"])
    assert "too few more to tell positive cells" in row["reason"]
    assert not ready.cells["phenotype"].str.contains("CD8").any()


@pytest.mark.parametrize(("controls", "gates", "message"), [
    ({"CD9": "CK"}, None, "'CD9' has no intensities"),
    ({"CD8": "CKK"}, None, r"'CKK', the control of CD8, is no marker and no phenotype; .*did you mean 'CK'"),
    ({"CD8": "CK"}, {"CD8": 3.0}, "both have CD8"),
    ({"CD8": "CK", "CK": "CD8"}, None, "CK, the control of CD8, has a control itself"),
    ({"CD8": "CK"}, {"CK": 1e9}, "0 cells are CK, the control of CD8; at least 200"),
])  # fmt: skip
def test_controls_that_cannot_be_are_refused(controls, gates, message):
    cells, _ = rare(np.random.default_rng(7))
    with pytest.raises(InputError, match=message):
        prepare(cells, controls=controls, gates=gates)


def test_levels_of_markers_by_region_compartment_and_sample():
    cells = square(n=100).drop(columns="phenotype").assign(CK=1.0, phenotype_cd8=0)
    tumour = cells["compartment"] == "tumour"
    cells["CK"] = np.where(tumour, 5.0, np.arange(100) / 100)
    cells.loc[~tumour, "phenotype_cd8"] = 1
    cells["roi"] = np.where(np.arange(100) < 60, "r1", "r2")
    ready = prepare(cells, gates={"CK": 2.0})
    levels = ready.levels.set_index(["marker", "roi", "compartment"])
    assert levels.loc[("CK", "r1", "tumour"), "mean_intensity"] == 5
    assert levels.loc[("CK", "r1", "tumour"), "positive_share"] == 1
    share = 1 - tumour[:60].mean()
    assert levels.loc[("CD8", "r1", "all"), "positive_share"] == pytest.approx(share)
    assert np.isnan(levels.loc[("CD8", "r1", "all"), "mean_intensity"])
    assert levels.loc[("CD8", "r1", "all"), "n_cells"] == 60
    inside = marker_values(ready.levels, tumour=True).set_index("marker")["value"]
    assert inside.to_dict() == {"CD8": 0.0, "CK": 5.0}
    everywhere = marker_values(ready.levels, tumour=False).set_index("marker")["value"]
    assert everywhere["CD8"] == pytest.approx(1 - tumour.mean())
    assert everywhere["CK"] == pytest.approx(cells["CK"].mean())


def test_the_interval_of_a_control_gate_covers_the_true_quantile():
    rng = np.random.default_rng(8)
    truth = np.exp(0.5 * stats.norm.ppf(0.98))
    inside = []
    for _ in range(400):
        values = rng.lognormal(0, 0.5, 600)
        own = control_gate(values, np.arange(600) < 500, above=0.02)
        inside.append(own.low <= truth <= own.high)
    assert 0.93 <= np.mean(inside) <= 0.995


def test_segregated_phenotypes_have_few_contacts_and_shuffles_stay_in_compartments():
    cells = square(n=500)
    apart = cells.assign(phenotype=np.where(cells["y_um"] < 500, "CK", "CD8"))
    found = mif_spatial(prepare(apart), radius_um=60, shuffles=99).table.set_index(["from", "to", "statistic"])
    row = found.loc[("CK", "CD8", "contacts")]
    assert row["value"] < row["expected"] / 3
    assert row["p_value"] == pytest.approx(0.02)
    assert found.loc[("CK", "CD8", "nearest"), "z"] > 5
    by_compartment = cells.assign(phenotype=np.where(cells["compartment"] == "tumour", "CK", "CD8"))
    still = mif_spatial(prepare(by_compartment), radius_um=60, shuffles=19).table
    assert (still.loc[still["statistic"] == "contacts", "p_value"] == 1).all()
    deep = found.xs("depth", level="statistic")
    assert set(deep.index.get_level_values("to")) == {"border"}


def test_mixing_of_phenotypes_at_random_is_one_and_rarely_called():
    regions = pd.concat([square(s, n=150, side=500, roi=f"r{s}") for s in range(60)])
    found = mif_spatial(prepare(regions), pairs=[("CK", "CD8")], radius_um=50, shuffles=99).table
    mixing = found[found["statistic"] == "mixing"]
    assert mixing["value"].mean() == pytest.approx(mixing["expected"].mean(), rel=0.03)
    assert (found["p_value"] <= 0.05).groupby(found["statistic"]).mean().max() <= 0.12  # 60 regions: SE 0.03
    values = spatial_values(found)
    assert values["value"].abs().max() < 0.15


def test_rows_and_workers_change_no_number():
    cells = pd.concat([square(s, n=120, side=400, roi=f"r{s}") for s in range(3)], ignore_index=True)
    a = mif_spatial(prepare(cells), shuffles=19).table
    b = mif_spatial(prepare(cells.sample(frac=1, random_state=1)), shuffles=19, workers=2).table
    pd.testing.assert_frame_equal(a, b)
    n, m = (neighbourhoods(prepare(c), n=3).table for c in (cells, cells.sample(frac=1, random_state=2)))
    pd.testing.assert_frame_equal(n, m)
    np.testing.assert_allclose(n.groupby("roi")["share"].sum(), 1.0)


BAD = {
    "text for a coordinate": ({"x_um": "here"}, "row 4: column 'x_um' must be a number"),
    "a cell twice": ({"cell": 0}, "row 4: this cell of the region is there already"),
    "no patient": ({"patient": ""}, "row 4: column 'patient' is empty"),
    "a sample of two patients": ({"patient": "P2"}, "row 4: the sample belongs to another patient"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_refused_names_the_row(name):
    change, words = BAD[name]
    cells = square(n=30).astype(object)
    for column, value in change.items():
        cells.loc[2, column] = value
    with pytest.raises(InputError, match=words):
        read_cells(cells)


def test_tables_of_no_program_and_images_that_are_missing_are_refused():
    with pytest.raises(InputError, match="no columns x_um"):
        read_cells(pd.DataFrame({"a": [1]}))
    with pytest.raises(InputError, match="no column 'patient'"):
        read_cells(square().drop(columns="patient"))
    with pytest.raises(InputError, match="such as 'r1', not in the table of images"):
        read_cells(square(), images=pd.DataFrame({"roi": ["r9"], "patient": ["P1"]}))
    with pytest.raises(InputError, match="no cell has the phenotype 'B cell'"):
        mif_spatial(prepare(square()), pairs=[("CK", "B cell")])
    with pytest.raises(InputError, match="no phenotype, no call"):
        prepare(square().drop(columns="phenotype"))
    with pytest.raises(InputError, match="row 3: intensity of PD-1 is negative"):
        prepare(square().drop(columns="phenotype").assign(**{"PD-1": [1.0, -2.0, 3.0, 4.0] * 100}))


@needs_shared
def test_a_real_export_of_inform_is_read():
    path = SHARED / "data" / "imaging" / "phenoptr_sample_cell_seg_data.csv.gz"
    cells = pd.read_csv(path)
    image = cells["Sample Name"].iloc[0]
    images = pd.DataFrame({"image": [image], "patient": ["P1"], "sample": ["S1"]})
    pixels = any("(pixels)" in c for c in cells.columns)
    found = prepare(cells, images=images, um_per_pixel=0.5 if pixels else None)
    assert len(found.cells) == len(cells)
    table = mif(found).table
    assert set(table["compartment"]) >= {"all", "Tumor", "Stroma"}
    assert (table["density_per_mm2"] >= 0).all()
