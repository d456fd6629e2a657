"""Weights that are more than a tensor: what stands in a layer in place of numbers."""

from bayesnn_spike.weights.apply import pack_spikes as pack_spikes
from bayesnn_spike.weights.current import LazyCurrent as LazyCurrent
from bayesnn_spike.weights.file import load_signs as load_signs
from bayesnn_spike.weights.file import save_signs as save_signs
from bayesnn_spike.weights.lazy import held_bytes as held_bytes
from bayesnn_spike.weights.lazy import is_lazy as is_lazy
from bayesnn_spike.weights.perturbed import FlipoutWeight as FlipoutWeight
from bayesnn_spike.weights.perturbed import LocalWeight as LocalWeight
from bayesnn_spike.weights.signs import DrawnSigns as DrawnSigns
from bayesnn_spike.weights.signs import SignTensor as SignTensor
from bayesnn_spike.weights.signs import dense as dense
from bayesnn_spike.weights.signs import is_signs as is_signs
from bayesnn_spike.weights.signs import pack_signs as pack_signs
from bayesnn_spike.weights.spikes import SpikeTensor as SpikeTensor
from bayesnn_spike.weights.trained import SignLeaf as SignLeaf
from bayesnn_spike.weights.trained import sign_leaves as sign_leaves
