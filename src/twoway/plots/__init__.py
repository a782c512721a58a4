"""Drawings for papers and reports: lines, bars, points and small multiples that can be read without colour."""

from twoway.plots.bars import bar_plot
from twoway.plots.heatmap import heat_map
from twoway.plots.lines import Band, Points, line_plot, over_trials, panels
from twoway.plots.runs import curves_of_runs
from twoway.plots.saving import save_plot
from twoway.plots.scatter import scatter_plot

__all__ = [
    "Band",
    "Points",
    "bar_plot",
    "curves_of_runs",
    "heat_map",
    "line_plot",
    "over_trials",
    "panels",
    "save_plot",
    "scatter_plot",
]
