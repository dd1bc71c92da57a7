"""Memory of stained images of every compression, at two sizes; called by bench.py. One process per image."""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

IMAGING = Path(__file__).resolve().parents[2] / "shared" / "data" / "imaging"
LAYOUTS = {
    "tiles of 256": {"tile": (256, 256)},
    "strips of 64": {"rowsperstrip": 64},
    "one strip": {"rowsperstrip": 10**6},
}
COMPRESSIONS = {"none": None, "LZW": "lzw", "deflate": "deflate", "JPEG": "jpeg"}
ONE = """
import sys, time
from scresist.validation.images import ihc_image
start = time.perf_counter()
found = ihc_image(sys.argv[1], um_per_pixel=0.5, tile=1024, overlay_pixels=4_000_000)
row = found.summary.table.iloc[0]
# Not ru_maxrss: a process that was forked has the peak of its parent there.
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1e6
print(row["n_cells"], row["h_score"], peak, time.perf_counter() - start)
"""


def slides() -> None:
    """Copies of scikit-image's picture side by side, as TIFF of every compression and as a slide like Aperio's."""
    from skimage.io import imread

    picture = imread(IMAGING / "ihc.png")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for copies in (4, 20):
            image = np.tile(picture, (copies, copies, 1))
            for name, compression in COMPRESSIONS.items():
                for layout, how in LAYOUTS.items():
                    if layout == "one strip" and name != "LZW":
                        continue
                    file = Path(folder) / "a.tif"
                    tifffile.imwrite(file, image, photometric="rgb", compression=compression, **how)
                    rows.append({"pixels": image.shape[0], "file": f"{name}, {layout}"} | _one(file))
                    print(rows[-1], flush=True)
            rows.append({"pixels": image.shape[0], "file": "SVS, by openslide"} | _one(_slide(folder, image)))
    print(pd.DataFrame(rows).round(2).to_string(index=False))


def _one(file: Path) -> dict[str, float]:
    ran = subprocess.run([sys.executable, "-c", ONE, str(file)], stdout=subprocess.PIPE, text=True, check=True)
    cells, score, memory, seconds = map(float, ran.stdout.split())
    return {"cells": cells, "h_score": score, "peak_gb": memory, "seconds": seconds}


def _slide(folder: str, image: np.ndarray) -> Path:
    size = f"{image.shape[1]}x{image.shape[0]}"
    words = f"Aperio Image Library v12.0.15\r\n{size} [0,0 {size}] (240x240) JPEG/RGB Q=90|AppMag = 20|MPP = 0.5"
    file = Path(folder) / "a.svs"
    how = {"photometric": "rgb", "compression": "jpeg", "compressionargs": {"level": 90}, "metadata": None}
    with tifffile.TiffWriter(file) as out:
        out.write(image, tile=(240, 240), description=words, **how)
        out.write(image[::8, ::8].copy(), rowsperstrip=16, description=words, **how)
        out.write(image[::4, ::4].copy(), tile=(240, 240), subfiletype=1, description=words, **how)
    return file
