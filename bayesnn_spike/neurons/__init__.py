"""Spiking neurons as modules without state: `forward(current, state=None) -> (spikes, state)`."""

from bayesnn_spike.neurons.expected import firing_probability as firing_probability
from bayesnn_spike.neurons.lif import IF as IF
from bayesnn_spike.neurons.lif import LIF as LIF
from bayesnn_spike.neurons.srm import Refractory as Refractory
from bayesnn_spike.neurons.srm import SynapticTrace as SynapticTrace
from bayesnn_spike.neurons.threshold_neuron import ThresholdNeuron as ThresholdNeuron
from bayesnn_spike.ops.fire import RefractoryState as RefractoryState
from bayesnn_spike.ops.fire.spike_time import ClockState as ClockState
from bayesnn_spike.ops.fire.spike_time import Delayed as Delayed
from bayesnn_spike.ops.fire.spike_time import Immediate as Immediate
from bayesnn_spike.ops.fire.spike_time import LinearRatio as LinearRatio
from bayesnn_spike.ops.fire.spike_time import SpikeTime as SpikeTime
from bayesnn_spike.ops.fire.surrogate import Above as Above
from bayesnn_spike.ops.fire.surrogate import ATan as ATan
from bayesnn_spike.ops.fire.surrogate import AtOrAbove as AtOrAbove
from bayesnn_spike.ops.fire.surrogate import Boxcar as Boxcar
from bayesnn_spike.ops.fire.surrogate import FastSigmoid as FastSigmoid
from bayesnn_spike.ops.fire.surrogate import Gaussian as Gaussian
from bayesnn_spike.ops.fire.surrogate import Sigmoid as Sigmoid
from bayesnn_spike.ops.fire.surrogate import Subtract as Subtract
from bayesnn_spike.ops.fire.surrogate import ToValue as ToValue
from bayesnn_spike.ops.fire.surrogate import Triangle as Triangle
