"""NeuroBench's metrics under NeuroBench's names, from the same counts.

Source: NeuroBench d420b4f, definitions of neurobench/metrics (Apache-2.0; no code of it).
Oracle: tests/energy/test_neurobench.py.
"""

from bayesnn_spike.checks import require_kind
from bayesnn_spike.energy.accounting import NeuroBench
from bayesnn_spike.energy.counts import Counts


def neurobench_metrics(counts: Counts) -> dict[str, float | None]:
    """Return what an example costs in operations, sparsities, and the size of the network.

    Summed over all steps and draws of an example:

    - Effective_MACs, Effective_ACs: nonzero weights times nonzero inputs, ACs in layers whose
      inputs are all -1, 0 or 1. Dense: all weights and inputs, but no padding. Biases are in none.
    - membrane_updates: all neurons at the first step, and the membranes that a reset changes at the
      others, which for our neurons are the spikes. Traces have no reset and are out; 0 for an ANN.

    Shares of zeros:

    - activation_sparsity: of what neurons and activation modules returned. None where none was
      seen: an activation that is called as a function (`F.relu`) is not.
    - connection_sparsity: of the weights, of all draws.

    Of one network, whatever the draws; None for `Counts.as_ann()`, which is of no network:

    - parameter_count: numbers among the parameters.
    - footprint: bytes of parameters and buffers as the module keeps them (a sign in 32 bits as
      well).

    Raises:
        TypeError: something else than counts.
    """
    require_kind(counts, "counts", Counts)
    found = [NeuroBench().synapse(s, ann=counts.ann, signs=False) for s in counts.synapses]
    outputs = sum(n.outputs for n in counts.neurons)
    nonzero = sum(n.nonzero for n in counts.neurons)
    weights = sum(s.weights for s in counts.synapses)
    membranes = sum(n.membrane_updates for n in counts.neurons if not n.analog)
    return {
        "Effective_MACs": sum(f.macs for f in found) / counts.examples,
        "Effective_ACs": sum(f.acs for f in found) / counts.examples,
        "Dense": sum(s.connections for s in counts.synapses) / counts.examples,
        "membrane_updates": membranes / counts.examples,
        "activation_sparsity": 1 - nonzero / outputs if outputs else None,
        "connection_sparsity": sum(s.zero_weights for s in counts.synapses) / weights
        if weights
        else 0.0,
        "parameter_count": counts.parameters,
        "footprint": counts.footprint,
    }
