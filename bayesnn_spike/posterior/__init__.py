"""Distributions over the weights of a network; each samples itself."""

from bayesnn_spike.posterior.base import AbstractPosterior as AbstractPosterior
from bayesnn_spike.posterior.bernoulli import Bernoulli as Bernoulli
from bayesnn_spike.posterior.empirical import Empirical as Empirical
from bayesnn_spike.posterior.exact import Exact as Exact
from bayesnn_spike.posterior.gaussian import Gaussian as Gaussian
from bayesnn_spike.posterior.joint import Joint as Joint
from bayesnn_spike.posterior.point import Point as Point
from bayesnn_spike.posterior.prior import prior_logits as prior_logits
