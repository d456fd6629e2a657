"""How thresholds are found, as values with one method `find`."""

from bayesnn_spike.convert.thresholds.balance import Maximum as Maximum
from bayesnn_spike.convert.thresholds.balance import Percentile as Percentile
from bayesnn_spike.convert.thresholds.bounds import Qcfs as Qcfs
from bayesnn_spike.convert.thresholds.local import LocalBalance as LocalBalance
