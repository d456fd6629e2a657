"""Pictures of calibration and uncertainty, as matplotlib `Figure` objects.

They are drawn on the Agg canvas and never touch pyplot, its windows or its global settings.
"""

from bayesnn_spike.report.figures.continual import accuracy_matrices as accuracy_matrices
from bayesnn_spike.report.figures.curves import Curve as Curve
from bayesnn_spike.report.figures.curves import committee_curve as committee_curve
from bayesnn_spike.report.figures.energy import energy_figure as energy_figure
from bayesnn_spike.report.figures.estimators import EstimatorLine as EstimatorLine
from bayesnn_spike.report.figures.estimators import estimator_figure as estimator_figure
from bayesnn_spike.report.figures.plane import PlaneMap as PlaneMap
from bayesnn_spike.report.figures.plane import TrainingPoints as TrainingPoints
from bayesnn_spike.report.figures.plane import uncertainty_map as uncertainty_map
from bayesnn_spike.report.figures.predictive_plane import PredictiveMap as PredictiveMap
from bayesnn_spike.report.figures.predictive_plane import predictive_plane as predictive_plane
from bayesnn_spike.report.figures.ranks import rank_histograms as rank_histograms
from bayesnn_spike.report.figures.reliability import ReliabilityPanel as ReliabilityPanel
from bayesnn_spike.report.figures.reliability import reliability_diagram as reliability_diagram
from bayesnn_spike.report.figures.reliability import reliability_grid as reliability_grid
from bayesnn_spike.report.figures.saturation import entropy_maps as entropy_maps
from bayesnn_spike.report.figures.saturation import saturation_histograms as saturation_histograms
from bayesnn_spike.report.figures.scaling import Sweep as Sweep
from bayesnn_spike.report.figures.scaling import scaling_figure as scaling_figure
from bayesnn_spike.report.figures.style import png_bytes as png_bytes
from bayesnn_spike.report.figures.style import save_png as save_png
from bayesnn_spike.report.figures.uncertainty import (
    uncertainty_histograms as uncertainty_histograms,
)
