"""Learning: draw weights, give credit, take a step."""

from bayesnn_spike.learn.chunks import Accumulate as Accumulate
from bayesnn_spike.learn.chunks import StepEach as StepEach
from bayesnn_spike.learn.credit import Credit as Credit
from bayesnn_spike.learn.learner import Info as Info
from bayesnn_spike.learn.learner import Learner as Learner
from bayesnn_spike.learn.learner import LearnerState as LearnerState
from bayesnn_spike.learn.learner import learner as learner
from bayesnn_spike.learn.losses import Local as Local
from bayesnn_spike.learn.losses import RateCrossEntropy as RateCrossEntropy
from bayesnn_spike.learn.losses import StepCrossEntropy as StepCrossEntropy
from bayesnn_spike.learn.losses import SummedCrossEntropy as SummedCrossEntropy
from bayesnn_spike.learn.rule import Draw as Draw
from bayesnn_spike.learn.rule import Rule as Rule
from bayesnn_spike.learn.schedule import Constant as Constant
from bayesnn_spike.learn.schedule import Cosine as Cosine
from bayesnn_spike.learn.temperature import Temperature as Temperature
