"""Which operations count as what: three accountings of the same counts, as values.

They differ by an order of magnitude on the same network, so an energy without its accounting means
nothing. A count over T steps holds all T: none of them multiplies by T or a rate again.
Oracle: tests/energy/test_accounting.py.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, final

from bayesnn_spike.checks import require_kind
from bayesnn_spike.energy.counts import NeuronCounts, SynapseCounts
from bayesnn_spike.energy.memory import Memory


class Operations(NamedTuple):
    """Priced operations.

    Attributes:
        macs: multiply-accumulates.
        acs: accumulates.
        sign_adds: additions of an input to a sum, or subtractions, by a weight of -1 or +1.
        multiplications: without an addition (leaks).
    """

    macs: float = 0.0
    acs: float = 0.0
    sign_adds: float = 0.0
    multiplications: float = 0.0

    def plus(self, other: "Operations") -> "Operations":
        """Both, field by field."""
        return Operations(*(a + b for a, b in zip(self, other, strict=True)))


class Accounting(ABC):
    """What is in and what is out."""

    name: ClassVar[str]

    @abstractmethod
    def synapse(self, s: SynapseCounts, *, ann: bool, signs: bool) -> Operations:
        """Operations of a layer that grow with its inputs, summed over examples.

        Args:
            s: the layer.
            ann: the network has no time.
            signs: the table has a price for weights of -1 and +1.
        """

    @abstractmethod
    def fixed(self, s: SynapseCounts, *, ann: bool) -> Operations:
        """Operations of a layer that do not depend on its inputs: biases."""

    @abstractmethod
    def neuron(self, n: NeuronCounts) -> Operations:
        """Operations of a layer of neurons."""

    @abstractmethod
    def acs_of_a_spike(self, s: SynapseCounts) -> float:
        """Accumulates of one application if every input neuron fires once."""

    @property
    def memory(self) -> Memory | None:
        """The price of memory traffic, if it is in."""
        return None


@final
@dataclass(frozen=True)
class Paper(Accounting):
    """The accounting of the hybrid-conversion papers: rate times dense MACs.

    In: for an ANN, the dense MACs M of every layer. For an SNN, M r T accumulates for a layer whose
    inputs are spikes of rate r, the head included; M T MACs for a layer with analog inputs (direct
    encoding), or M r T accumulates if the input is Poisson coded, signs included.
    Out: neurons, leaks, biases, memory, and the price of a sign. M has the zeros of the padding in
    it, and r after average pooling is the mean rate of the pooled neurons, so the k x k spikes of a
    pooled cell count as one operation. A layer that reads a sum of spikes of several layers is
    analog. A pool that adds in place of averaging (`convert.sum_pools`) changes nothing.

    Source: Rathi et al. 2020 and Rathi and Roy 2020 count in this way; reconstructed, since the
    paper's own table could not be compared.
    """

    name: ClassVar[str] = "paper"

    def synapse(self, s: SynapseCounts, *, ann: bool, signs: bool) -> Operations:
        del signs
        if ann or not s.spiking:
            return Operations(macs=s.dense)
        return Operations(acs=s.dense * s.rate)

    def fixed(self, s: SynapseCounts, *, ann: bool) -> Operations:
        del s, ann
        return Operations()

    def neuron(self, n: NeuronCounts) -> Operations:
        del n
        return Operations()

    def acs_of_a_spike(self, s: SynapseCounts) -> float:
        return s.dense / s.applications if s.applications else 0.0


@final
@dataclass(frozen=True)
class Strict(Accounting):
    """Everything that a chip which does what the network says would do.

    In, synapses: for spikes, their exact fan-out (the border of a padded map has less; every one of
    the k x k spikes in an averaged cell counts, 1/k^2 being folded into the weights; weights of 0
    count). For analog inputs and ANNs, the exact MACs, zero inputs included. Where the table has a
    price for signs, both are additions in layers with weights of one magnitude.
    In, neurons: an update compares with the threshold (an addition), leaks (a multiplication; an
    addition for 1 - 2^-k; nothing for 1 and 2^-k), and a spike resets (an addition). Currents are
    accumulated in the membrane. A trace adds and leaks, each of its states. In, biases: an addition
    an output and application. In, the head.
    Out: activations of an ANN, pooling, normalisation (folded), the additions of sums of branches,
    the encoder, softmax, control, leakage, and memory unless it is given.
    Not followed: sums of spikes. They take several values, so a layer of weights that reads the sum
    of several layers' spikes (pre-activation blocks) is analog: MACs of all connections at every
    step, more than a chip pays that adds each spike by itself. Sums that neurons read (blocks of
    ResNet) are the input of no weights and count nothing.

    Attributes:
        hold_analog: an analog input that is the same at all steps (direct encoding) is multiplied
            once; its current is then added to the membranes at every step. Off: at every step.
        traffic: price of memory traffic, by the model of `bayesnn_spike.energy.memory`.
    """

    name: ClassVar[str] = "strict"

    hold_analog: bool = False
    traffic: Memory | None = None

    def synapse(self, s: SynapseCounts, *, ann: bool, signs: bool) -> Operations:
        plain = not (signs and s.binary)
        if s.spiking and not ann:
            return Operations(acs=s.synops) if plain else Operations(sign_adds=s.synops)
        share, added = 1.0, 0.0
        if self.hold_analog and s.distinct < s.applications:
            share, added = s.distinct / s.applications, float(s.outputs)
        done = s.connections * share
        products = Operations(macs=done) if plain else Operations(sign_adds=done)
        return products.plus(Operations(acs=added))

    def fixed(self, s: SynapseCounts, *, ann: bool) -> Operations:
        del ann
        return Operations(acs=s.outputs if s.bias else 0)

    def neuron(self, n: NeuronCounts) -> Operations:
        if not n.updates:
            return Operations()
        # A trace adds its input to every state; a neuron compares, and resets where it fired.
        added = n.states if n.analog else n.updates + n.nonzero
        return Operations(acs=added + n.shifts, multiplications=n.multiplications)

    def acs_of_a_spike(self, s: SynapseCounts) -> float:
        return s.connections * s.area / s.applications if s.applications else 0.0

    @property
    def memory(self) -> Memory | None:
        return self.traffic


@final
@dataclass(frozen=True)
class NeuroBench(Accounting):
    """NeuroBench's effective operations, priced (NeuroBench itself gives no energy).

    In: nonzero weights times nonzero inputs, over all steps of an example: accumulates if all
    inputs of the layer are -1, 0 or 1, else MACs, for ANNs and SNNs alike. So averaged spikes are
    MACs, and an ANN is paid for its zeros.
    Out: biases, neurons, memory. NeuroBench judges each call of a layer by itself, we the layer by
    all the data.

    Source: NeuroBench d420b4f, neurobench/metrics/workload/synaptic_operations.py (definition).
    """

    name: ClassVar[str] = "NeuroBench"

    def synapse(self, s: SynapseCounts, *, ann: bool, signs: bool) -> Operations:
        del ann, signs
        return Operations(acs=s.effective) if s.ternary else Operations(macs=s.effective)

    def fixed(self, s: SynapseCounts, *, ann: bool) -> Operations:
        del s, ann
        return Operations()

    def neuron(self, n: NeuronCounts) -> Operations:
        del n
        return Operations()

    def acs_of_a_spike(self, s: SynapseCounts) -> float:
        share = 1 - s.zero_weights / s.weights if s.weights else 1.0
        return s.connections * share / s.applications if s.applications else 0.0


def require_accounting(value: Any) -> None:
    """Raise TypeError unless it is an accounting; the message names ours."""
    if not isinstance(value, Accounting):
        require_kind(value, "accounting", Paper, Strict, NeuroBench)
