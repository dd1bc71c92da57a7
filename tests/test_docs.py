"""The pages that follow from the registers are up to date, and every setting is described."""

import subprocess
import sys
from pathlib import Path

import pytest

from scresist.study.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.skipif(not (ROOT / "docs").exists(), reason="the documentation is not part of this copy")


def test_the_page_of_results_follows_the_registers():
    command = [sys.executable, str(ROOT / "scripts" / "make_docs.py"), "--check"]
    assert subprocess.run(command, check=False).returncode == 0, "run: python scripts/make_docs.py"


def test_every_setting_is_described():
    page = (ROOT / "docs" / "study.md").read_text(encoding="utf-8")
    lacking = []
    for section, field in Settings.model_fields.items():
        models = [field.annotation, *getattr(field.annotation, "__args__", ())]
        for model in models:
            for name in getattr(model, "model_fields", {}):
                if name != "contrasts" and f"`{name}`" not in page:
                    lacking.append(f"{section}.{name}")
    assert lacking == []
