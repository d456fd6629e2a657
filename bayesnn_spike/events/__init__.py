"""Recordings of event cameras: the stream, its readers, and binning that conserves counts.

    stream = readers.read("Train/5/00001.bin")
    spikes, report = bin_events(stream, bins=10)     # [T, P, H, W]

Nothing is lost unsaid: a reader refuses a damaged file, and `report` accounts for every event.
"""

from bayesnn_spike.events import readers as readers
from bayesnn_spike.events.binning import Binary as Binary
from bayesnn_spike.events.binning import BinReport as BinReport
from bayesnn_spike.events.binning import Counts as Counts
from bayesnn_spike.events.binning import bin_events as bin_events
from bayesnn_spike.events.errors import EventError as EventError
from bayesnn_spike.events.errors import EventFileError as EventFileError
from bayesnn_spike.events.stream import EventStream as EventStream
