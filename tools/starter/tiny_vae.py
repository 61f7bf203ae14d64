"""The tiny autoencoder TAESD (Boer Bohan 2023) at any width. Module names are chosen so that state_dict keys equal those of
a diffusers AutoencoderTiny file. Latents are scaled (0.18215 times those of the VAE), images in [0, 1], both [n, c, h, w].
"""
import torch
import torch.nn.functional as F
from torch import nn

LATENT_CHANNELS = 4
DECODER_BLOCKS = (3, 3, 3, 1)  # coarsest stage first
ENCODER_BLOCKS = (1, 3, 3, 3)  # finest stage first
LATENT_LIMIT = 3  # beyond this many standard deviations a latent means nothing


def conv3(c_in, c_out, stride=1, bias=True):
    return nn.Conv2d(c_in, c_out, 3, stride, 1, bias=bias)


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Sequential(conv3(width, width), nn.ReLU(), conv3(width, width), nn.ReLU(), conv3(width, width))

    def forward(self, x):
        return F.relu(self.conv(x) + x)


class Decoder(nn.Module):
    def __init__(self, width):
        super().__init__()
        layers = [conv3(LATENT_CHANNELS, width), nn.ReLU()]
        for stage, blocks in enumerate(DECODER_BLOCKS):
            layers += [Block(width) for _ in range(blocks)]
            if stage + 1 < len(DECODER_BLOCKS):
                layers += [nn.Upsample(scale_factor=2), conv3(width, width, bias=False)]
        self.layers = nn.Sequential(*layers, conv3(width, 3))

    def forward(self, latent):
        """[n, 4, h, w] -> [n, 3, 8 h, 8 w]"""
        return self.layers(torch.tanh(latent / LATENT_LIMIT) * LATENT_LIMIT)


class Encoder(nn.Module):
    def __init__(self, width):
        super().__init__()
        layers = [conv3(3, width)]
        for stage, blocks in enumerate(ENCODER_BLOCKS):
            if stage > 0:
                layers.append(conv3(width, width, stride=2, bias=False))
            layers += [Block(width) for _ in range(blocks)]
        self.layers = nn.Sequential(*layers, conv3(width, LATENT_CHANNELS))

    def forward(self, image):
        """[n, 3, h, w] -> [n, 4, h / 8, w / 8]"""
        return self.layers(image)


def affine_fit(inputs, outputs):
    """inputs [samples, i], outputs [samples, o] -> weight [o, i], bias [o] of least squares"""
    ones = torch.ones(len(inputs), 1)
    solution = torch.linalg.lstsq(torch.cat([inputs, ones], 1), outputs).solution
    return solution[:-1].t(), solution[-1]


def pixels(x):
    """[n, c, h, w] -> [n h w, c]"""
    return x.permute(0, 2, 3, 1).flatten(0, 2)


@torch.no_grad()
def carry_sums(network, channels, centre):
    """Makes the untrained network an affine map of block means: pairs of channels hold a value's positive and negative part,
    all other layers pass them on, and the last convolution puts them together."""
    first, last = network.layers[0], network.layers[-1]
    for module in network.modules():
        if isinstance(module, Block):
            module.conv[4].weight.mul_(0.1), module.conv[4].bias.zero_()
    for module in network.layers:
        if isinstance(module, nn.Conv2d) and module.bias is None:
            module.weight.mul_(0.3)
            module.weight[: 2 * channels] = 0
            taps = 1 if module.stride == (1, 1) else 2  # 2x2 of 3x3 with a stride of 2: no pixel is left out
            for c in range(2 * channels):
                module.weight[c, c, 1 : 1 + taps, 1 : 1 + taps] = 1 / taps**2
    first.weight[: 2 * channels], first.bias[: 2 * channels] = 0, 0
    for c in range(channels):
        for row, sign in ((2 * c, 1.0), (2 * c + 1, -1.0)):
            first.weight[row, c, 1, 1] = sign
            first.bias[row] = -sign * centre
    last.weight.mul_(0.1)


@torch.no_grad()
def start_affine(network, inputs, outputs, channels, centre):
    """carry_sums(), then the last convolution from a least-squares fit on examples: both [n, c, h, w] at the coarse size."""
    carry_sums(network, channels, centre)
    weight, bias = affine_fit(pixels(inputs) - centre, pixels(outputs))
    last = network.layers[-1]
    last.weight[:, : 2 * channels] = 0
    for c in range(channels):
        last.weight[:, 2 * c, 1, 1] = weight[:, c]
        last.weight[:, 2 * c + 1, 1, 1] = -weight[:, c]
    last.bias.copy_(bias)
