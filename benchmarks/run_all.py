"""Run every benchmark of this folder, one after the other: `make bench`."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Run each file but this one, and say which failed."""
    failed = []
    for path in sorted(HERE.glob("*.py")):
        if path.name != Path(__file__).name:
            print(f"\n== {path.name}", flush=True)
            if subprocess.run([sys.executable, str(path)], check=False).returncode != 0:
                failed.append(path.name)
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
