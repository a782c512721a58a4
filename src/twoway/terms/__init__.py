"""Loss terms: pure functions of named quantities, one topic a file."""

from twoway.terms import adversarial, codes, divergences, fitted, introspective, latent, penalties, similarity
from twoway.terms.registry import ROLES, TERMS, Role, Term, find_term, term

__all__ = [
    "ROLES",
    "TERMS",
    "Role",
    "Term",
    "adversarial",
    "codes",
    "divergences",
    "find_term",
    "fitted",
    "introspective",
    "latent",
    "penalties",
    "similarity",
    "term",
]
