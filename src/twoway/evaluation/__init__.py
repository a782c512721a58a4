"""Several models measured alike: same pictures, seeds and extractors, and what can be said of which is better."""

from twoway.evaluation.measuring import Cell, Plan, Row, check_sizes, measure_models
from twoway.evaluation.models import Judged, load_models, open_pictures
from twoway.evaluation.outcome import Outcome, check_place, outcome_json, write_outcome
from twoway.evaluation.page import outcome_page
from twoway.evaluation.verdicts import Difference, Verdict, judge, sentences

__all__ = [
    "Cell",
    "Difference",
    "Judged",
    "Outcome",
    "Plan",
    "Row",
    "Verdict",
    "check_place",
    "check_sizes",
    "judge",
    "load_models",
    "measure_models",
    "open_pictures",
    "outcome_json",
    "outcome_page",
    "sentences",
    "write_outcome",
]
