"""Tocco's VST3 in pedalboard: in_pedalboard.py BUNDLE"""

import sys

import numpy as np
import pedalboard

from sound import RATE, check, hits

bundle = sys.argv[1]
tocco = pedalboard.load_plugin(bundle)
check("loads", tocco.name == "Tocco", tocco.name)
for channels in (1, 2):
    sound = hits(channels)
    for block in (64, 512, 8192):
        out = tocco.process(sound, RATE, buffer_size=block, reset=True)
        check(f"{channels} channels in blocks of {block} pass bit for bit", np.array_equal(out, sound))
# What a plugin tells by its parameters does not arrive here, what it plays does.
tocco.parameters["voices"].raw_value = 1.0
sound = hits()
out = tocco.process(sound, RATE, buffer_size=64, reset=True)
loudest = np.abs(out - sound).max()
check("hits are answered by voices", loudest > 0.1, loudest)
tocco.sensitivity = 61.0
again = pedalboard.load_plugin(bundle)
again.raw_state = tocco.raw_state
check("the state comes back, saved before the next block", again.sensitivity == 61.0, again.sensitivity)
