"""Numbers into spike trains: rate, latency and population codes, or the numbers as they are."""

from bayesnn_spike.encoding.direct import Direct as Direct
from bayesnn_spike.encoding.direct import direct as direct
from bayesnn_spike.encoding.latency import Charging as Charging
from bayesnn_spike.encoding.latency import Linear as Linear
from bayesnn_spike.encoding.latency import latency as latency
from bayesnn_spike.encoding.population import population as population
from bayesnn_spike.encoding.rate import rate as rate
from bayesnn_spike.encoding.rate import rate_rows as rate_rows
from bayesnn_spike.encoding.signed_rate import SignedRate as SignedRate
from bayesnn_spike.encoding.signed_rate import signed_rate as signed_rate
