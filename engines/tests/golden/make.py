#!/usr/bin/env python3
"""Writes the golden files beside this script: models as RTNeural's Keras exporter writes them,
with outputs computed by Keras in double precision.

    python3 -m venv venv && venv/bin/pip install keras==3.15.1 tensorflow-cpu==2.21.0
    KERAS_BACKEND=tensorflow venv/bin/python make.py

(Keras on JAX computes batch normalisation and convolutions in single precision all the same.)

Weights are multiples of 1/64 and inputs multiples of 1/1024, both exact in single precision, so
that both sides compute with the same numbers. Outputs are kept for the first 40 steps and every
25th after them.
"""

import json
import pathlib

import keras
import numpy as np

keras.config.set_floatx("float64")
HERE = pathlib.Path(__file__).parent
L = keras.layers


def hashed(n, seed):
    """n pseudo-random integers of 16 bits, by the generator that the test uses for its inputs."""
    state, out = seed, []
    for _ in range(n):
        state = (state * 1664525 + 1013904223) % 2**32
        out.append(state >> 16)
    return np.array(out)


def inputs(steps, width):
    return (hashed(steps * width, 1) % 2048 / 1024.0 - 1.0).reshape(steps, width)


def randomise(layer, seed):
    """Weights in a range that keeps the values moving."""
    weights = []
    for k, w in enumerate(layer.get_weights()):
        name = layer.weights[k].name
        fan = w.shape[0] * (w.shape[1] if w.ndim == 4 else 1) * (w.shape[-2] if w.ndim > 2 else 1)
        bound = 1.0 if w.ndim < 2 else min(1.0, 2.5 / np.sqrt(fan))
        v = (hashed(w.size, seed + 7 * k) / 32768.0 - 1.0) * bound
        if "variance" in name:
            v = np.abs(v) + 0.25
        weights.append((np.round(v * 64) / 64).reshape(w.shape))
    layer.set_weights(weights)


def entry(layer, x, y):
    """A layer as in a model file."""
    kinds = {
        L.Dense: "dense", L.TimeDistributed: "time-distributed-dense", L.Conv1D: "conv1d",
        L.Conv2D: "conv2d", L.GRU: "gru", L.LSTM: "lstm", L.PReLU: "prelu",
        L.Activation: "activation", L.MaxPooling1D: "maxpool1d", L.MaxPooling2D: "maxpool2d",
        L.LeakyReLU: "leakyrelu",
    }
    kind = kinds.get(type(layer))
    if isinstance(layer, L.BatchNormalization):
        kind = "batchnorm2d" if len(x.shape) == 4 else "batchnorm"
    function = layer.layer if kind == "time-distributed-dense" else layer
    activation = getattr(function, "activation", None)
    name = "" if activation is None else activation.__name__
    out = {
        "type": kind,
        "activation": "" if name == "linear" else name,
        "shape": [None, None, *y.shape[2:]],
    }
    if kind == "conv1d":
        out |= {"kernel_size": layer.kernel_size, "dilation": layer.dilation_rate, "groups": layer.groups}
        if layer.strides[0] > 1:
            out["strides"] = layer.strides
    if kind == "conv2d":
        out |= {
            "kernel_size_time": layer.kernel_size[0], "kernel_size_feature": layer.kernel_size[1],
            "dilation": layer.dilation_rate[0], "strides": layer.strides[1],
            "num_filters_in": x.shape[3], "num_features_in": x.shape[2],
            "num_filters_out": y.shape[3], "padding": layer.padding,
        }
    if kind.startswith("batchnorm"):
        out["epsilon"] = layer.epsilon
    if kind.startswith("maxpool"):
        out |= {"pool_size": layer.pool_size, "strides": layer.strides, "padding": layer.padding}
    if kind == "leakyrelu":
        out["alpha"] = layer.negative_slope
    out["weights"] = [w.tolist() for w in layer.get_weights()]
    return out


def evaluate(layer, x):
    """The layer on the whole signal; two-dimensional ones made causal over time."""
    if isinstance(layer, L.Conv2D):
        reach = (layer.kernel_size[0] - 1) * layer.dilation_rate[0]
        padded = np.pad(x, ((0, 0), (reach, 0), (0, 0), (0, 0)))
        y = np.array(layer(padded))
        if layer.padding == "same":
            # Keras' output looks ahead over time by the half of the reach that it pads behind.
            ahead = reach - reach // 2
            y = y[:, reach - ahead : reach - ahead + x.shape[1]]
        return y
    return np.array(layer(x))


def stream(name, layers, steps, shape, hold=1, first=0):
    """Writes a model of `layers` on `steps` inputs of `shape`. The file's outputs are one a step:
    output k of the framework comes at step first + hold k."""
    x = inputs(steps, int(np.prod(shape))).reshape(1, steps, *shape)
    entries = []
    for i, layer in enumerate(layers):
        layer.build(x.shape)
        randomise(layer, 1000 + 131 * i)
        y = evaluate(layer, x)
        entries.append(entry(layer, x, y))
        x = y
    y = x[0].reshape(x.shape[1], -1)
    at = [t for t in range(steps) if t < 40 or t % 25 == 0 or t == steps - 1]
    rows = [[0.0] * y.shape[1] if t < first else y[(t - first) // hold].tolist() for t in at]
    write(name, {
        "in_shape": [None, None, *shape],
        "layers": entries,
        "golden": {"steps": steps, "at": at, "outputs": [[round(v, 9) for v in row] for row in rows]},
    })


def write(name, document):
    text = json.dumps(document, separators=(",", ":"))
    (HERE / f"{name}.json").write_text(text + "\n")
    print(f"{name}: {len(text)} bytes")


def patch(name, frames, bands, channels, side, layers):
    """Writes a model package's network of `layers` on one patch and a side vector."""
    x = inputs(1, frames * bands * channels + side)[0]
    features = x.tolist()
    side_values = x[frames * bands * channels :]
    x = x[: frames * bands * channels].reshape(1, frames, bands, channels)
    specs = [{"kind": "split", "frames": frames, "bands": bands, "channels": channels}]
    tensors = {}

    def put(key, array):
        tensors[key] = {"shape": list(array.shape), "values": array.ravel().tolist()}

    for i, (spec, layer) in enumerate(layers):
        if spec["kind"] == "concat_side":
            x = np.concatenate([x.reshape(1, -1), side_values[None]], axis=1)
        elif spec["kind"] == "flatten":
            x = x.reshape(1, -1)
        else:
            if spec.get("padding") and isinstance(spec["padding"], list):
                p, q = spec["padding"]
                x = np.pad(x, ((0, 0), (p, p), (q, q), (0, 0)))
            layer.build(x.shape)
            randomise(layer, 500 + 77 * i)
            key = f"layer_{i}"
            weights = layer.get_weights()
            if spec["kind"] == "conv2d":
                spec["name"] = key
                put(f"{key}.weight", weights[0].transpose(3, 0, 1, 2))
                put(f"{key}.bias", weights[1])
            if spec["kind"] == "dense":
                spec |= {"name": key, "inputs": x.shape[1], "outputs": layer.units}
                put(f"{key}.weight", weights[0].T)
                put(f"{key}.bias", weights[1])
            if spec["kind"] == "prelu":
                spec |= {"name": key, "size": weights[0].size}
                put(f"{key}.alpha", weights[0].ravel())
            if spec["kind"] == "batch_norm":
                spec |= {"name": key, "size": x.shape[-1], "epsilon": layer.epsilon}
                for part, w in zip(["gamma", "beta", "mean", "variance"], weights):
                    put(f"{key}.{part}", w)
            x = np.array(layer(x))
        specs.append(spec)
    write(name, {"layers": specs, "tensors": tensors, "features": features, "probabilities": x[0].tolist()})


def conv2d(filters, kernel, stride, padding):
    spec = {"kind": "conv2d", "filters": filters, "kernel": kernel, "stride": stride, "padding": padding}
    return spec, L.Conv2D(filters, kernel, strides=stride, padding="valid" if isinstance(padding, list) else padding)


def act(name):
    return {"kind": name}, L.Activation(name)


FUNCTIONS = ["tanh", "relu", "sigmoid", "softmax", "elu"]

for i, (n, m) in enumerate([(1, 3), (3, 17), (17, 35), (35, 5), (9, 33)]):
    stream(f"dense_{n}_{m}", [L.Dense(m, activation=FUNCTIONS[i])], 20, [n])
stream("time_distributed_dense", [L.TimeDistributed(L.Dense(7, activation="tanh")), L.Dense(3, use_bias=False)], 20, [5])
for n in [3, 17, 35]:
    for f in FUNCTIONS:
        stream(f"{f}_{n}", [L.Activation(f)], 8, [n])
    stream(f"leakyrelu_{n}", [L.LeakyReLU(negative_slope=0.125)], 8, [n])
    stream(f"prelu_{n}", [L.PReLU(shared_axes=[1])], 8, [n])
    stream(f"batchnorm_{n}", [L.BatchNormalization(epsilon=0.01)], 8, [n])
    stream(f"batchnorm2d_{n}", [L.BatchNormalization(epsilon=0.001)], 8, [n, 3])
stream("batchnorm_statistics_only", [L.BatchNormalization(center=False, scale=False)], 8, [5])

conv = lambda o, k, **more: L.Conv1D(o, k, padding="causal", **more)
stream("conv1d_1_5", [conv(5, 3)], 40, [1])
stream("conv1d_7_13_dilated", [conv(13, 5, dilation_rate=3, activation="tanh")], 60, [7])
stream("conv1d_33_17_dilated", [conv(17, 4, dilation_rate=7)], 60, [33])
stream("conv1d_6_9_grouped", [conv(9, 3, dilation_rate=2, groups=3)], 40, [6])
stream("conv1d_18_34_grouped", [conv(34, 5, groups=2)], 40, [18])
stream("conv1d_15_15_depthwise", [conv(15, 3, groups=15)], 40, [15])
for s in [2, 3]:
    stream(f"conv1d_5_7_stride_{s}", [conv(7, 4, strides=s)], 60, [5], hold=s)
stream("conv1d_stride_gru", [conv(7, 4, strides=3), L.GRU(5, return_sequences=True)], 200, [3], hold=3)
stream("conv1d_no_bias", [conv(3, 2, use_bias=False)], 20, [3])

for features, channels, filters, kernel, dilation, stride, padding in [
    (5, 1, 3, (2, 3), 1, 1, "valid"), (13, 3, 5, (3, 3), 2, 1, "same"), (23, 2, 7, (3, 5), 1, 2, "valid"),
    (23, 2, 7, (2, 4), 1, 2, "same"), (17, 3, 3, (1, 3), 1, 3, "same"), (9, 2, 17, (4, 2), 1, 3, "valid"),
    (11, 1, 5, (3, 1), 5, 1, "valid"), (16, 3, 4, (2, 4), 1, 1, "same"),
]:
    name = f"conv2d_{features}x{channels}_{filters}_k{kernel[0]}x{kernel[1]}_d{dilation}_s{stride}_{padding}"
    layer = L.Conv2D(filters, kernel, strides=(1, stride), dilation_rate=(dilation, 1), padding=padding)
    stream(name, [layer], 30, [features, channels])

for n, m in [(1, 3), (3, 13), (5, 37)]:
    stream(f"gru_{n}_{m}", [L.GRU(m, return_sequences=True)], 1000, [n])
    stream(f"lstm_{n}_{m}", [L.LSTM(m, return_sequences=True)], 1000, [n])

for n, pool, stride in [(3, 2, 2), (17, 3, 1), (35, 3, 2), (5, 2, 4)]:
    stream(f"maxpool1d_{n}_p{pool}_s{stride}", [L.MaxPooling1D(pool, strides=stride)], 40, [n], hold=stride, first=pool - 1)
for features, channels, pool, stride, padding in [(9, 3, (2, 2), (2, 2), "valid"), (17, 5, (3, 4), (1, 3), "valid"), (23, 7, (1, 3), (1, 2), "same")]:
    stream(
        f"maxpool2d_{features}x{channels}_p{pool[0]}x{pool[1]}_{padding}",
        [L.MaxPooling2D(pool, strides=stride, padding=padding)], 30, [features, channels], hold=stride[0], first=pool[0] - 1,
    )

stream("several_layers", [
    L.Dense(8, activation="tanh"), conv(6, 5, dilation_rate=2, activation="relu"), L.PReLU(shared_axes=[1]),
    L.BatchNormalization(), L.GRU(7, return_sequences=True), L.LSTM(5, return_sequences=True), L.Dense(2, activation="sigmoid"),
], 1000, [3])
stream("several_frames", [
    L.Conv2D(5, (3, 3), activation="elu", padding="same"), L.BatchNormalization(), L.Conv2D(3, (2, 4), strides=(1, 2)),
    L.PReLU(shared_axes=[1, 2]), L.Dense(4, activation="tanh"),
], 60, [14, 1])

relu = lambda: act("relu")
patch("patch_same", 13, 24, 2, 22, [
    conv2d(5, [3, 3], [1, 1], "same"), relu(), conv2d(7, [3, 3], [2, 2], "same"), relu(),
    ({"kind": "batch_norm"}, L.BatchNormalization(epsilon=0.01)), conv2d(3, [3, 3], [2, 2], "same"), relu(),
    ({"kind": "concat_side"}, None), ({"kind": "dense"}, L.Dense(19)), relu(), ({"kind": "dense"}, L.Dense(8)), act("softmax"),
])
patch("patch_valid", 9, 11, 3, 0, [
    conv2d(6, [2, 3], [1, 2], "valid"), act("tanh"),
    ({"kind": "max_pool2d", "pool": [2, 2], "stride": [2, 1], "padding": "same"}, L.MaxPooling2D((2, 2), strides=(2, 1), padding="same")),
    ({"kind": "flatten"}, None), ({"kind": "dense"}, L.Dense(8)), act("softmax"),
])
patch("patch_zeros", 13, 24, 1, 3, [
    conv2d(5, [3, 3], [2, 2], [1, 1]), relu(), conv2d(4, [5, 3], [2, 2], [2, 1]), ({"kind": "elu"}, L.Activation("elu")),
    ({"kind": "concat_side"}, None), ({"kind": "dense"}, L.Dense(8)), act("softmax"),
])
patch("patch_activations", 7, 10, 2, 0, [
    conv2d(5, [3, 3], [1, 1], "same"), ({"kind": "prelu"}, L.PReLU(shared_axes=[1, 2])),
    conv2d(4, [2, 3], [1, 2], "valid"), ({"kind": "leaky_relu", "slope": 0.125}, L.LeakyReLU(negative_slope=0.125)),
    conv2d(4, [2, 2], [2, 1], "same"), ({"kind": "elu", "alpha": 0.5}, L.ELU(alpha=0.5)),
    conv2d(3, [1, 2], [1, 1], "valid"), ({"kind": "prelu"}, L.PReLU(shared_axes=[1, 2, 3])),
    ({"kind": "flatten"}, None), ({"kind": "dense"}, L.Dense(8)), act("softmax"),
])
