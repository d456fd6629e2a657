"""Markov chains over binary weights: exact in the limit, many chains in one run of the network."""

from bayesnn_spike.learn.mcmc.chains import Chains as Chains
from bayesnn_spike.learn.mcmc.chains import RunState as RunState
from bayesnn_spike.learn.mcmc.chains import run_chains as run_chains
from bayesnn_spike.learn.mcmc.error import batch_means_error as batch_means_error
from bayesnn_spike.learn.mcmc.flips import Gibbs as Gibbs
from bayesnn_spike.learn.mcmc.flips import GibbsWithGradients as GibbsWithGradients
from bayesnn_spike.learn.mcmc.flips import SingleFlip as SingleFlip
from bayesnn_spike.learn.mcmc.kernel import ChainState as ChainState
from bayesnn_spike.learn.mcmc.kernel import Density as Density
from bayesnn_spike.learn.mcmc.kernel import Kernel as Kernel
from bayesnn_spike.learn.mcmc.tempered import Tempered as Tempered
