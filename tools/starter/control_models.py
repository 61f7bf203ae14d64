"""ControlNet (Zhang et al. 2023) for the starter model, with the keys of the original files below `control_model.`. It may be
narrower than the UNet that it steers: its zero convolutions then widen what they pass on."""
import torch
from torch import nn

import ops
from models import Downsample, ResBlock, SpatialTransformer, conv3, timestep_embedding

HINT_CHANNELS = (16, 16, 24, 24, 48, 48, 64)
HINT_STRIDES = (1, 1, 2, 1, 2, 1, 2)


def zero(layer):
    nn.init.zeros_(layer.weight), nn.init.zeros_(layer.bias)
    return layer


class ControlNet(nn.Module):
    def __init__(self, config, unet):
        """config: a UnetConfig, as narrow as one likes; unet: the UnetConfig of the network that is steered"""
        super().__init__()
        self.config = config
        d_time = 4 * config.channels
        self.time_embed = nn.Sequential(nn.Linear(config.channels, d_time), nn.SiLU(), nn.Linear(d_time, d_time))
        layers, c = [], 3
        for width, stride in zip(HINT_CHANNELS, HINT_STRIDES):
            layers += [conv3(c, width, stride), nn.SiLU()]
            c = width
        self.input_hint_block = nn.Sequential(*layers, conv3(c, config.channels))
        widths = [config.channels * m for m in config.multipliers]
        steered = [unet.channels * m for m in unet.multipliers]
        self.input_blocks = nn.ModuleList([nn.ModuleList([conv3(4, config.channels)])])
        c, passed_on = config.channels, [(config.channels, unet.channels)]
        for level, (width, steered_width) in enumerate(zip(widths, steered)):
            for _ in range(config.res_blocks):
                block = [ResBlock(c, width, d_time)]
                if 2**level in config.attention_downs:
                    block.append(SpatialTransformer(width, config.context, config.heads))
                self.input_blocks.append(nn.ModuleList(block))
                c = width
                passed_on.append((c, steered_width))
            if level < len(widths) - 1:
                self.input_blocks.append(nn.ModuleList([Downsample(c)]))
                passed_on.append((c, steered_width))
        self.middle_block = nn.ModuleList([
            ResBlock(c, c, d_time), SpatialTransformer(c, config.context, config.heads), ResBlock(c, c, d_time)])
        self.zero_convs = nn.ModuleList([nn.Sequential(zero(nn.Conv2d(*pair, 1))) for pair in passed_on])
        self.middle_block_out = nn.Sequential(zero(nn.Conv2d(c, steered[-1], 1)))

    def forward(self, x, timesteps, context, hint):
        """x [n, 4, h, w], hint [n, 3, 8h, 8w] in [0, 1] -> what is added to the UNet's skips and to its middle"""
        time = self.time_embed(timestep_embedding(timesteps, self.config.channels))
        h = self.input_blocks[0][0](x) + self.input_hint_block(hint)
        residuals = [self.zero_convs[0](h)]
        for block, zero_conv in zip(self.input_blocks[1:], self.zero_convs[1:]):
            for layer in block:
                h = layer(h, time, context)
            residuals.append(zero_conv(h))
        for layer in self.middle_block:
            h = layer(h, time, context)
        return residuals + [self.middle_block_out(h)]


def steered(unet, x, timesteps, context, residuals):
    """The UNet's forward pass with a ControlNet's residuals -> predicted noise"""
    time = unet.time_embed(timestep_embedding(timesteps, unet.config.channels))
    x, residuals, skips = x.contiguous(memory_format=torch.channels_last), list(residuals), []
    for block in unet.input_blocks:
        for layer in block:
            x = layer(x) if isinstance(layer, nn.Conv2d) else layer(x, time, context)
        skips.append(x)
    for layer in unet.middle_block:
        x = layer(x, time, context)
    x = x + residuals.pop()
    for block in unet.output_blocks:
        x = torch.cat([x, skips.pop() + residuals.pop()], 1)
        for layer in block:
            x = layer(x, time, context)
    return unet.out[2](ops.group_norm(x, unet.out[0], True)).float()
