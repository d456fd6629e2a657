"""A user's `torch.nn` network in, a spiking network of ours out."""

from bayesnn_spike.convert.binary import BernoulliPrior as BernoulliPrior
from bayesnn_spike.convert.binary import bernoulli_prior as bernoulli_prior
from bayesnn_spike.convert.binary import binarise as binarise
from bayesnn_spike.convert.binary import hidden_synapses as hidden_synapses
from bayesnn_spike.convert.calibrate import MatchBias as MatchBias
from bayesnn_spike.convert.calibrate import MatchPotential as MatchPotential
from bayesnn_spike.convert.calibrate import calibrate as calibrate
from bayesnn_spike.convert.convert import Conversion as Conversion
from bayesnn_spike.convert.convert import convert as convert
from bayesnn_spike.convert.curve import Curve as Curve
from bayesnn_spike.convert.curve import curve as curve
from bayesnn_spike.convert.folded import fold_thresholds as fold_thresholds
from bayesnn_spike.convert.folded import sum_pools as sum_pools
from bayesnn_spike.convert.options import NeuronOptions as NeuronOptions
from bayesnn_spike.convert.qcfs import QcfsReLU as QcfsReLU
from bayesnn_spike.convert.qcfs import with_qcfs as with_qcfs
from bayesnn_spike.convert.refuse import ConversionError as ConversionError
from bayesnn_spike.convert.report import ConversionReport as ConversionReport
from bayesnn_spike.convert.report import LayerReport as LayerReport
from bayesnn_spike.convert.thresholds import LocalBalance as LocalBalance
from bayesnn_spike.convert.thresholds import Maximum as Maximum
from bayesnn_spike.convert.thresholds import Percentile as Percentile
from bayesnn_spike.convert.thresholds import Qcfs as Qcfs
