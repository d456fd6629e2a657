"""From a posterior and spikes to class probabilities, with the parts of their uncertainty."""

from bayesnn_spike.predict.how import Committee as Committee
from bayesnn_spike.predict.how import Ensemble as Ensemble
from bayesnn_spike.predict.how import MCDropout as MCDropout
from bayesnn_spike.predict.how import MeanParameter as MeanParameter
from bayesnn_spike.predict.how import Mode as Mode
from bayesnn_spike.predict.how import Vote as Vote
from bayesnn_spike.predict.pooling import MeanOfSteps as MeanOfSteps
from bayesnn_spike.predict.pooling import SoftmaxOfMean as SoftmaxOfMean
from bayesnn_spike.predict.pooling import SoftmaxOfRate as SoftmaxOfRate
from bayesnn_spike.predict.predict import predict as predict
from bayesnn_spike.predict.predictive import Predictive as Predictive
