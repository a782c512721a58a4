"""Files as the official LIA code writes them, and what its TensorFlow graphs compute, from definitions and in numpy.

Nothing here knows our nets. Kernels are (height, width, inputs, outputs) and dense weights (inputs, outputs), as in
TensorFlow; equalised weights are stored as standard normals and scaled when they are used.
"""

from __future__ import annotations

import contextlib
import io
import math
import pickle
import sys
import types

import numpy as np

ROOT2 = math.sqrt(2)
DIM, HIDDEN = 8, 6


def mapping_variables(rng, dim, hidden, depth=4):
    result = {}
    for i in range(depth):
        for name, a, b in (("dense1", dim // 2, hidden), ("dense2", hidden, dim // 2)):
            result[f"{i}/f_inv/{name}/weight"] = rng.normal(0, 100, (a, b))
            result[f"{i}/f_inv/{name}/bias"] = rng.normal(0, 10, b)
    return result


def synthesis_variables(rng, dim, maps, colours=3):
    result = {"lod": np.zeros(())}
    last = len(maps) - 1
    for level, width in enumerate(maps):
        side = 4 * 2**level
        scopes = ("4x4/Const", "4x4/Conv") if level == 0 else (f"{side}x{side}/Conv0_up", f"{side}x{side}/Conv1")
        for half, scope in enumerate(scopes):
            result[f"noise{2 * level + half}"] = rng.normal(0, 1, (1, 1, side, side))
            if scope == "4x4/Const":
                result["4x4/Const/const"] = rng.normal(1, 1, (1, width, 4, 4))
            else:
                inputs = maps[level - 1] if half == 0 else width
                result[f"{scope}/weight"] = rng.normal(0, 1, (3, 3, inputs, width))
            result[f"{scope}/Noise/weight"] = rng.normal(0, 0.3, width)
            result[f"{scope}/bias"] = rng.normal(0, 0.3, width)
            result[f"{scope}/StyleMod/weight"] = rng.normal(0, 1, (dim, 2 * width))
            result[f"{scope}/StyleMod/bias"] = rng.normal(0, 0.3, 2 * width)
        result[f"ToRGB_lod{last - level}/weight"] = rng.normal(0, 0.2, (1, 1, width, colours))
        result[f"ToRGB_lod{last - level}/bias"] = rng.normal(0, 0.1, colours)
    return result


def critic_variables(rng, maps, colours=3):
    result = {"lod": np.zeros(())}
    last = len(maps) - 1
    for level, width in enumerate(maps):
        side = 4 * 2**level
        result[f"FromRGB_lod{last - level}/weight"] = rng.normal(0, 1, (1, 1, colours, width))
        result[f"FromRGB_lod{last - level}/bias"] = rng.normal(0, 0.3, width)
        if level:
            for name, outputs in (("Conv0", width), ("Conv1_down", maps[level - 1])):
                result[f"{side}x{side}/{name}/weight"] = rng.normal(0, 1, (3, 3, width, outputs))
                result[f"{side}x{side}/{name}/bias"] = rng.normal(0, 0.3, outputs)
    for name, shape in (
        ("Conv", (3, 3, maps[0] + 1, maps[0])),
        ("Dense0", (16 * maps[0], maps[0])),
        ("Dense1", (maps[0], 1)),
    ):
        result[f"4x4/{name}/weight"] = rng.normal(0, 1, shape)
        result[f"4x4/{name}/bias"] = rng.normal(0, 0.3, shape[-1])
    return result


def encoder_variables(rng, maps, dim, colours=3, inside=True):
    result = {}

    def layer(scope, norm, shape, bias):
        result[f"{scope}/weight"] = rng.normal(0, 1 / math.sqrt(math.prod(shape[:-1])), shape)
        if bias:
            result[f"{scope}/bias"] = rng.normal(0, 0.3, shape[-1])
        place = scope if inside else scope.rpartition("/")[0]
        result[f"{place}/{norm}/BatchNorm/beta"] = rng.normal(0, 0.3, shape[-1])
        result[f"{place}/{norm}/BatchNorm/moving_mean"] = rng.normal(0, 0.3, shape[-1])
        result[f"{place}/{norm}/BatchNorm/moving_variance"] = rng.uniform(0.5, 2, shape[-1])

    layer("encoder/input_image_stage", "bn_input_stage", (3, 3, colours, maps[0]), False)
    for i in range(len(maps) - 1):
        a, b, scope = maps[i], maps[i + 1], f"encoder/encoder_res_block_{i}"
        if a != b:
            layer(f"{scope}/shortcut", "shortcut_bn", (1, 1, a, b), False)
        layer(f"{scope}/conv1", "bn_1", (3, 3, a, a), True)
        layer(f"{scope}/conv2", "bn_2", (3, 3, a, b), True)
    layer("encoder/encoder_fc", "fc", (16 * maps[-1], dim), False)
    result["encoder/encoder_fc/weight"] *= math.sqrt(16 * maps[-1])
    return result


def network(name, variables, components=(), **settings):
    """State of a network as its class pickles it."""
    return {
        "version": 3,
        "name": name,
        "static_kwargs": settings,
        "components": dict(components),
        "build_module_src": "raise SystemExit('the source in the file was run')",
        "build_func_name": name,
        "variables": [(key, np.asarray(value, np.float32)) for key, value in variables.items()],
    }


@contextlib.contextmanager
def modules(**names):
    """Modules that exist for the writer of a file and not for its reader."""
    before = {name: sys.modules.get(name) for name in names}
    sys.modules.update(names)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def pickled(states, protocol=4, old_numpy=False):
    """Bytes of a pickle of networks: a tuple of objects of the class in ``dnnlib.tflib.network``."""
    cls = type("Network", (), {"__module__": "dnnlib.tflib.network", "__qualname__": "Network"})
    module = types.ModuleType("dnnlib.tflib.network")
    module.Network = cls

    def wrapped(state):
        made = cls()
        made.__dict__.update(state)
        made.components = {key: wrapped(value) for key, value in state["components"].items()}
        return made

    def reconstruct(kind, shape, code):
        raise AssertionError

    reconstruct.__module__, reconstruct.__qualname__ = "numpy.core.multiarray", "_reconstruct"
    old = types.ModuleType("numpy.core.multiarray")
    old._reconstruct = reconstruct

    class Pickler(pickle.Pickler):
        def reducer_override(self, value):
            if old_numpy and isinstance(value, np.ndarray):
                state = (1, value.shape, value.dtype, False, value.tobytes())
                return reconstruct, (np.ndarray, (0,), b"b"), state
            return NotImplemented

    packages = {name: types.ModuleType(name) for name in ("dnnlib", "dnnlib.tflib")}
    extra = {"numpy.core.multiarray": old} if old_numpy else {}
    buffer = io.BytesIO()
    with modules(**packages, **extra, **{"dnnlib.tflib.network": module}):
        Pickler(buffer, protocol).dump(tuple(wrapped(state) for state in states))
    return buffer.getvalue()


class Official:
    """A set of official networks with all that a file of them holds."""

    def __init__(self, maps=(5, 4, 3), e_maps=(3, 6, 6), seed=0, colours=3, inside=True):
        rng = np.random.default_rng(seed)
        self.levels = len(maps)
        self.mapping = mapping_variables(rng, DIM, HIDDEN)
        self.synthesis = synthesis_variables(rng, DIM, maps, colours)
        self.critic = critic_variables(rng, maps, colours)
        self.encoder = encoder_variables(rng, e_maps, DIM, colours, inside)
        self.own = {"lod": np.zeros(()), "dlatent_avg": rng.normal(0, 1, DIM)}
        # nets that must not be used: the live generator, and the network for the way back
        self.live = (mapping_variables(rng, DIM, HIDDEN), synthesis_variables(rng, DIM, maps, colours))
        self.back = mapping_variables(rng, DIM, HIDDEN)
        self.settings = {"resolution": 4 * 2 ** (self.levels - 1), "fmap_max": 512, "truncation_psi": 0.7}

    def generator(self, name, mapping, synthesis):
        parts = {
            "synthesis": network("G_synthesis", synthesis, **self.settings),
            "mapping": network("G_mapping", mapping, **self.settings),
        }
        return network(name, self.own, parts, **self.settings)

    def states(self, encoder=True):
        states = [
            self.generator("G", *self.live),
            network("D", self.critic, **self.settings),
            self.generator("Gs", self.mapping, self.synthesis),
            network("NE", self.back),
        ]
        return [network("E", self.encoder, size=16, filter=3, filter_max=6, phase=True), *states] if encoder else states

    def write(self, path, encoder=True, **how):
        path.write_bytes(pickled(self.states(encoder), **how))
        return path


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def equalised(weight, gain):
    return weight * (gain / math.sqrt(math.prod(weight.shape[:-1])))


def dense(x, weight, gain):
    return x.reshape(len(x), -1) @ equalised(weight, gain)


def conv(x, kernel, stride=1, padding=None):
    """Correlation with zeros around: sum over the taps of the kernel."""
    size = kernel.shape[0]
    pad = size // 2 if padding is None else padding
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    count = [(padded.shape[axis] - size) // stride + 1 for axis in (2, 3)]
    result = 0
    for a in range(size):
        for b in range(size):
            window = padded[:, :, a : a + stride * count[0] : stride, b : b + stride * count[1] : stride]
            result = result + np.einsum("bihw,io->bohw", window, kernel[a, b])
    return result


def widened(kernel):
    """A 3x3 kernel as the 4x4 one of a fused layer."""
    padded = np.pad(kernel, ((1, 1), (1, 1), (0, 0), (0, 0)))
    return padded[1:, 1:] + padded[:-1, 1:] + padded[1:, :-1] + padded[:-1, :-1]


def transposed_conv(x, kernel):
    """Every pixel throws the 4x4 kernel onto a grid twice as fine, one pixel of which is cut off all around."""
    batch, _, height, width = x.shape
    grid = np.zeros((batch, kernel.shape[3], 2 * height + 2, 2 * width + 2))
    for a in range(4):
        for b in range(4):
            thrown = np.einsum("bihw,io->bohw", x, kernel[a, b])
            grid[:, :, a : a + 2 * height : 2, b : b + 2 * width : 2] += thrown
    return grid[:, :, 1:-1, 1:-1]


def doubled(x):
    return x.repeat(2, axis=2).repeat(2, axis=3)


def halved(x):
    return (x[:, :, ::2, ::2] + x[:, :, 1::2, ::2] + x[:, :, ::2, 1::2] + x[:, :, 1::2, 1::2]) / 4


def blurred(x):
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    row = padded[:, :, :, :-2] + 2 * padded[:, :, :, 1:-1] + padded[:, :, :, 2:]
    return (row[:, :, :-2] + 2 * row[:, :, 1:-1] + row[:, :, 2:]) / 16


def coupling(v, i, half):
    """The shift m_i of half a code."""
    h = half
    for name in ("dense1", "dense2"):
        weight, bias = v[f"{i}/f_inv/{name}/weight"], v[f"{i}/f_inv/{name}/bias"]
        h = leaky(h @ (weight * (0.01 * ROOT2 / math.sqrt(len(weight)))) + 0.01 * bias)
    return h


def map_code(v, z, depth=4):
    for i in reversed(range(depth)):
        a, b = np.split(z, 2, axis=1)
        z = np.concatenate([a, b - coupling(v, i, a)], axis=1)[:, ::-1]
    return z


def unmap_code(v, y, depth=4):
    for i in range(depth):
        a, b = np.split(y[:, ::-1], 2, axis=1)
        y = np.concatenate([a, b + coupling(v, i, a)], axis=1)
    return y


def synthesise(v, w, levels, fused_from=128, lod=0.0):
    """Image of a code that all layers get; with lod in (0, 1) the last resolution is faded in."""

    def epilogue(x, scope, number):
        x = x + v[f"noise{number}"] * v[f"{scope}/Noise/weight"][:, None, None]
        x = leaky(x + v[f"{scope}/bias"][:, None, None])
        x = x - x.mean((2, 3), keepdims=True)
        x = x / np.sqrt((x**2).mean((2, 3), keepdims=True) + 1e-8)
        style = dense(w, v[f"{scope}/StyleMod/weight"], 1.0) + v[f"{scope}/StyleMod/bias"]
        style = style.reshape(len(w), 2, -1, 1, 1)
        return x * (style[:, 0] + 1) + style[:, 1]

    def colours(x, level):
        name = f"ToRGB_lod{levels - 1 - level}"
        return conv(x, equalised(v[f"{name}/weight"], 1.0)) + v[f"{name}/bias"][:, None, None]

    x = epilogue(np.repeat(v["4x4/Const/const"], len(w), axis=0), "4x4/Const", 0)
    x = epilogue(conv(x, equalised(v["4x4/Conv/weight"], ROOT2)), "4x4/Conv", 1)
    image = colours(x, 0)
    for level in range(1, levels):
        side = 4 * 2**level
        kernel = equalised(v[f"{side}x{side}/Conv0_up/weight"], ROOT2)
        x = transposed_conv(x, widened(kernel)) if side >= fused_from else conv(doubled(x), kernel)
        x = epilogue(blurred(x), f"{side}x{side}/Conv0_up", 2 * level)
        x = conv(x, equalised(v[f"{side}x{side}/Conv1/weight"], ROOT2))
        x = epilogue(x, f"{side}x{side}/Conv1", 2 * level + 1)
        fade = min(max(lod - (levels - 1 - level), 0.0), 1.0)
        image = (1 - fade) * colours(x, level) + fade * doubled(image)
    return np.tanh(image)


def criticise(v, x, levels, fused_from=128, group=4):
    def colours(image, level):
        name = f"FromRGB_lod{levels - 1 - level}"
        return leaky(conv(image, equalised(v[f"{name}/weight"], ROOT2)) + v[f"{name}/bias"][:, None, None])

    x = colours(x, levels - 1)
    for level in range(levels - 1, 0, -1):
        side = 4 * 2**level
        scope = f"{side}x{side}/Conv0"
        x = leaky(conv(x, equalised(v[f"{scope}/weight"], ROOT2)) + v[f"{scope}/bias"][:, None, None])
        scope = f"{side}x{side}/Conv1_down"
        kernel = equalised(v[f"{scope}/weight"], ROOT2)
        if side >= fused_from:
            x = conv(blurred(x), widened(kernel) * 0.25, stride=2, padding=1)
        else:
            x = halved(conv(blurred(x), kernel))
        x = leaky(x + v[f"{scope}/bias"][:, None, None])
    group = min(group, len(x))
    grouped = x.reshape(group, -1, *x.shape[1:])
    spread = np.sqrt(grouped.var(0) + 1e-8).mean((1, 2, 3))
    x = np.concatenate([x, np.tile(spread, group)[:, None, None, None] * np.ones((len(x), 1, 4, 4))], axis=1)
    x = leaky(conv(x, equalised(v["4x4/Conv/weight"], ROOT2)) + v["4x4/Conv/bias"][:, None, None])
    x = leaky(dense(x, v["4x4/Dense0/weight"], ROOT2) + v["4x4/Dense0/bias"])
    return (dense(x, v["4x4/Dense1/weight"], 1.0) + v["4x4/Dense1/bias"])[:, 0]


def encode(v, x, halvings):
    def normed(x, place):
        shape = (-1, *[1] * (x.ndim - 2))
        mean, variance = v[f"{place}/BatchNorm/moving_mean"], v[f"{place}/BatchNorm/moving_variance"]
        return (x - mean.reshape(shape)) / np.sqrt(variance.reshape(shape) + 1e-5) + v[
            f"{place}/BatchNorm/beta"
        ].reshape(shape)

    def unit(x, scope, norm):
        y = conv(x, v[f"{scope}/weight"])
        if f"{scope}/bias" in v:
            y = y + v[f"{scope}/bias"][:, None, None]
        return leaky(normed(y, f"{scope}/{norm}"))

    x = unit(x, "encoder/input_image_stage", "bn_input_stage")
    for i in range(halvings):
        scope = f"encoder/encoder_res_block_{i}"
        x = halved(x)
        beside = unit(x, f"{scope}/shortcut", "shortcut_bn") if f"{scope}/shortcut/weight" in v else x
        x = beside + unit(unit(x, f"{scope}/conv1", "bn_1"), f"{scope}/conv2", "bn_2")
    return normed(dense(x, v["encoder/encoder_fc/weight"], 1.0), "encoder/encoder_fc/fc")
