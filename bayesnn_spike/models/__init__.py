"""The papers' networks, built from layers and neurons, and the plain networks that convert."""

from bayesnn_spike.models.ann import FanIn as FanIn
from bayesnn_spike.models.ann import Published as Published
from bayesnn_spike.models.ann import StreamDropout as StreamDropout
from bayesnn_spike.models.ann import reseed as reseed
from bayesnn_spike.models.lenet import lenet as lenet
from bayesnn_spike.models.mlp import local_mlp as local_mlp
from bayesnn_spike.models.mlp import mlp as mlp
from bayesnn_spike.models.resnet import ResNetForm as ResNetForm
from bayesnn_spike.models.resnet import resnet as resnet
from bayesnn_spike.models.small import small_resnet as small_resnet
from bayesnn_spike.models.small import small_vgg as small_vgg
from bayesnn_spike.models.vgg import VggForm as VggForm
from bayesnn_spike.models.vgg import vgg as vgg
