"""Run every benchmark of this folder, one after the other: `make bench`."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PARTS = (Path(__file__).name, "programme_cohorts.py", "usual_chain.py", "bench_assays.py")


def main() -> None:
    """Run each file but this one and the parts of others, and name those that failed."""
    failed = []
    for path in sorted(HERE.glob("*.py")):
        if path.name not in PARTS and not path.name.startswith("beside_"):
            print(f"\n== {path.name}", flush=True)
            if subprocess.run([sys.executable, str(path)], check=False).returncode != 0:
                failed.append(path.name)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
