"""Run the quick tests on the newest Python this machine has beyond the one that runs this file, if there is one."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def newer_python() -> str | None:
    """The newest interpreter on PATH (or in ~/.pyenv) that is newer than this one; None where there is none."""
    for minor in (14, 13, 12):
        if (3, minor) <= sys.version_info[:2]:
            return None
        installed = sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python3.{minor}"))
        for candidate in [shutil.which(f"python3.{minor}"), *map(str, installed)]:
            works = (
                candidate and subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0
            )
            if works:
                return candidate
    return None


def main() -> int:
    """Bootstrap a second environment and run pytest in it; 0 when there is no newer interpreter."""
    python = newer_python()
    if python is None:
        print("no Python newer than", sys.version.split()[0], "on this machine: the second run is skipped")
        return 0
    venv = ROOT / ".venv-newer"
    subprocess.run([python, str(ROOT / "scripts" / "bootstrap.py"), str(venv)], check=True)
    command = [str(venv / "bin" / "python"), "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", "-m", "not slow"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
