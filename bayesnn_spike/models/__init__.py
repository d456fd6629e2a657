"""The papers' networks, built from layers and neurons."""

from bayesnn_spike.models.lenet import lenet as lenet
from bayesnn_spike.models.mlp import local_mlp as local_mlp
from bayesnn_spike.models.mlp import mlp as mlp
