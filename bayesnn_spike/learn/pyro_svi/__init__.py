"""Pyro around our networks: binary weights as sites, its evidence bounds, a learner of its SVI.

    learn = pyro_svi(PyroSvi(Temperature(N)), network, loss, example=batch)    ours, ready made
    learn = svi(model, guide, elbo, example=batch)                      a model of one's own

docs/pyro.md shows both. Pyro is an optional dependency, imported by this package only.
"""

try:
    import pyro as _pyro
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "inference by Pyro needs pyro-ppl, which is not installed: "
        "pip install 'bayesnn_spike[bayes]'",
        name="pyro",
    ) from error

from bayesnn_spike.learn.pyro_svi.elbo import DecayingAverage as DecayingAverage
from bayesnn_spike.learn.pyro_svi.elbo import Enumerated as Enumerated
from bayesnn_spike.learn.pyro_svi.elbo import Neural as Neural
from bayesnn_spike.learn.pyro_svi.elbo import RelaxedStraightThrough as RelaxedStraightThrough
from bayesnn_spike.learn.pyro_svi.elbo import TraceGraph as TraceGraph
from bayesnn_spike.learn.pyro_svi.learner import PyroSvi as PyroSvi
from bayesnn_spike.learn.pyro_svi.learner import SviLearner as SviLearner
from bayesnn_spike.learn.pyro_svi.learner import pyro_svi as pyro_svi
from bayesnn_spike.learn.pyro_svi.learner import svi as svi
from bayesnn_spike.learn.pyro_svi.model import likelihood as likelihood
from bayesnn_spike.learn.pyro_svi.model import pyro_model as pyro_model
from bayesnn_spike.learn.pyro_svi.model import sample_signs as sample_signs
from bayesnn_spike.learn.pyro_svi.run import SviState as SviState
from bayesnn_spike.learn.pyro_svi.signs import Signs as Signs

del _pyro
