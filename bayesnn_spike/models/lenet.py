"""The convolutional network of BiSNN for MNIST-DVS and DVS-Gesture."""

from bayesnn_spike.neurons import Refractory, SynapticTrace
from bayesnn_spike.nn import Conv2d, LocalReadouts, Sequential
from bayesnn_spike.rng import Stream


def lenet(
    shape: tuple[int, int, int] = (2, 26, 26),
    n_out: int = 10,
    *,
    stream: Stream,
    channels: tuple[int, ...] = (64, 128, 128),
    kernel: int = 7,
    pools: tuple[int, ...] = (2, 1, 2),
    bias: bool = True,
    tau_mem: float = 10.0,
    tau_syn: float = 6.0,
    tau_ref: float = 2.0,
) -> LocalReadouts:
    """Build three blocks of (trace, 7x7 convolution, max pooling, spike-response neuron).

    Args:
        shape: polarities, height and width of the input.
        n_out: classes C.
        stream: draws the fixed local readouts.
        channels: of every block; `pools` as many.
        kernel: side of the kernels; padding keeps the size (an odd number).
        pools: side of the max pooling of each block, 1 for none.
        bias: binary biases, scaled as the weights.
        tau_mem: membrane time constant, in steps.
        tau_syn: synaptic time constant, in steps.
        tau_ref: refractory time constant, in steps.

    Raises:
        ValueError: an even kernel, or another number of pools than channels.

    Source: kclip/BayesBiSNN model/LeNet.py at paper time (structure only).
    Oracle: tests/models/test_lenet.py.
    """
    if kernel % 2 == 0:
        raise ValueError(f"kernel must be odd so that padding keeps the map's size, got {kernel}")
    if len(pools) != len(channels):
        raise ValueError(f"{len(channels)} channels but {len(pools)} pools")
    before, height, width = shape
    blocks, sizes = [], []
    for after, pool in zip(channels, pools, strict=True):
        blocks.append(
            Sequential(
                trace=SynapticTrace(tau_mem=tau_mem, tau_syn=tau_syn, feature_dims=3),
                synapse=Conv2d(before, after, kernel, padding=kernel // 2, bias=bias),
                neuron=Refractory(tau_ref=tau_ref, pool=pool, feature_dims=3),
            )
        )
        before, height, width = after, height // pool, width // pool
        sizes.append((after, height, width))
    return LocalReadouts(blocks, sizes=sizes, n_out=n_out, stream=stream)
