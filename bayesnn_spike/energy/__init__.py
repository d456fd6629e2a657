"""What an inference costs: operations counted on real data, priced by tables that are values.

counts = count(network, spikes)                      # or count_ann(ann, images)
print(cost(counts, FP32, Strict()))                  # joules, layer by layer
print(compare(counts, count_ann(ann, images)))       # ANN and SNN, with break-even rates
"""

from bayesnn_spike.energy.accounting import Accounting as Accounting
from bayesnn_spike.energy.accounting import NeuroBench as NeuroBench
from bayesnn_spike.energy.accounting import Operations as Operations
from bayesnn_spike.energy.accounting import Paper as Paper
from bayesnn_spike.energy.accounting import Strict as Strict
from bayesnn_spike.energy.compare import Comparison as Comparison
from bayesnn_spike.energy.compare import LayerComparison as LayerComparison
from bayesnn_spike.energy.compare import compare as compare
from bayesnn_spike.energy.cost import Energy as Energy
from bayesnn_spike.energy.cost import LayerEnergy as LayerEnergy
from bayesnn_spike.energy.cost import cost as cost
from bayesnn_spike.energy.count import count as count
from bayesnn_spike.energy.count import count_ann as count_ann
from bayesnn_spike.energy.counts import Counts as Counts
from bayesnn_spike.energy.counts import NeuronCounts as NeuronCounts
from bayesnn_spike.energy.counts import SynapseCounts as SynapseCounts
from bayesnn_spike.energy.memory import DRAM as DRAM
from bayesnn_spike.energy.memory import SRAM_1MB as SRAM_1MB
from bayesnn_spike.energy.memory import SRAM_8KB as SRAM_8KB
from bayesnn_spike.energy.memory import Memory as Memory
from bayesnn_spike.energy.memory import Traffic as Traffic
from bayesnn_spike.energy.memory import TrafficTable as TrafficTable
from bayesnn_spike.energy.memory import Words as Words
from bayesnn_spike.energy.memory import traffic as traffic
from bayesnn_spike.energy.neurobench import neurobench_metrics as neurobench_metrics
from bayesnn_spike.energy.tables import FP16 as FP16
from bayesnn_spike.energy.tables import FP32 as FP32
from bayesnn_spike.energy.tables import INT8 as INT8
from bayesnn_spike.energy.tables import INT8_ADD as INT8_ADD
from bayesnn_spike.energy.tables import INT16_ADD as INT16_ADD
from bayesnn_spike.energy.tables import INT32 as INT32
from bayesnn_spike.energy.tables import INT32_ADD as INT32_ADD
from bayesnn_spike.energy.tables import Adder as Adder
from bayesnn_spike.energy.tables import CostTable as CostTable
