"""What the hosts play: hits that decay, half a second apart, between them silence."""

import numpy as np

RATE = 48_000
HITS = 6


def hits(channels=2):
    """[channels, samples] of float32, the same each time."""
    random = np.random.default_rng(1)
    length = RATE // 2
    decay = np.exp(-np.arange(length) / (0.02 * RATE))
    hit = 0.5 * decay * random.uniform(-1, 1, length)
    silence = np.zeros(RATE // 4)
    sound = np.concatenate([silence] + HITS * [hit]).astype(np.float32)
    return np.tile(sound, (channels, 1))


def check(what, passed, found=""):
    """Says what was checked; ends with 1 if it does not hold."""
    if not passed:
        raise SystemExit(f"failed: {what}: {found}")
    print(f"ok: {what}", flush=True)
