#!/usr/bin/env python3
"""Writes tests/golden/control/sd1-tiny.safetensors: what a ControlNet adds to the UNet of tests/golden/models/sd1-tiny.ckpt and
what the UNet makes of it, computed by PyTorch with the networks of tools/starter. The ControlNet is a copy of the UNet's
first half, as at the start of a training, with a random hint encoder and random (so not zero) zero convolutions, which
alone are stored.

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
from export import write_safetensors  # noqa: E402
from models import Unet, UnetConfig  # noqa: E402

UNET = "model.diffusion_model."
CONFIG = UnetConfig(32, (1, 1, 2, 2), 2, (1, 2, 4), heads=8, context=128)
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


def load_unet():
    for name in ("pytorch_lightning", "pytorch_lightning.callbacks", "pytorch_lightning.callbacks.model_checkpoint"):
        sys.modules[name] = IgnoredModule(name)
    state = torch.load(os.path.join(ROOT, "tests", "golden", "models", "sd1-tiny.ckpt"), map_location="cpu")["state_dict"]
    unet = Unet(CONFIG)
    unet.load_state_dict({name[len(UNET):]: v.float() for name, v in state.items() if name.startswith(UNET)})
    return unet.eval()


@torch.no_grad()
def main():
    torch.manual_seed(0)
    unet = load_unet()
    control_models.HINT_CHANNELS = (8, 8, 8, 8, 16, 16, 16)
    control = control_models.ControlNet(CONFIG, CONFIG).eval()
    copied = {name: p for name, p in unet.state_dict().items() if name.startswith(("time_embed", "input_blocks", "middle_block."))}
    control.load_state_dict(copied, strict=False)
    tensors = {}
    for name, p in control.named_parameters():
        if name.startswith(OWN):
            scale = p[0].numel() ** -0.5 if p.dim() > 1 else 0.1
            p.copy_((torch.randn(p.shape) * scale).half().float())
            tensors[name] = p.numpy().astype(np.float16)
    x, context = torch.randn(2, 4, 16, 8), torch.randn(2, 9, 128)
    timesteps = torch.tensor([801.0, 12.5])
    hint = (torch.rand(1, 3, 128, 64) < 0.1).float()
    residuals = control(x, timesteps, context, hint.expand(2, -1, -1, -1))
    out = control_models.steered(unet, x, timesteps, context, [0.5 * r for r in residuals])
    tensors |= {"x": x, "context": context, "timesteps": timesteps, "out": out, "middle": residuals[-1],
                "skip_0": residuals[0], "skip_6": residuals[6], "skip_11": residuals[11]}
    tensors["hint"] = hint.numpy().astype(np.float16)
    arrays = {k: np.ascontiguousarray(v.numpy() if isinstance(v, torch.Tensor) else v) for k, v in tensors.items()}
    folder = os.path.join(ROOT, "tests", "golden", "control")
    os.makedirs(folder, exist_ok=True)
    print(write_safetensors(arrays, {}, os.path.join(folder, "sd1-tiny.safetensors")), "bytes")


if __name__ == "__main__":
    main()
