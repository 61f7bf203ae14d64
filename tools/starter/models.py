"""The three networks of Stable Diffusion 1.x at any width. Module names are chosen so that state_dict keys equal the
keys of an SD 1.x checkpoint below `model.diffusion_model.`, `first_stage_model.` and
`cond_stage_model.transformer.text_model.`.

Images and latents are [n, c, h, w] (channels-last in memory), sequences [n, t, d].
"""
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

import ops

GROUPS = 32
LATENT_CHANNELS = 4


@dataclass
class VaeConfig:
    channels: int = 32
    multipliers: tuple = (2, 1, 2, 4)
    res_blocks: int = 1


@dataclass
class UnetConfig:
    channels: int = 64
    multipliers: tuple = (1, 2, 2)
    res_blocks: int = 1
    attention_downs: tuple = (2, 4)  # downsampling factors that have a transformer
    heads: int = 8
    context: int = 128


@dataclass
class TextConfig:
    vocabulary: int = 49408
    positions: int = 77
    width: int = 128
    layers: int = 3

    @property
    def heads(self):
        return self.width // 64


def norm(channels, epsilon=1e-5):
    return nn.GroupNorm(GROUPS, channels, epsilon)


def conv3(c_in, c_out, stride=1):
    return nn.Conv2d(c_in, c_out, 3, stride, 1)


def upsample2(x):
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


# --- autoencoder -------------------------------------------------------------------------------------------------


class VaeResBlock(nn.Module):
    def __init__(self, c_in, c_out):
        super().__init__()
        self.norm1, self.conv1 = norm(c_in, 1e-6), conv3(c_in, c_out)
        self.norm2, self.conv2 = norm(c_out, 1e-6), conv3(c_out, c_out)
        if c_in != c_out:
            self.nin_shortcut = nn.Conv2d(c_in, c_out, 1)

    def forward(self, x):
        h = self.conv1(ops.group_norm(x, self.norm1, True))
        h = self.conv2(ops.group_norm(h, self.norm2, True))
        return h + (self.nin_shortcut(x) if hasattr(self, "nin_shortcut") else x)


class VaeAttention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm = norm(c, 1e-6)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(c, c, 1) for _ in range(4))

    def forward(self, x):
        n, c, h, w = x.shape
        y = ops.group_norm(x, self.norm, False)
        q, k, v = (f(y).flatten(2).transpose(1, 2) for f in (self.q, self.k, self.v))  # [n, hw, c]
        weight = (q @ k.transpose(1, 2) * c**-0.5).float().softmax(-1).to(v.dtype)
        out = (weight @ v).transpose(1, 2).reshape(n, c, h, w)
        return x + self.proj_out(out.contiguous(memory_format=torch.channels_last))


class VaeMiddle(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.block_1, self.attn_1, self.block_2 = VaeResBlock(c, c), VaeAttention(c), VaeResBlock(c, c)

    def forward(self, x):
        return self.block_2(self.attn_1(self.block_1(x)))


class Encoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        widths = [config.channels * m for m in config.multipliers]
        self.conv_in = conv3(3, config.channels)
        self.down = nn.ModuleList()
        c = config.channels
        for level, width in enumerate(widths):
            stage = nn.Module()
            stage.block = nn.ModuleList()
            for _ in range(config.res_blocks):
                stage.block.append(VaeResBlock(c, width))
                c = width
            if level < len(widths) - 1:
                stage.downsample = nn.Module()
                stage.downsample.conv = nn.Conv2d(c, c, 3, 2, 0)
            self.down.append(stage)
        self.mid = VaeMiddle(c)
        self.norm_out, self.conv_out = norm(c, 1e-6), conv3(c, 2 * LATENT_CHANNELS)

    def forward(self, x):
        h = self.conv_in(x)
        for stage in self.down:
            for block in stage.block:
                h = block(h)
            if hasattr(stage, "downsample"):
                h = stage.downsample.conv(F.pad(h, (0, 1, 0, 1)))
        return self.conv_out(ops.group_norm(self.mid(h), self.norm_out, True))


class Decoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        widths = [config.channels * m for m in config.multipliers]
        c = widths[-1]
        self.conv_in, self.mid = conv3(LATENT_CHANNELS, c), VaeMiddle(c)
        stages = []
        for level, width in reversed(list(enumerate(widths))):
            stage = nn.Module()
            stage.block = nn.ModuleList()
            for _ in range(config.res_blocks + 1):
                stage.block.append(VaeResBlock(c, width))
                c = width
            if level > 0:
                stage.upsample = nn.Module()
                stage.upsample.conv = conv3(c, c)
            stages.insert(0, stage)  # up.0 is the finest level, as in SD
        self.up = nn.ModuleList(stages)
        self.norm_out, self.conv_out = norm(c, 1e-6), conv3(c, 3)

    def forward(self, z):
        h = self.mid(self.conv_in(z))
        for stage in reversed(self.up):
            for block in stage.block:
                h = block(h)
            if hasattr(stage, "upsample"):
                h = stage.upsample.conv(upsample2(h))
        return self.conv_out(ops.group_norm(h, self.norm_out, True))


class Vae(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.encoder, self.decoder = Encoder(config), Decoder(config)
        self.quant_conv = nn.Conv2d(2 * LATENT_CHANNELS, 2 * LATENT_CHANNELS, 1)
        self.post_quant_conv = nn.Conv2d(LATENT_CHANNELS, LATENT_CHANNELS, 1)

    def encode(self, images):
        """images [n, 3, h, w] in [-1, 1] -> mean, log variance [n, 4, h/8, w/8]"""
        mean, log_variance = self.quant_conv(self.encoder(images)).float().chunk(2, 1)
        return mean, log_variance.clamp(-30, 20)

    def decode(self, z):
        return self.decoder(self.post_quant_conv(z)).float()


# --- denoising UNet ----------------------------------------------------------------------------------------------


def timestep_embedding(timesteps, width):
    """[n] -> [n, width]: cosines, then sines, as in SD 1.x"""
    half = width // 2
    frequencies = torch.exp(-math.log(10000) * torch.arange(half, device=timesteps.device) / half)
    angles = timesteps.float()[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], -1)


class ResBlock(nn.Module):
    def __init__(self, c_in, c_out, d_time):
        super().__init__()
        self.in_layers = nn.Sequential(norm(c_in), nn.SiLU(), conv3(c_in, c_out))
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(d_time, c_out))
        self.out_layers = nn.Sequential(norm(c_out), nn.SiLU(), nn.Identity(), conv3(c_out, c_out))
        if c_in != c_out:
            self.skip_connection = nn.Conv2d(c_in, c_out, 1)
        nn.init.zeros_(self.out_layers[3].weight)

    def forward(self, x, time, context):
        h = self.in_layers[2](ops.group_norm(x, self.in_layers[0], True))
        h = h + self.emb_layers(time)[:, :, None, None]
        h = self.out_layers[3](ops.group_norm(h, self.out_layers[0], True))
        return h + (self.skip_connection(x) if hasattr(self, "skip_connection") else x)


class CrossAttention(nn.Module):
    def __init__(self, d, d_context, heads):
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(d, d, bias=False)
        self.to_k, self.to_v = nn.Linear(d_context, d, bias=False), nn.Linear(d_context, d, bias=False)
        self.to_out = nn.Sequential(nn.Linear(d, d))

    def forward(self, x, context):
        return self.to_out(ops.attention(self.to_q(x), self.to_k(context), self.to_v(context), self.heads))


class GegluFeedForward(nn.Module):
    def __init__(self, d):
        super().__init__()
        gate = nn.Module()
        gate.proj = nn.Linear(d, 8 * d)
        self.net = nn.ModuleList([gate, nn.Identity(), nn.Linear(4 * d, d)])

    def forward(self, x):
        return self.net[2](ops.geglu(self.net[0].proj(x)))


class TransformerBlock(nn.Module):
    def __init__(self, d, d_context, heads):
        super().__init__()
        self.attn1, self.attn2 = CrossAttention(d, d, heads), CrossAttention(d, d_context, heads)
        self.ff = GegluFeedForward(d)
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(d), nn.LayerNorm(d), nn.LayerNorm(d)

    def forward(self, x, context):
        h = ops.layer_norm(x, self.norm1)
        x = x + self.attn1(h, h)
        x = x + self.attn2(ops.layer_norm(x, self.norm2), context)
        return x + self.ff(ops.layer_norm(x, self.norm3))


class SpatialTransformer(nn.Module):
    def __init__(self, c, d_context, heads):
        super().__init__()
        self.norm, self.proj_in = norm(c, 1e-6), nn.Conv2d(c, c, 1)
        self.transformer_blocks = nn.ModuleList([TransformerBlock(c, d_context, heads)])
        self.proj_out = nn.Conv2d(c, c, 1)

    def forward(self, x, time, context):
        n, c, h, w = x.shape
        y = self.proj_in(ops.group_norm(x, self.norm, False)).permute(0, 2, 3, 1).reshape(n, h * w, c)
        y = self.transformer_blocks[0](y, context)
        return x + self.proj_out(y.reshape(n, h, w, c).permute(0, 3, 1, 2))


class Downsample(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.op = conv3(c, c, 2)

    def forward(self, x, time, context):
        return self.op(x)


class Upsample(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv = conv3(c, c)

    def forward(self, x, time, context):
        return self.conv(upsample2(x))


class Unet(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.config = config
        d_time = 4 * config.channels
        self.time_embed = nn.Sequential(nn.Linear(config.channels, d_time), nn.SiLU(), nn.Linear(d_time, d_time))
        widths = [config.channels * m for m in config.multipliers]

        def stage(c_in, c_out, down):
            layers = [ResBlock(c_in, c_out, d_time)]
            if down in config.attention_downs:
                layers.append(SpatialTransformer(c_out, config.context, config.heads))
            return layers

        self.input_blocks = nn.ModuleList([nn.ModuleList([conv3(LATENT_CHANNELS, config.channels)])])
        c, skips = config.channels, [config.channels]
        for level, width in enumerate(widths):
            for _ in range(config.res_blocks):
                self.input_blocks.append(nn.ModuleList(stage(c, width, 2**level)))
                c = width
                skips.append(c)
            if level < len(widths) - 1:
                self.input_blocks.append(nn.ModuleList([Downsample(c)]))
                skips.append(c)
        self.middle_block = nn.ModuleList([
            ResBlock(c, c, d_time), SpatialTransformer(c, config.context, config.heads), ResBlock(c, c, d_time)])
        self.output_blocks = nn.ModuleList()
        for level, width in reversed(list(enumerate(widths))):
            for i in range(config.res_blocks + 1):
                layers = stage(c + skips.pop(), width, 2**level)
                c = width
                if level > 0 and i == config.res_blocks:
                    layers.append(Upsample(c))
                self.output_blocks.append(nn.ModuleList(layers))
        self.out = nn.Sequential(norm(c), nn.SiLU(), conv3(c, LATENT_CHANNELS))
        nn.init.zeros_(self.out[2].weight)

    def forward(self, x, timesteps, context):
        """x [n, 4, h, w], timesteps [n], context [n, t, d] -> predicted noise [n, 4, h, w]"""
        return self.predict(x, timestep_embedding(timesteps, self.config.channels), context).float()

    def predict(self, x, sinusoids, context):
        """sinusoids [n, channels] of the timesteps; the result is of the weights' type"""
        time = self.time_embed(sinusoids)
        x = x.contiguous(memory_format=torch.channels_last)
        skips = []
        for block in self.input_blocks:
            for layer in block:
                x = layer(x) if isinstance(layer, nn.Conv2d) else layer(x, time, context)
            skips.append(x)
        for layer in self.middle_block:
            x = layer(x, time, context)
        for block in self.output_blocks:
            x = torch.cat([x, skips.pop()], 1)
            for layer in block:
                x = layer(x, time, context)
        return self.out[2](ops.group_norm(x, self.out[0], True))


# --- CLIP text encoder -------------------------------------------------------------------------------------------


class ClipAttention(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.k_proj, self.v_proj, self.q_proj, self.out_proj = (nn.Linear(d, d) for _ in range(4))

    def forward(self, x):
        return self.out_proj(ops.attention(self.q_proj(x), self.k_proj(x), self.v_proj(x), self.heads, causal=True))


class ClipLayer(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.self_attn, self.layer_norm1, self.layer_norm2 = ClipAttention(d, heads), nn.LayerNorm(d), nn.LayerNorm(d)
        self.mlp = nn.Module()
        self.mlp.fc1, self.mlp.fc2 = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)

    def forward(self, x):
        x = x + self.self_attn(ops.layer_norm(x, self.layer_norm1))
        h = self.mlp.fc1(ops.layer_norm(x, self.layer_norm2))
        return x + self.mlp.fc2(h * torch.sigmoid(1.702 * h))


class TextModel(nn.Module):
    """Keys are those below `cond_stage_model.transformer.text_model.`; during training the token table holds only the
    rows of `known` tokens (sorted ids), export.py spreads them over the 49408 rows."""

    def __init__(self, config, known):
        super().__init__()
        self.embeddings = nn.Module()
        self.embeddings.token_embedding = nn.Embedding(len(known) + 1, config.width)  # last row: every unknown token
        self.embeddings.position_embedding = nn.Embedding(config.positions, config.width)
        nn.init.normal_(self.embeddings.token_embedding.weight, std=0.5)
        nn.init.normal_(self.embeddings.position_embedding.weight, std=0.1)
        self.encoder = nn.Module()
        self.encoder.layers = nn.ModuleList(ClipLayer(config.width, config.heads) for _ in range(config.layers))
        self.final_layer_norm = nn.LayerNorm(config.width)

    def forward(self, rows):
        """rows [n, t] of the reduced token table -> [n, t, d]"""
        x = self.embeddings.token_embedding(rows) + self.embeddings.position_embedding.weight[: rows.shape[1]]
        for layer in self.encoder.layers:
            x = layer(x)
        return ops.layer_norm(x, self.final_layer_norm)
