"""Operations over the whole time loop, each with a plain reference that is its oracle."""

from bayesnn_spike.ops._dispatch import Implementation as Implementation
from bayesnn_spike.ops._dispatch import Op as Op
from bayesnn_spike.ops._dispatch import RefusedError as RefusedError
from bayesnn_spike.ops._dispatch import explain as explain
from bayesnn_spike.ops._dispatch import only as only
from bayesnn_spike.ops._dispatch import wanted as wanted
from bayesnn_spike.ops.precision import BFloat16 as BFloat16
from bayesnn_spike.ops.precision import Float32 as Float32
from bayesnn_spike.ops.precision import Precision as Precision
