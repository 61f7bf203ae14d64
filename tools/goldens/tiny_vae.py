#!/usr/bin/python3
"""Reference data for easel/vae: a tiny VAE (TAESD) with random weights, and what PyTorch makes of an image and a latent.

    apt-get install python3-torch libopenblas0-pthread
    tools/goldens/tiny_vae.py tests/golden/vae

Architecture: Boer Bohan 2023, written down here anew. Widths differ from stage to stage, so that shortcuts have weights.
Weights are rounded to f16 before anything is computed, so the f16 files are exact. tests/golden/vae/README.md says what is
written.
"""

import pathlib
import sys

import torch
from rrdbnet import write_safetensors
from torch import nn
from torch.nn import functional as F

WIDTHS = (5, 4, 3, 3)  # of the stages, coarsest first


class Block(nn.Module):
    def __init__(self, c_in, c_out):
        super().__init__()
        convs = [nn.Conv2d(c_in if i == 0 else c_out, c_out, 3, padding=1) for i in range(3)]
        self.conv = nn.Sequential(convs[0], nn.ReLU(), convs[1], nn.ReLU(), convs[2])
        self.skip = nn.Conv2d(c_in, c_out, 1, bias=False) if c_in != c_out else nn.Identity()

    def forward(self, x):
        return F.relu(self.conv(x) + self.skip(x))


class Clamp(nn.Module):
    def forward(self, x):
        return 3 * torch.tanh(x / 3)


def decoder():
    layers, c = [Clamp(), nn.Conv2d(4, WIDTHS[0], 3, padding=1), nn.ReLU()], WIDTHS[0]
    for stage, width in enumerate(WIDTHS):
        for _ in range(1 if stage == 3 else 3):
            layers.append(Block(c, width))
            c = width
        if stage < 3:
            layers += [nn.Upsample(scale_factor=2), nn.Conv2d(c, c, 3, padding=1, bias=False)]
    return nn.Sequential(*layers, nn.Conv2d(c, 3, 3, padding=1))


def encoder():
    layers, c = [nn.Conv2d(3, WIDTHS[-1], 3, padding=1)], WIDTHS[-1]
    for stage, width in enumerate(reversed(WIDTHS)):
        if stage > 0:
            layers.append(nn.Conv2d(c, c, 3, stride=2, padding=1, bias=False))
        for _ in range(1 if stage == 0 else 3):
            layers.append(Block(c, width))
            c = width
    return nn.Sequential(*layers, nn.Conv2d(c, 4, 3, padding=1))


def make(network, seed):
    torch.manual_seed(seed)
    for parameter in network.parameters():
        spread = 1.2 / (parameter[0].numel() ** 0.5) if parameter.dim() > 1 else 0.1
        parameter.data = (torch.randn_like(parameter) * spread).half().float()
    return network.eval()


def halves(network):
    return {name: tensor.half() for name, tensor in network.state_dict().items()}


def as_diffusers(state, first):
    """The layers of the diffusers library do not count the clamp."""
    renamed = {}
    for name, tensor in state.items():
        layer, rest = name.split(".", 1)
        renamed[f"layers.{int(layer) - first}.{rest}"] = tensor
    return renamed


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    decode, encode = make(decoder(), 1), make(encoder(), 2)
    torch.save(halves(decode), folder / "taesd_decoder.pth")
    write_safetensors(folder / "taesd_encoder.safetensors", halves(encode))
    both = {f"decoder.{name}": tensor for name, tensor in as_diffusers(halves(decode), 1).items()}
    both.update({f"encoder.{name}": tensor for name, tensor in as_diffusers(halves(encode), 0).items()})
    write_safetensors(folder / "autoencoder-tiny.safetensors", both)
    generator = torch.Generator().manual_seed(3)
    reference = {"latent": 2 * torch.randn(2, 4, 3, 2, generator=generator), "image": torch.rand(1, 3, 24, 16,
                                                                                                generator=generator)}
    with torch.no_grad():
        reference["decoded"] = decode(reference["latent"])  # in [0, 1], as `image`
        reference["encoded"] = encode(reference["image"])
    write_safetensors(folder / "tiny_vae.reference.safetensors", reference)
    print({name: (tuple(tensor.shape), float(tensor.std())) for name, tensor in reference.items()})


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
