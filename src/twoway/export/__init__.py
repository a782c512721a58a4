"""Models for other programs: nets as files that need neither torch nor this package."""

from twoway.export.onnx import NETS, OPSETS, Exported, export_onnx

__all__ = ["NETS", "OPSETS", "Exported", "export_onnx"]
