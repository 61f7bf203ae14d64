"""What the trainings of adapters (style_lora.py, new_word.py, control_net.py) share: the frozen starter model, drawings as
latents, the loop, and the half-precision file at the end."""
import argparse
import os
import random
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
if "OPENBLAS_CORETYPE" not in os.environ and os.path.exists("/proc/cpuinfo") and "avx512" in open("/proc/cpuinfo").read():
    os.environ["OPENBLAS_CORETYPE"] = "SKYLAKEX"  # older OpenBLAS takes a slow kernel on processors it does not know

import numpy as np  # noqa: E402
import torch  # noqa: E402

import drawing  # noqa: E402
import ops  # noqa: E402
from checkpoint import Networks  # noqa: E402
from export import write_safetensors  # noqa: E402
from presets import PRESETS  # noqa: E402
from probe import noisy  # noqa: E402
from run import cosine, generator  # noqa: E402
from stage_diffusion import P_UNCONDITIONAL, draw_timesteps  # noqa: E402
from stage_vae import LATENT_SCALE, images_to_tensor, tensor_to_images  # noqa: E402

torch.set_num_threads(1)
STARTER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "assets", "starter.safetensors")


def arguments(description, minutes):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=minutes, help="training time on one core")
    parser.add_argument("--steps", type=int, help="exact number of steps instead")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--scenes", type=int, default=1200, help="drawings that are drawn and encoded")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--starter", default=STARTER, help="the model to train on")
    parser.add_argument("--out", required=True, metavar="FILE", help="the adapter, .safetensors; a preview .png beside it")
    return parser


class Starter(Networks):
    """The starter model with all weights frozen, in the precision that this processor is fast in."""

    def __init__(self, path):
        super().__init__(path, PRESETS["cpu"])
        self.bf16 = ops.cpu_has_bf16()
        for network in (self.unet, self.vae, self.text):
            network.requires_grad_(False)

    def autocast(self):
        return torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bf16)

    @torch.no_grad()
    def encode(self, images, chunk=16):
        """list of uint8 [128, 128, 3] -> scaled latents [n, 4, 16, 16]"""
        parts = []
        for i in range(0, len(images), chunk):
            x = images_to_tensor(images[i : i + chunk]).contiguous(memory_format=torch.channels_last)
            with self.autocast():
                parts.append(self.vae.encode(x)[0] * LATENT_SCALE)
        return torch.cat(parts)

    @torch.no_grad()
    def decode(self, latents):
        return tensor_to_images(self.vae.decode((latents / LATENT_SCALE).contiguous(memory_format=torch.channels_last)))


class Loop:
    """Steps of noise prediction. `predict(x, timesteps, chosen, texts)` runs the network with the adapter on the drawings
    `chosen`; `update(lr_scale)` moves the adapter's numbers."""

    def __init__(self, args, starter, latents, caption_of):
        self.args, self.starter, self.latents, self.caption_of = args, starter, latents, caption_of
        self.step, self.loss, self.start, self.told = 0, None, time.process_time(), 0.0

    def progress(self):
        if self.args.steps:
            return self.step / self.args.steps
        return (time.process_time() - self.start) / (60 * self.args.minutes)

    def run(self, predict, update):
        while (progress := self.progress()) < 1:
            loss = self._loss(predict)
            loss.backward()
            update(cosine(progress, self.step))
            self.loss = loss.item() if self.loss is None else 0.98 * self.loss + 0.02 * loss.item()
            self.step += 1
            if time.monotonic() - self.told > 30:
                self.told = time.monotonic()
                print(f"{time.strftime('%H:%M:%S')} step {self.step} ({100 * progress:.0f} %) loss {self.loss:.4f}", flush=True)
        print(f"{self.step} steps of {self.args.batch} in {time.process_time() - self.start:.0f} s of one core, loss {self.loss:.4f}", flush=True)

    def _loss(self, predict):
        rng = random.Random(f"adapter/{self.args.seed}/{self.step}")
        g = generator(self.args.seed, 91, self.step)
        chosen = [rng.randrange(len(self.latents)) for _ in range(self.args.batch)]
        texts = ["" if rng.random() < P_UNCONDITIONAL else self.caption_of(i, rng) for i in chosen]
        x = self.latents[chosen]
        times, weights = draw_timesteps(len(chosen), g)
        noise = torch.randn(x.shape, generator=g)
        with self.starter.autocast():
            predicted = predict(noisy(x, noise, times), times, chosen, texts)
        return ((predicted - noise).square().mean((1, 2, 3)) * weights).mean()


def adam(parameters, lr):
    """-> update(lr_scale) for Loop.run"""
    optimizer = torch.optim.Adam(parameters, lr=lr)

    def update(lr_scale):
        optimizer.param_groups[0]["lr"] = lr * lr_scale
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return update


def save(tensors, metadata, path):
    """name -> tensor, as half precision"""
    arrays = {name: value.detach().float().contiguous().numpy().astype(np.float16) for name, value in sorted(tensors.items())}
    size = write_safetensors(arrays, metadata, path)
    print(f"{path}: {size / 1e6:.2f} MB, {sum(a.size for a in arrays.values())} numbers")


def save_preview(rows, path):
    """rows: lists of images of equal length, one below the other"""
    drawing.save_grid([image for row in rows for image in row], os.path.splitext(path)[0] + ".png", len(rows[0]))
