"""The bench: functional assays and tissue against published values and under the null. One command, a table per part.

python benchmarks/bench.py                    every part
python benchmarks/bench.py --only dose        one part; --help lists them
"""

import argparse
import importlib

PARTS = {  # name of a part: its file and function; a part prints its table
    "dose": ("bench_assays", "dose"),
    "kinetics": ("bench_assays", "kinetics"),
    "synergy": ("bench_assays", "synergy"),
    "simulated": ("bench_assays", "simulated"),
    "type1": ("bench_assays", "type_one"),  # half an hour
    "power": ("bench_assays", "power"),
    "levels": ("bench_assays", "levels"),  # twenty minutes
    "ihc": ("bench_tissue", "ihc"),
    "slides": ("bench_slides", "slides"),  # half an hour
    "nuclei": ("bench_tissue", "nuclei_found"),
    "gates": ("bench_tissue", "gates"),
    "mif": ("bench_tissue", "mif"),
    "tissue_type1": ("bench_tissue", "tissue_type_one"),
    "recovered": ("bench_tissue", "recovered"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=list(PARTS))
    wanted = parser.parse_args().only
    for name, (file, function) in PARTS.items():
        if wanted in (None, name):
            print(f"\n== {name}", flush=True)
            getattr(importlib.import_module(file), function)()


if __name__ == "__main__":
    main()
