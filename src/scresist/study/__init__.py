"""A study: its settings, sheets and design, read once, checked whole, and then frozen."""

from scresist.study.design import Contrast, Design
from scresist.study.problems import Problem, Problems, StudyError
from scresist.study.settings import Settings
from scresist.study.study import Study, examine_study, read_study

__all__ = [
    "Contrast", "Design", "Problem", "Problems", "Settings", "Study", "StudyError", "examine_study", "read_study",
]  # fmt: skip
