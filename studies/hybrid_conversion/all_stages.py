"""The stages of a run by name, in the order in which they can run."""

import binary
import converted
import costs
import mechanism
import quantised
import spiking
from stages import train_ann

STAGES = {
    "ann": train_ann,
    "conversion": converted.as_published,
    "tuned": converted.tuned,
    "local": converted.balanced,
    "choose": spiking.choose,
    "hybrid": spiking.stage("hybrid"),
    "scratch": spiking.stage("scratch"),
    "hybrid_other": spiking.stage("hybrid", others=True),
    "scratch_other": spiking.stage("scratch", others=True),
    "mechanism": mechanism.mechanism,
    "qcfs": quantised.qcfs,
    "binary": binary.binary,
    "energy": costs.energy,
}
