"""Tocco's VST3 in DawDreamer: in_dawdreamer.py BUNDLE"""

import os
import sys
import tempfile

import dawdreamer
import numpy as np

from sound import HITS, RATE, check, hits

bundle = sys.argv[1]


def numbers(tocco):
    """The number of each parameter, by name."""
    return {p["name"]: p["index"] for p in tocco.get_parameters_description()}


def rendered(block):
    """What comes out of the hits in blocks of so many samples, and the plugin."""
    engine = dawdreamer.RenderEngine(RATE, block)
    sound = hits()
    source = engine.make_playback_processor("hits", sound)
    tocco = engine.make_plugin_processor("tocco", bundle)
    engine.load_graph([(source, []), (tocco, ["hits"])])
    engine.render(sound.shape[1] / RATE)
    return engine, tocco, engine.get_audio(), sound


for block in (64, 512, 2048):
    engine, tocco, out, sound = rendered(block)
    length = min(out.shape[1], sound.shape[1])
    same = np.array_equal(out[:, :length], sound[:, :length])
    check(f"blocks of {block} pass bit for bit", same and length > RATE, length)
    heard = tocco.get_parameter_text(numbers(tocco)["Notes heard"])
    check(f"{HITS} hits are heard in them", float(heard) == HITS, heard)

engine = dawdreamer.RenderEngine(RATE, 64)
tocco = engine.make_plugin_processor("tocco", bundle)
sensitivity = numbers(tocco)["Sensitivity"]
tocco.set_parameter(sensitivity, 0.61)
with tempfile.TemporaryDirectory() as folder:
    state = os.path.join(folder, "state")
    tocco.save_state(state)
    again = engine.make_plugin_processor("again", bundle)
    again.load_state(state)
    text = again.get_parameter_text(sensitivity)
check("the state comes back, saved before the first block", text.startswith("61"), text)
