"""The networks of a study, as configuration; the keys are those of the models' functions."""

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from bayesnn_spike.study.strict import Strict
from bayesnn_spike.study.values import NeuronName

Sizes = Annotated[tuple[PositiveInt, ...], Field(min_length=1)]


class Mlp(Strict):
    """`bayesnn_spike.models.mlp`: fully connected, one readout.

    Attributes:
        hidden: units of each hidden layer.
        neuron: `lif` or `if`, with options.
        gain_in, gain_hidden, gain_out: multiply the currents of the first layer, of the layers
            between, and of the readout. The last is a temperature: every rule has its own
            (`rules.NAME.gain_out`).
        dropout: rate behind every neuron layer. A single network then answers by Monte-Carlo
            dropout, too.
    """

    model: Literal["mlp"] = "mlp"
    hidden: Sizes = (256,)
    neuron: NeuronName = "lif"
    gain_in: PositiveFloat = 4.0
    gain_hidden: PositiveFloat = 2.0
    gain_out: PositiveFloat = 4.0
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0


class LocalMlp(Strict):
    """`bayesnn_spike.models.local_mlp`: BiSNN's network, a fixed random readout a layer.

    Attributes:
        hidden: units of each layer.
        n_out: readout units; null is one a class, 1 is the logit of two classes.
        tau_mem, tau_syn, tau_ref: time constants, in steps.
        v_threshold: 0 as released.
        readout_seed: of the fixed readouts; the same in all cells.
    """

    model: Literal["local_mlp"]
    hidden: Sizes = (256, 256)
    n_out: PositiveInt | None = None
    tau_mem: PositiveFloat = 10.0
    tau_syn: PositiveFloat = 6.0
    tau_ref: PositiveFloat = 2.0
    v_threshold: float = 0.0
    readout_seed: NonNegativeInt = 0


class LeNet(Strict):
    """`bayesnn_spike.models.lenet`: BiSNN's convolutional network, a fixed random readout a block.

    Attributes:
        channels: of each block; `pools` as many, the sides of the max pooling.
        kernel: side of the kernels, odd.
        bias: binary biases.
        n_out, tau_mem, tau_syn, tau_ref, readout_seed: as in `local_mlp`.
    """

    model: Literal["lenet"]
    n_out: PositiveInt | None = None
    channels: Sizes = (64, 128, 128)
    kernel: PositiveInt = 7
    pools: Sizes = (2, 1, 2)
    bias: bool = True
    tau_mem: PositiveFloat = 10.0
    tau_syn: PositiveFloat = 6.0
    tau_ref: PositiveFloat = 2.0
    readout_seed: NonNegativeInt = 0


Network = Annotated[Mlp | LocalMlp | LeNet, Field(discriminator="model")]


def description(network: Mlp | LocalMlp | LeNet) -> dict[str, Any]:
    """Return the network as `bayesnn_spike.export.network.build_network` takes it."""
    return {k: v for k, v in network.model_dump(mode="json").items() if v is not None}
