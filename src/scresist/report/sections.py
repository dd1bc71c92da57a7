"""The sections of the page in the order of the study: for each what it asks, what answers it, and what fills it.

A new section is one more line of `PARTS`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from scresist.report import cells, cohort, malignancy
from scresist.report.bench import bench
from scresist.report.blocks import Section, folded
from scresist.report.candidates import candidates
from scresist.report.checklists import checklists
from scresist.report.communication import communication
from scresist.report.design import design
from scresist.report.first_screen import first_screen
from scresist.report.folder import Folder
from scresist.report.genes import genes
from scresist.report.methods import methods
from scresist.report.microenvironment import microenvironment
from scresist.report.modules import modules
from scresist.report.over_cells import over_cells
from scresist.report.register import claims, planted
from scresist.report.resistance import resistance
from scresist.report.summaries import Answered, from_claims
from scresist.report.survival import survival
from scresist.report.validation import validation


@dataclass(frozen=True, slots=True)
class Part:
    """A section: what builds it, the question it asks, what answers it; `whole` ones fold nothing."""

    build: Callable[[Folder], Section | None]
    question: str = ""
    answer: Answered | None = None
    whole: bool = False


PARTS: tuple[Part, ...] = (
    Part(first_screen, whole=True),
    Part(genes, whole=True),
    Part(design, "What can this cohort show, and what not?", whole=True),
    Part(cohort.cohort, "Are the samples good, and alike in all arms?", cohort.lost),
    Part(cells.cells, "Which cells were biopsied?", cells.named),
    Part(malignancy.malignancy, "Which cells are malignant?", malignancy.called),
    Part(microenvironment, "What did the microenvironment do over the arms?",
         from_claims("composition", "signatures", "proteins")),
    Part(modules, "Which programmes of the cells differ between the arms?", from_claims("modules")),
    Part(validation, "Do the programmes hold in a second cohort?", from_claims("validation")),
    Part(communication, "Who signals differently to whom?", from_claims("communication", "responses")),
    Part(resistance, "Is primary resistance the same as acquired resistance?",
         from_claims("module resistance", "gene resistance")),
    Part(survival, "What predicts progression?", from_claims("survival", "response")),
    Part(candidates, "Which genes may confer resistance, and what supports each?", from_claims("candidates")),
    Part(bench, "Do protein and function agree?",
         from_claims("ihc", "dose ratios", "readouts", "bench expression", "mif", "mif spatial")),
    Part(planted, "Is what was planted found, and nothing else?"),
    Part(over_cells, "What would tests over cells have claimed?"),
    Part(methods, "How was it done?"),
    Part(checklists, "What does a journal ask for?"),
    Part(claims, "Where is every statement with its numbers?", whole=True),
)  # fmt: skip


def built(folder: Folder) -> Iterator[Section]:
    """Every section that the results folder can fill, with its question, its answer, and its details folded.

    Parameters
    ----------
    folder
        The results folder.
    """
    for part in PARTS:
        section = part.build(folder)
        if section is None:
            continue
        answers = tuple(part.answer(folder)) if part.answer is not None else ()
        blocks = section.blocks if part.whole else folded(section.blocks)
        yield replace(section, question=part.question, answers=answers, blocks=blocks)
