#!/usr/bin/python3
"""Reference data for easel/upscale: small RRDB networks with random weights, and what PyTorch makes of an image.

    apt-get install python3-torch libopenblas0-pthread
    tools/goldens/rrdbnet.py tests/golden/upscale

Architecture: Wang et al. 2018 (ESRGAN) and 2021 (Real-ESRGAN), written down here from the papers. Weights are rounded
to f16 before anything is computed, so the f16 files are exact. tests/golden/upscale/README.md says what is written.
"""

import json
import pathlib
import struct
import sys

import torch
from torch import nn
from torch.nn import functional as F

FEATURES, GROWTH = 8, 2
SLOPE = 0.2  # of the leaky ReLU below 0
RESIDUAL = 0.2  # share of a block's result that is added to its input


def conv(c_in, c_out):
    return nn.Conv2d(c_in, c_out, 3, padding=1)


class DenseBlock(nn.Module):
    def __init__(self):
        super().__init__()
        for i in range(1, 6):
            setattr(self, f"conv{i}", conv(FEATURES + (i - 1) * GROWTH, FEATURES if i == 5 else GROWTH))

    def forward(self, x):
        known = [x]
        for i in range(1, 5):
            known.append(F.leaky_relu(getattr(self, f"conv{i}")(torch.cat(known, 1)), SLOPE))
        return x + RESIDUAL * self.conv5(torch.cat(known, 1))


class ResidualInResidual(nn.Module):
    def __init__(self):
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = DenseBlock(), DenseBlock(), DenseBlock()

    def forward(self, x):
        return x + RESIDUAL * self.rdb3(self.rdb2(self.rdb1(x)))


class Network(nn.Module):
    """unshuffle: how much smaller an image gets, its pixels as channels, before the network enlarges it."""

    def __init__(self, blocks, doublings=2, unshuffle=1):
        super().__init__()
        self.unshuffle = unshuffle
        self.conv_first = conv(3 * unshuffle**2, FEATURES)
        self.body = nn.Sequential(*[ResidualInResidual() for _ in range(blocks)])
        self.conv_body = conv(FEATURES, FEATURES)
        self.ups = [f"conv_up{i + 1}" for i in range(doublings)]
        for name in self.ups:
            setattr(self, name, conv(FEATURES, FEATURES))
        self.conv_hr = conv(FEATURES, FEATURES)
        self.conv_last = conv(FEATURES, 3)

    def forward(self, x):
        first = self.conv_first(F.pixel_unshuffle(x, self.unshuffle))
        h = first + self.conv_body(self.body(first))
        for name in self.ups:
            h = F.leaky_relu(getattr(self, name)(F.interpolate(h, scale_factor=2, mode="nearest")), SLOPE)
        return self.conv_last(F.leaky_relu(self.conv_hr(h), SLOPE))


def make(seed, **options):
    torch.manual_seed(seed)
    network = Network(**options).eval()
    for parameter in network.parameters():
        spread = 1.4 / (parameter[0].numel() ** 0.5) if parameter.dim() > 1 else 0.1
        parameter.data = (torch.randn_like(parameter) * spread).half().float()
    return network


def halves(network):
    return {name: tensor.half() for name, tensor in network.state_dict().items()}


def old_names(state, blocks, doublings):
    """As the ESRGAN of 2018 names the same tensors: numbers in nested nn.Sequential."""
    places = {"conv_first": "model.0", "conv_body": f"model.1.sub.{blocks}"}
    for i in range(doublings):
        places[f"conv_up{i + 1}"] = f"model.{3 * (i + 1)}"
    places["conv_hr"] = f"model.{3 * doublings + 2}"
    places["conv_last"] = f"model.{3 * doublings + 4}"
    renamed = {}
    for name, tensor in state.items():
        layer, kind = name.rsplit(".", 1)
        if layer.startswith("body."):
            _, block, dense, inner = layer.split(".")
            layer = f"model.1.sub.{block}.{dense.upper()}.{inner}.0"
        renamed[f"{places.get(layer, layer)}.{kind}"] = tensor
    return renamed


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, tensor in tensors.items():
        kind = {torch.float32: "F32", torch.float16: "F16"}[tensor.dtype]
        raw = tensor.contiguous().numpy().tobytes()
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main(folder):
    reference = {"x": torch.rand(1, 3, 12, 8, generator=torch.Generator().manual_seed(1))}
    new_x4 = make(2, blocks=2)
    torch.save({"params_ema": halves(new_x4)}, folder / "real-esrgan-x4.pth")
    old_x4 = make(3, blocks=1)
    torch.save(old_names(halves(old_x4), blocks=1, doublings=2), folder / "esrgan-x4.pth")
    networks = {"real-esrgan-x4": new_x4, "esrgan-x4": old_x4}
    networks["real-esrgan-x2"] = make(4, blocks=1, unshuffle=2)
    networks["real-esrgan-x1"] = make(5, blocks=1, unshuffle=4)
    networks["esrgan-x2"] = make(6, blocks=1, doublings=1)
    for name in ("real-esrgan-x2", "real-esrgan-x1"):
        write_safetensors(folder / f"{name}.safetensors", halves(networks[name]))
    old_x2 = old_names(halves(networks["esrgan-x2"]), blocks=1, doublings=1)
    write_safetensors(folder / "esrgan-x2.safetensors", old_x2)
    with torch.no_grad():
        for name, network in networks.items():
            reference[name] = network(reference["x"])
    write_safetensors(folder / "rrdbnet.reference.safetensors", reference)
    print({name: (tuple(tensor.shape), float(tensor.std())) for name, tensor in reference.items()})


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
