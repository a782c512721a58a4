"""From a photo to an edited photo: opening, alignment, editing, pasting back."""

from twoway.photos.editing import EditedPhoto, Refinement, code_of_crop, edit_photo
from twoway.photos.framing import Frame, align
from twoway.photos.landmarks import parse_points, read_landmarks
from twoway.photos.opening import notes_of, open_photo
from twoway.photos.pasting import paste_back
from twoway.photos.points import FacePoints, make_points
from twoway.photos.templates import TEMPLATES, Template, read_template

__all__ = [
    "TEMPLATES",
    "EditedPhoto",
    "FacePoints",
    "Frame",
    "Refinement",
    "Template",
    "align",
    "code_of_crop",
    "edit_photo",
    "make_points",
    "notes_of",
    "open_photo",
    "parse_points",
    "paste_back",
    "read_landmarks",
    "read_template",
]
