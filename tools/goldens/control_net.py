#!/usr/bin/env python3
"""Writes tests/golden/control/sd1-tiny.safetensors and sd2-tiny.safetensors: what a ControlNet adds to the UNet of
tests/golden/models/sd1-tiny.ckpt and sd2-tiny.safetensors and what the UNet makes of it, computed by PyTorch with the
networks of tools/starter. The ControlNet is a copy of the UNet's first half, as at the start of a training, with a random
hint encoder and random (so not zero) zero convolutions, which alone are stored.

    python3 tools/goldens/control_net.py
"""
import os
import sys
import types

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "tools", "starter"))
os.environ["STARTER_NATIVE"] = "0"  # plain PyTorch

import numpy as np  # noqa: E402
import torch  # noqa: E402

import control_models  # noqa: E402
from checkpoint import read_safetensors  # noqa: E402
from export import write_safetensors  # noqa: E402
from models import CrossAttention, SpatialTransformer, Unet, UnetConfig  # noqa: E402

UNET = "model.diffusion_model."
MODELS = os.path.join(ROOT, "tests", "golden", "models")
SD1 = UnetConfig(32, (1, 1, 2, 2), 2, (1, 2, 4), heads=8, context=128)
SD2 = UnetConfig(64, (1, 1, 2, 1), 1, (1, 2, 4), heads=1, context=128)
SD2_HEAD_DIM = 64
OWN = ("input_hint_block.", "zero_convs.", "middle_block_out.")


class Ignored:
    """Stands for classes of the training program that the checkpoint holds beside its tensors."""

    def __init__(self, *args, **kwargs):
        pass

    def __setstate__(self, state):
        pass


class IgnoredModule(types.ModuleType):
    __path__ = []

    def __getattr__(self, name):
        return Ignored


class ChannelLinear(torch.nn.Linear):
    """SD 2's proj_in and proj_out: a linear layer over the channels of [n, c, h, w]"""

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def as_sd2(network):
    """Linear projections around the transformers, and as many heads as give each 64 channels"""
    for module in network.modules():
        if isinstance(module, SpatialTransformer):
            c = module.proj_in.in_channels
            module.proj_in, module.proj_out = ChannelLinear(c, c), ChannelLinear(c, c)
        if isinstance(module, CrossAttention):
            module.heads = module.to_q.in_features // SD2_HEAD_DIM
    return network


def read_sd1():
    for name in ("pytorch_lightning", "pytorch_lightning.callbacks", "pytorch_lightning.callbacks.model_checkpoint"):
        sys.modules[name] = IgnoredModule(name)
    return torch.load(os.path.join(MODELS, "sd1-tiny.ckpt"), map_location="cpu")["state_dict"]


def read_sd2():
    tensors, _ = read_safetensors(os.path.join(MODELS, "sd2-tiny.safetensors"))
    return {name: torch.from_numpy(values.copy()) for name, values in tensors.items()}


@torch.no_grad()
def write_golden(name, config, state, adapt):
    torch.manual_seed(0)
    unet = adapt(Unet(config)).eval()
    unet.load_state_dict({key[len(UNET):]: v.float() for key, v in state.items() if key.startswith(UNET)})
    control_models.HINT_CHANNELS = (8, 8, 8, 8, 16, 16, 16)
    control = adapt(control_models.ControlNet(config, config)).eval()
    copied = {key: p for key, p in unet.state_dict().items() if key.startswith(("time_embed", "input_blocks", "middle_block."))}
    control.load_state_dict(copied, strict=False)
    tensors = {}
    for key, p in control.named_parameters():
        if key.startswith(OWN):
            scale = p[0].numel() ** -0.5 if p.dim() > 1 else 0.1
            p.copy_((torch.randn(p.shape) * scale).half().float())
            tensors[key] = p.numpy().astype(np.float16)
    x, context = torch.randn(2, 4, 16, 8), torch.randn(2, 9, 128)
    timesteps = torch.tensor([801.0, 12.5])
    hint = (torch.rand(1, 3, 128, 64) < 0.1).float()
    residuals = control(x, timesteps, context, hint.expand(2, -1, -1, -1))
    out = control_models.steered(unet, x, timesteps, context, [0.5 * r for r in residuals])
    tensors |= {"x": x, "context": context, "timesteps": timesteps, "out": out, "middle": residuals[-1]}
    last = len(residuals) - 2
    tensors |= {f"skip_{i}": residuals[i] for i in (0, (last + 1) // 2, last)}
    tensors["hint"] = hint.numpy().astype(np.float16)
    arrays = {k: np.ascontiguousarray(v.numpy() if isinstance(v, torch.Tensor) else v) for k, v in tensors.items()}
    folder = os.path.join(ROOT, "tests", "golden", "control")
    os.makedirs(folder, exist_ok=True)
    print(write_safetensors(arrays, {}, os.path.join(folder, f"{name}.safetensors")), "bytes")


if __name__ == "__main__":
    write_golden("sd1-tiny", SD1, read_sd1(), lambda network: network)
    write_golden("sd2-tiny", SD2, read_sd2(), as_sd2)
