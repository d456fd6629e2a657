"""Strict readers of event recordings: a file is read right or refused, never half.

    stream = read("Train/5/00001.bin")                        # by extension and header
    stream = read_atis("clip.bs2", sensor=DVS_GESTURE)        # or by name
    for recording in iterate("Train"): ...                    # label from the folder

A refusal is an `EventFileError` with file, place, what was found and what was expected. Where
real files are known to break a rule, the caller can accept it by name: `on_backwards=Sort()`.
"""

from bayesnn_spike.events.readers.aedat2 import read_aedat2 as read_aedat2
from bayesnn_spike.events.readers.aedat3 import read_aedat3 as read_aedat3
from bayesnn_spike.events.readers.atis import read_atis as read_atis
from bayesnn_spike.events.readers.folder import Entry as Entry
from bayesnn_spike.events.readers.folder import Recording as Recording
from bayesnn_spike.events.readers.folder import iterate as iterate
from bayesnn_spike.events.readers.folder import scan as scan
from bayesnn_spike.events.readers.formats import FORMATS as FORMATS
from bayesnn_spike.events.readers.formats import Format as Format
from bayesnn_spike.events.readers.formats import detect as detect
from bayesnn_spike.events.readers.formats import read as read
from bayesnn_spike.events.readers.gesture import GESTURES as GESTURES
from bayesnn_spike.events.readers.gesture import Clip as Clip
from bayesnn_spike.events.readers.gesture import GestureLabel as GestureLabel
from bayesnn_spike.events.readers.gesture import GestureRecording as GestureRecording
from bayesnn_spike.events.readers.gesture import read_gesture as read_gesture
from bayesnn_spike.events.readers.gesture import read_gesture_labels as read_gesture_labels
from bayesnn_spike.events.readers.npz import read_npz as read_npz
from bayesnn_spike.events.readers.policies import Advance as Advance
from bayesnn_spike.events.readers.policies import Cut as Cut
from bayesnn_spike.events.readers.policies import Drop as Drop
from bayesnn_spike.events.readers.policies import OnBackwards as OnBackwards
from bayesnn_spike.events.readers.policies import Refuse as Refuse
from bayesnn_spike.events.readers.policies import Sort as Sort
from bayesnn_spike.events.readers.policies import Unwrap as Unwrap
from bayesnn_spike.events.readers.recordings import Recordings as Recordings
from bayesnn_spike.events.readers.sensors import COCHLEA as COCHLEA
from bayesnn_spike.events.readers.sensors import DVS128 as DVS128
from bayesnn_spike.events.readers.sensors import DVS_GESTURE as DVS_GESTURE
from bayesnn_spike.events.readers.sensors import NMNIST as NMNIST
from bayesnn_spike.events.readers.sensors import Sensor as Sensor
from bayesnn_spike.events.readers.shd import read_shd as read_shd
