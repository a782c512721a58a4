"""Published tables and figures as commands: a function of a study each, registered at three budgets."""

from twoway.reproduce.budget import BUDGETS, Budget, Role
from twoway.reproduce.registry import artefact, setting
from twoway.reproduce.result import Column, Joined, Result, Row, Table, Trials

__all__ = ["BUDGETS", "Budget", "Column", "Joined", "Result", "Role", "Row", "Table", "Trials", "artefact", "setting"]
