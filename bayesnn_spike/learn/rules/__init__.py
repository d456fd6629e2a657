"""Learning rules, one file a rule, and the combinators over them."""

from bayesnn_spike.learn.rules.bayes_bisnn import BayesBiSNN as BayesBiSNN
from bayesnn_spike.learn.rules.bayes_bisnn import consolidate as consolidate
from bayesnn_spike.learn.rules.bop import Bop as Bop
from bayesnn_spike.learn.rules.by_group import ByGroup as ByGroup
from bayesnn_spike.learn.rules.ensemble import Ensemble as Ensemble
from bayesnn_spike.learn.rules.ewc import EWC as EWC
from bayesnn_spike.learn.rules.gradient import Gradient as Gradient
from bayesnn_spike.learn.rules.importance_weighted import (
    ImportanceWeighted as ImportanceWeighted,
)
from bayesnn_spike.learn.rules.ivon import IVON as IVON
from bayesnn_spike.learn.rules.st_bisnn import StBiSNN as StBiSNN
from bayesnn_spike.learn.rules.straight_through import StraightThrough as StraightThrough
