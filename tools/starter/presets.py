"""Sizes and times of one training run. `--preset` picks one; the default follows the device."""
from dataclasses import dataclass

from models import TextConfig, UnetConfig, VaeConfig


@dataclass(frozen=True)
class Preset:
    grammar: str
    vae: VaeConfig
    unet: UnetConfig
    text: TextConfig
    share_vae: float  # shares of the time; the rest trains UNet and text encoder
    share_text: float
    vae_batch: int  # per worker: crops of half the edge in the first phase, whole images / 4 later
    batch: int  # of latents, per worker
    cached_scenes: int
    lr_muon: float
    lr_adam: float
    muon_period: int = 1


PRESETS = {
    # eight kinds, one large thing per picture: what two CPU cores learn in two hours
    "cpu": Preset("small", VaeConfig(32, (2, 2, 2, 4)), UnetConfig(64, (1, 2, 2), 1, (2, 4)), TextConfig(layers=3),
                  share_vae=0.15, share_text=0.025, vae_batch=4, batch=8, cached_scenes=2400,
                  lr_muon=1.5e-3, lr_adam=1e-3, muon_period=2),
    # the wide grammar for a GPU; has not been run yet
    "cuda": Preset("wide", VaeConfig(32, (2, 2, 4, 4)), UnetConfig(64, (1, 2, 2), 1, (1, 2, 4)), TextConfig(layers=4),
                   share_vae=0.3, share_text=0.03, vae_batch=64, batch=512, cached_scenes=100000,
                   lr_muon=2e-3, lr_adam=1e-3),
    # a minute or two, to see that every stage runs
    "tiny": Preset("small", VaeConfig(32, (2, 2, 2, 2)), UnetConfig(32, (1, 2), 1, (2,), context=64),
                   TextConfig(width=64, layers=2), share_vae=0.4, share_text=0.1, vae_batch=2, batch=8, cached_scenes=64,
                   lr_muon=1.5e-3, lr_adam=1e-3),
}
