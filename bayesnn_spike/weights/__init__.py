"""Weights that are more than a tensor: what an estimator hands to a layer in place of numbers."""

from bayesnn_spike.weights.perturbed import FlipoutWeight as FlipoutWeight
from bayesnn_spike.weights.perturbed import LocalWeight as LocalWeight
