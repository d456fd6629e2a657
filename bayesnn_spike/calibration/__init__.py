"""How far a prediction can be trusted: scores, their uncertainty, and recalibration.

All functions are pure: probabilities `[N, C]` and labels `[N]` in, a value out that carries its
definition. numpy arrays and torch tensors are taken alike; inside everything is float64.
"""

from bayesnn_spike.calibration.binning import Binning as Binning
from bayesnn_spike.calibration.binning import EqualMass as EqualMass
from bayesnn_spike.calibration.binning import EqualWidth as EqualWidth
from bayesnn_spike.calibration.binning import LeftClosed as LeftClosed
from bayesnn_spike.calibration.binning import RightClosed as RightClosed
from bayesnn_spike.calibration.bootstrap import Difference as Difference
from bayesnn_spike.calibration.bootstrap import ece_interval as ece_interval
from bayesnn_spike.calibration.bootstrap import mean_interval as mean_interval
from bayesnn_spike.calibration.bootstrap import paired_difference as paired_difference
from bayesnn_spike.calibration.bootstrap import paired_ece_difference as paired_ece_difference
from bayesnn_spike.calibration.continual import average_accuracy as average_accuracy
from bayesnn_spike.calibration.continual import backward_transfer as backward_transfer
from bayesnn_spike.calibration.continual import forgetting as forgetting
from bayesnn_spike.calibration.continual import within_classes as within_classes
from bayesnn_spike.calibration.decomposition import BrierParts as BrierParts
from bayesnn_spike.calibration.decomposition import brier_decomposition as brier_decomposition
from bayesnn_spike.calibration.ece import classwise_ece as classwise_ece
from bayesnn_spike.calibration.ece import debiased_ece as debiased_ece
from bayesnn_spike.calibration.ece import ece as ece
from bayesnn_spike.calibration.ece import mce as mce
from bayesnn_spike.calibration.evaluate import Scores as Scores
from bayesnn_spike.calibration.evaluate import evaluate as evaluate
from bayesnn_spike.calibration.evaluate import evaluate_folds as evaluate_folds
from bayesnn_spike.calibration.folds import pool_folds as pool_folds
from bayesnn_spike.calibration.netcal_adapter import fit_netcal as fit_netcal
from bayesnn_spike.calibration.noise_floor import NoiseFloor as NoiseFloor
from bayesnn_spike.calibration.noise_floor import ece_noise_floor as ece_noise_floor
from bayesnn_spike.calibration.norms import L1 as L1
from bayesnn_spike.calibration.norms import L2 as L2
from bayesnn_spike.calibration.norms import Max as Max
from bayesnn_spike.calibration.norms import Norm as Norm
from bayesnn_spike.calibration.proper import accuracy as accuracy
from bayesnn_spike.calibration.proper import brier as brier
from bayesnn_spike.calibration.proper import example_brier as example_brier
from bayesnn_spike.calibration.proper import example_correct as example_correct
from bayesnn_spike.calibration.proper import example_nll as example_nll
from bayesnn_spike.calibration.proper import nll as nll
from bayesnn_spike.calibration.recalibrate import Temperature as Temperature
from bayesnn_spike.calibration.recalibrate import fit_temperature as fit_temperature
from bayesnn_spike.calibration.reliability import ReliabilityTable as ReliabilityTable
from bayesnn_spike.calibration.reliability import (
    class_reliability_table as class_reliability_table,
)
from bayesnn_spike.calibration.reliability import consistency_bars as consistency_bars
from bayesnn_spike.calibration.reliability import reliability_table as reliability_table
from bayesnn_spike.calibration.sbc import Ranks as Ranks
from bayesnn_spike.calibration.sbc import simulate_ranks as simulate_ranks
from bayesnn_spike.calibration.score import Interval as Interval
from bayesnn_spike.calibration.score import Score as Score
from bayesnn_spike.calibration.uniform_ranks import uniformity as uniformity
