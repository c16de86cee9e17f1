#!/usr/bin/env python3
"""Slow, independent reference for the features of the presets `timbreid` and `timbreid-48k`.

Double precision, sums written out as in the definitions, the standard library only.

    python3 reference.py write            writes timbreid.csv and timbreid-48k.csv beside this file
    python3 reference.py check SHARED     compares with the golden vectors of the paper's authors

The definitions are those of timbreID (GitHub wbrent/timbreIDLib) in the C++ port of the paper's
authors (GitHub domenicostefani/cpp-timbreID).
"""

import csv
import math
import struct
import sys
import wave
from pathlib import Path

HERE = Path(__file__).resolve().parent
RATE, BLOCK, WINDOW, SEARCH = 48_000, 64, 704, 882
BINS = WINDOW // 2 + 1
PRESETS = {"timbreid": 44_100.0, "timbreid-48k": 48_000.0}
SHARED_NAMES = {
    "timbreid": "timbreid_plugin_exact.csv",
    "timbreid-48k": "timbreid_48k_filterbanks.csv",
}

COSINE = [math.cos(2 * math.pi * i / WINDOW) for i in range(WINDOW)]
SINE = [math.sin(2 * math.pi * i / WINDOW) for i in range(WINDOW)]


def synthetic_signal():
    """The signal of `synthetic_signal` in ../synthetic.rs: whole numbers only, so that both agree.

    A segment: its length in samples, the amplitude, the decay (a right shift), the step of a
    triangle wave (of 65536 a period), the shares of triangle and noise.
    """
    segments = [
        (1_500, 9_000, 9, 1_700, 3, 1),
        (1_500, 0, 9, 0, 0, 0),
        (1_600, 20_000, 8, 137, 6, 1),
        (1_600, 12_000, 10, 5_003, 3, 2),
        (1_600, 14_000, 30, 911, 0, 5),
        (1_600, 30, 30, 911, 2, 3),
        (1_600, 3_000, 7, 410, 1, 6),
    ]
    samples, state = [], 1
    for length, amplitude, decay, step, tone, noise in segments:
        for i in range(length):
            state = (1_664_525 * state + 1_013_904_223) % 2**32
            triangle = 2 * abs(i * step % 65_536 - 32_768) - 32_768
            hiss = (state >> 16) - 32_768
            samples.append(((tone * triangle + noise * hiss) * amplitude >> 10) / 2**23)
            amplitude -= amplitude >> decay
    return samples


SYNTHETIC_BLOCKS = [7, 14, 27, 41, 56, 62, 80, 96, 121, 148, 160]


def history(samples, block, length):
    """The newest `length` samples after block `block`, silence before the first."""
    end = (block + 1) * BLOCK
    return [samples[i] if i >= 0 else 0.0 for i in range(end - length, end)]


def magnitudes(window):
    single = lambda value: struct.unpack("f", struct.pack("f", value))[0]
    a, b = single(0.42), single(0.08)
    windowed = [
        single(a - 0.5 * COSINE[i] + b * COSINE[2 * i % WINDOW]) * x for i, x in enumerate(window)
    ]
    result = []
    for k in range(BINS):
        re = math.fsum(x * COSINE[i * k % WINDOW] for i, x in enumerate(windowed))
        im = math.fsum(x * SINE[i * k % WINDOW] for i, x in enumerate(windowed))
        result.append(math.hypot(re, im))
    return result


def bands(spectrum, to_hertz, spacing, highest, rate):
    bounds, z = [], 0.0
    while z <= highest and to_hertz(z) <= rate / 2:
        bounds.append(to_hertz(z))
        z += spacing
    frequencies = [k * rate / WINDOW for k in range(BINS)]
    nearest = [min(range(BINS), key=lambda k: abs(frequencies[k] - f)) for f in bounds]
    result = []
    for left, middle, right in zip(nearest, nearest[1:], nearest[2:]):
        total = 0.0
        for k in range(left, right + 1):
            if right == left:
                weight = 1.0
            elif right == left + 1:
                weight = 0.5
            elif k <= middle:
                weight = (k - left) / (middle - left)
            else:
                weight = (right - k) / (right - middle)
            total += weight * spectrum[k]
        result.append(total)
    return result


def normalised(values):
    total = sum(values)
    return [value / total if total else 0.0 for value in values]


def cosine_transform(values):
    n = len(values)
    return [
        math.fsum(v * math.cos(math.pi / n * i * (k + 0.5)) for k, v in enumerate(values))
        for i in range(n)
    ]


def cepstrum(spectrum):
    logs = [math.log(m) if m else 0.0 for m in spectrum]
    mirrored = logs + logs[-2:0:-1]
    return [
        math.fsum(log * COSINE[n * k % WINDOW] for k, log in enumerate(mirrored)) / WINDOW
        for n in range(BINS)
    ]


def attack_time(past):
    """`past`: the newest SEARCH + BLOCK samples."""
    stop = len(past) - BLOCK - 1
    places = range(stop - WINDOW + 1, stop)
    peak = max(places, key=lambda i: (abs(past[i]), -i))
    backwards = [past[max(peak - d, 0)] for d in range(SEARCH)]
    for d in range(SEARCH - 9):
        if all(abs(x) <= 0.005 for x in backwards[d : d + 10]):
            return (d + 10) / RATE * 1000
    return -1


def zero_crossings(window):
    sign = [(x > 0) - (x < 0) for x in window]
    return sum(abs(b - a) for a, b in zip(sign, sign[1:])) // 2


def features(samples, block, filterbank_rate):
    """Names and values in the order of the reference's CSV."""
    window = history(samples, block, WINDOW)
    spectrum = magnitudes(window)
    bark_hertz = lambda z: 600 * math.sinh(z / 6)
    mel_hertz = lambda m: 700 * (math.exp(m / 1127) - 1)
    bark = bands(spectrum, bark_hertz, 0.5, 26.0, filterbank_rate)
    mel = bands(spectrum, mel_hertz, 100.0, 3962.0, filterbank_rate)
    upper = [b for i, b in enumerate(bark) if i * 0.5 >= 8.5]
    loudest = max(map(abs, window))
    result = {
        "attackTime_value": attack_time(history(samples, block, SEARCH + BLOCK)),
        "barkSpecBrightness": sum(upper) / sum(bark) if sum(bark) else -1,
    }
    lists = {
        "barkSpec": normalised(bark),
        "bfcc": cosine_transform(normalised(bark)),
        "cepstrum": cepstrum(spectrum),
        "mfcc": cosine_transform(normalised(mel)),
    }
    for kind, values in lists.items():
        for i, value in enumerate(values, 1):
            result[f"{kind}_{i}"] = value
    result["peakSample_value"] = loudest
    result["peakSample_index"] = [abs(x) for x in window].index(loudest)
    result["zeroCrossing"] = zero_crossings(window)
    return result


def write():
    samples = synthetic_signal()
    for preset, rate in PRESETS.items():
        rows = [features(samples, block, rate) for block in SYNTHETIC_BLOCKS]
        with open(HERE / f"{preset}.csv", "w", newline="\n") as file:
            print("signal", "block_index", *rows[0], sep=",", file=file)
            for block, row in zip(SYNTHETIC_BLOCKS, rows):
                values = (f"{value:.9g}" for value in row.values())
                print("synthetic", block, *values, sep=",", file=file)


def read_wav(path):
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 3, RATE), path
        data = file.readframes(file.getnframes())
    whole = (data[i : i + 3] for i in range(0, len(data), 3))
    return [int.from_bytes(sample, "little", signed=True) / 2**23 for sample in whole]


def check(shared):
    """Cepstra are held to 1e-4 of the largest coefficient: the authors' are in single precision,
    whose rounding shows in the logarithms of faint bins."""
    recordings, failed = {}, False
    for preset, rate in PRESETS.items():
        with open(shared / "golden" / SHARED_NAMES[preset]) as file:
            table = list(csv.DictReader(file))
        worst = {}
        for row in table:
            name, block = row.pop("file"), int(row.pop("block_index"))
            if name not in recordings:
                recordings[name] = read_wav(shared / "recordings" / "crops" / name)
            found = features(recordings[name], block, rate)
            assert list(found) == list(row), f"{preset}: the names differ"
            scale = max(abs(float(v)) for n, v in row.items() if n.startswith("cepstrum"))
            for feature, value in row.items():
                expected, kind = float(value), feature.split("_")[0]
                near = scale if kind == "cepstrum" else abs(expected)
                difference = abs(found[feature] - expected) / max(1e-4 * near, 1e-6)
                worst[kind] = max(worst.get(kind, 0.0), difference)
        print(f"{preset}: {len(table)} rows, largest deviations in parts of the tolerance:")
        print("   ", ", ".join(f"{kind} {value:.3f}" for kind, value in worst.items()))
        failed |= any(value > 1 for value in worst.values())
    sys.exit("the reference deviates" if failed else 0)


if __name__ == "__main__":
    if sys.argv[1:] == ["write"]:
        write()
    elif len(sys.argv) == 3 and sys.argv[1] == "check":
        check(Path(sys.argv[2]))
    else:
        sys.exit(__doc__)
