"""How the neurons of a converted network work, as one value."""

from dataclasses import dataclass
from typing import final

from bayesnn_spike.checks import require_interval, require_positive, require_whole
from bayesnn_spike.neurons import Above, AtOrAbove
from bayesnn_spike.neurons.threshold_neuron import require_firing
from bayesnn_spike.ops.fire.spike_time import Immediate, LinearRatio, Order, RatioSurrogate


@final
@dataclass(frozen=True)
class NeuronOptions:
    """Options of every `ThresholdNeuron`; thresholds come from the conversion.

    Attributes:
        order: Immediate() (default) or Delayed(), the paper's, with one step of latency a layer.
        v_init: the membrane at rest as a part of the threshold: 0 as published, 1/2 makes the rate
            a rounded and not a floored one.
        shift_steps: T of a constant current V / (2 T) into every neuron, for runs of T steps: what
            v_init = 1/2 gives at once, spread over them. It is part of the biases from the
            conversion on; thresholds are found without it. None is no current. With it v_init
            must be 0.
        leak: factor of the membrane a step, in (0, 1]. Thresholds are always found without leak.
        surrogate: LinearRatio() or SpikeTime(), for training after the conversion.
        comparison: Above() or AtOrAbove(); None is the neuron's choice for the order.
        learn_threshold: thresholds are parameters.
        learn_leak: leaks are parameters.

    Raises:
        TypeError: an order, a surrogate or a comparison that is none of the values named above.
        ValueError: a number out of its range, `shift_steps` that is not whole, or `shift_steps`
            together with a v_init above 0.

    Source: Rathi et al., ICLR 2020; v_init = 1/2 as in Bu et al., AAAI 2022; V / (2 T) as in Deng
    and Gu, ICLR 2021, as restated in the literature.
    Oracle: tests/convert/test_build.py, tests/convert/test_bias.py.
    """

    order: Order = Immediate()
    v_init: float = 0.0
    shift_steps: int | None = None
    leak: float = 1.0
    surrogate: RatioSurrogate = LinearRatio()
    comparison: Above | AtOrAbove | None = None
    learn_threshold: bool = False
    learn_leak: bool = False

    def __post_init__(self) -> None:
        require_firing(self.order, self.surrogate, self.comparison, prefix="NeuronOptions.")
        require_interval(self.v_init, "NeuronOptions.v_init", 0.0, 1.0)
        if self.shift_steps is not None:
            require_whole(self.shift_steps, "NeuronOptions.shift_steps")
            if self.v_init > 0:
                raise ValueError(
                    f"NeuronOptions has v_init={self.v_init:g} and shift_steps={self.shift_steps}: "
                    "each of them makes the rate a rounded one, and both together shift it twice; "
                    "take one of them"
                )
        require_interval(self.leak, "NeuronOptions.leak", 0.0, 1.0)
        require_positive(self.leak, "NeuronOptions.leak")
