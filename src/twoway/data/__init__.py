"""Where images come from: folders, ZIPs, IDX and .npz files and built-in sets, checked, decoded and batched."""

from twoway.data.attributes import require_classes
from twoway.data.base import Fit, ImageData, Split
from twoway.data.batches import Batches
from twoway.data.builtin import PRESETS
from twoway.data.check import CheckReport, check_data
from twoway.data.folder import write_folder
from twoway.data.neighbours import PairedBatches, nearest_pictures
from twoway.data.opening import open_data
from twoway.data.pixels import to_float, to_uint8

__all__ = [
    "PRESETS",
    "Batches",
    "CheckReport",
    "Fit",
    "ImageData",
    "PairedBatches",
    "Split",
    "check_data",
    "nearest_pictures",
    "open_data",
    "require_classes",
    "to_float",
    "to_uint8",
    "write_folder",
]
