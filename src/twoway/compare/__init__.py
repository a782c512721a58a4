"""Several methods trained on equal terms, measured alike, in one table."""

from twoway.compare.plan import Comparison, read_duration
from twoway.compare.run import compare

__all__ = ["Comparison", "compare", "read_duration"]
