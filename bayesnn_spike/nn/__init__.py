"""Layers that carry the leading axes `[*K, T, B]`, and the container that threads state."""

from bayesnn_spike.nn.dropout import Dropout as Dropout
from bayesnn_spike.nn.dropout import dropout_noise as dropout_noise
from bayesnn_spike.nn.dropout import has_dropout as has_dropout
from bayesnn_spike.nn.graph import Add as Add
from bayesnn_spike.nn.graph import Graph as Graph
from bayesnn_spike.nn.graph import Node as Node
from bayesnn_spike.nn.layers import Conv2d as Conv2d
from bayesnn_spike.nn.layers import Flatten as Flatten
from bayesnn_spike.nn.layers import Fold as Fold
from bayesnn_spike.nn.layers import Linear as Linear
from bayesnn_spike.nn.local import LocalReadouts as LocalReadouts
from bayesnn_spike.nn.sequential import Sequential as Sequential
from bayesnn_spike.nn.state import at_rest as at_rest
from bayesnn_spike.nn.state import map_state as map_state
