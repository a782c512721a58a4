"""Loss terms: pure functions of named quantities, one topic a file."""

from twoway.terms import adversarial, fitted, introspective, latent, penalties, similarity
from twoway.terms.registry import TERMS, Term, find_term, term

__all__ = [
    "TERMS",
    "Term",
    "adversarial",
    "find_term",
    "fitted",
    "introspective",
    "latent",
    "penalties",
    "similarity",
    "term",
]
