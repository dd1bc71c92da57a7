"""Make an environment with the locked dependencies and this checkout, from a bare Python with pip.

Usage: python bootstrap.py VENV. Needs Python 3.11 or newer with pip; neither `venv`, nor a compiler, nor uv.
"""

import os
import subprocess
import sys
from pathlib import Path

UV = "uv==0.13.9"
ROOT = Path(__file__).resolve().parent.parent


def main(venv: Path) -> None:
    """Create `venv`, install the lock and the checkout into it, and mark it ready."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this file runs on whatever interpreter is at hand
        found = ".".join(map(str, sys.version_info[:3]))
        sys.exit(f"scresist needs Python 3.11 or newer; {sys.executable} is {found}. Use: make PYTHON=python3.12 ...")
    tools = ROOT / ".bootstrap"
    env = {**os.environ, "UV_PYTHON_DOWNLOADS": "never", "PYTHONPATH": str(tools), "UV_LINK_MODE": "copy"}

    def run(*command: str) -> None:
        subprocess.run(command, check=True, cwd=ROOT, env=env)

    if not (tools / "bin" / "uv").exists():
        run(sys.executable, "-m", "pip", "install", "--quiet", "--target", str(tools), UV)
    uv = str(tools / "bin" / "uv")
    python = str(venv / "bin" / "python")
    run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(venv))
    run(uv, "pip", "install", "--quiet", "--python", python, "-r", str(ROOT / "requirements" / "lock.txt"))
    run(uv, "pip", "install", "--quiet", "--python", python, "--no-deps", "--editable", str(ROOT))
    (venv / ".ready").touch()


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
