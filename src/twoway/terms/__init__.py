"""Loss terms: pure functions of named quantities, one topic a file."""

from twoway.terms import adversarial, codes, divergences, latent, penalties, similarity
from twoway.terms.registry import TERMS, Term, find_term, term

__all__ = [
    "TERMS",
    "Term",
    "adversarial",
    "codes",
    "divergences",
    "find_term",
    "latent",
    "penalties",
    "similarity",
    "term",
]
