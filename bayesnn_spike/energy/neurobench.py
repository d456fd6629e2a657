"""NeuroBench's metrics under NeuroBench's names, from the same counts.

Source: NeuroBench d420b4f, definitions of neurobench/metrics (Apache-2.0; no code of it).
Oracle: tests/energy/test_neurobench.py.
"""

from bayesnn_spike.energy.accounting import NeuroBench
from bayesnn_spike.energy.counts import Counts


def neurobench_metrics(counts: Counts) -> dict[str, float]:
    """Return synaptic operations an example, and sparsities.

    Effective operations are nonzero weights times nonzero inputs: ACs in layers whose inputs are
    all -1, 0 or 1, else MACs. Dense has all weights and inputs, but no padding. Biases are in none.
    All steps (and all draws) of an example are summed. Activation sparsity is the share of zeros
    that neurons and activation modules returned, connection sparsity that of zero weights; each is
    0 where there is nothing to share. "Membrane updates" has no counterpart: NeuroBench counts
    changes by reset after the first step, which for our neurons are the spikes.
    """
    found = [NeuroBench().synapse(s, ann=counts.ann, signs=False) for s in counts.synapses]
    outputs = sum(n.outputs for n in counts.neurons)
    weights = sum(s.weights for s in counts.synapses)
    return {
        "Effective_MACs": sum(f.macs for f in found) / counts.examples,
        "Effective_ACs": sum(f.acs for f in found) / counts.examples,
        "Dense": sum(s.connections for s in counts.synapses) / counts.examples,
        "activation_sparsity": 1 - sum(n.nonzero for n in counts.neurons) / outputs
        if outputs
        else 0.0,
        "connection_sparsity": sum(s.zero_weights for s in counts.synapses) / weights
        if weights
        else 0.0,
    }
