"""Two small networks for images of 28 x 28 pixels that train on a CPU in minutes.

Oracle: tests/models/test_small.py.
"""

from torch import nn

from bayesnn_spike.models.ann import FanIn, Published
from bayesnn_spike.models.resnet import ResNetForm, resnet
from bayesnn_spike.models.vgg import VggForm, vgg
from bayesnn_spike.rng import Stream

SMALL_VGG = VggForm(((32,), (64, 64)), last_pool=True, hidden=(256,))
SMALL_RESNET = ResNetForm((1, 2), (32, 64), stem=(32,))


def small_vgg(
    n_out: int = 10,
    *,
    stream: Stream,
    shape: tuple[int, int, int] = (1, 28, 28),
    dropout: float = 0.2,
    dropout_fc: float = 0.5,
    init: Published | FanIn = FanIn(head_gain=0.5),
) -> nn.Sequential:
    """Build 32C3-AP2-64C3-64C3-AP2-FC256-head: 860,960 weights, 11.9 million MACs.

    Arguments as of `vgg`. Dropout lies behind the second convolution and the hidden layer. Four
    layers spike.
    """
    return vgg(
        SMALL_VGG,
        n_out,
        stream=stream,
        shape=shape,
        dropout=dropout,
        dropout_fc=dropout_fc,
        init=init,
    )


def small_resnet(
    n_out: int = 10,
    *,
    stream: Stream,
    shape: tuple[int, int, int] = (1, 28, 28),
    dropout: float = 0.2,
    init: Published | FanIn = FanIn(head_gain=0.5),
) -> nn.Sequential:
    """Build 32C3-AP2, blocks 32, 64 (halving) and 64, head: 181,152 weights, 10.3 million MACs.

    Arguments as of `resnet`. Two shortcuts are the identity and one is a 1x1 convolution; seven
    layers spike.
    """
    return resnet(SMALL_RESNET, n_out, stream=stream, shape=shape, dropout=dropout, init=init)
