"""A studio in the browser: what visitors can do with models, and (in `server`) the page; only the page needs gradio."""

from twoway.studio.abilities import Abilities
from twoway.studio.limits import Limits, check_upload
from twoway.studio.session import Session
from twoway.studio.shared import Studio
from twoway.studio.views import Comparison, Favourite, Progress, View

__all__ = ["Abilities", "Comparison", "Favourite", "Limits", "Progress", "Session", "Studio", "View", "check_upload"]
