"""What the engine costs: cases, baselines, clocks and the limits of the machine.

`benchmarks/README.md` says what is timed, against whom and how; `bayesnn-spike bench` runs it.
"""
