"""Trains the autoencoder on freshly drawn scenes and puts the scale of its latents into its own outermost layers."""
import os
import random

import numpy as np
import torch
import torch.nn.functional as F

import drawing
import scenes
from initial import structured_init
from models import LATENT_CHANNELS, Vae
from parallel import Optimizer, atomic_save, shared
from run import Clock, cosine, generator

LATENT_SCALE = 0.18215
CROP_PHASE = 0.55  # share of the time on quarter crops, before whole images


def images_to_tensor(images):
    """list of uint8 [h, w, 3] -> float [n, 3, h, w] in [-1, 1]"""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 127.5 - 1


def tensor_to_images(x):
    return list(((x.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy())


def draw_batch(run, step, count, crop):
    rng = random.Random(f"vae/{run.seed}/{run.team.rank}/{step}")
    grammar = scenes.GRAMMARS[run.preset.grammar]
    images = []
    for _ in range(count):
        image = drawing.render(scenes.random_scene(grammar, rng))
        if crop:
            y, x = rng.randrange(65), rng.randrange(65)
            image = image[y : y + 64, x : x + 64]
        images.append(image)
    return images_to_tensor(images).contiguous(memory_format=torch.channels_last).to(run.device)


def reconstruction_loss(output, target):
    error = output - target
    loss = error.abs().mean() + 2.0 * error.square().mean()
    for axis in (2, 3):
        loss = loss + 0.5 * (output.diff(dim=axis) - target.diff(dim=axis)).abs().mean()
    for size in (2, 4, 8):
        loss = loss + 0.5 / 3 * F.avg_pool2d(error, size).abs().mean()
    return loss


def psnr(vae, run, count=24):
    """On scenes never trained on, in 8-bit pixels."""
    rng = random.Random(f"vae test/{run.seed}")
    grammar = scenes.GRAMMARS[run.preset.grammar]
    images = [drawing.render(scenes.random_scene(grammar, rng, test=True)) for _ in range(count)]
    errors, outputs = [], []
    with torch.no_grad():
        for i in range(0, count, 8):
            x = images_to_tensor(images[i : i + 8]).to(run.device).contiguous(memory_format=torch.channels_last)
            outputs += tensor_to_images(vae.decode(vae.encode(x)[0].contiguous(memory_format=torch.channels_last)))
    for a, b in zip(images, outputs):
        errors.append(np.mean((a.astype(np.float64) - b) ** 2))
    drawing.save_grid([im for pair in zip(images[:12], outputs[:12]) for im in pair], run.path("vae.png"), 8)
    return float(np.mean(10 * np.log10(255**2 / np.array(errors))))


def train(run, seconds, steps=None, decoder_only=False):
    preset, path = run.preset, run.path("vae_training.pt")
    torch.manual_seed(run.seed)
    vae = Vae(preset.vae)
    structured_init(vae)
    vae = vae.to(run.device).to(memory_format=torch.channels_last)
    optimizer = Optimizer(list(vae.named_parameters()), run.team, preset.lr_muon, preset.lr_adam, ema=0.995)
    optimizer.newton_dtype = torch.bfloat16 if run.bf16 else torch.float32
    used, used_steps = 0.0, 0
    if os.path.exists(path):
        state = torch.load(path, map_location=run.device)
        optimizer.load(state["optimizer"])
        used, used_steps = state["used"], state["step"]
        run.log(f"vae: resumed at step {used_steps}, {used:.0f} s")
    clock = Clock(run, seconds, steps, used, used_steps)
    losses = shared(torch.zeros(run.team.size))

    def work():
        optimizer.attach_gradients()
        while True:
            progress = clock.publish()
            if progress >= 1:
                break
            step, crop = clock.step, progress < CROP_PHASE
            x = draw_batch(run, step, preset.vae_batch if crop else max(1, preset.vae_batch // 4), crop)
            with run.autocast():
                mean, log_variance = vae.encode(x)
                noise = torch.randn(mean.shape, generator=generator(run.seed, run.team.rank, step)).to(run.device)
                z = (mean + noise * (0.5 * log_variance).exp()).contiguous(memory_format=torch.channels_last)
                y = vae.decode(z)
            kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
            loss = reconstruction_loss(y, x) + 2e-4 * kl
            loss.backward()
            l1 = float((y.detach() - x).abs().mean())
            losses[run.team.rank] = l1 if step == 1 else 0.95 * losses[run.team.rank] + 0.05 * l1
            optimizer.step(cosine(progress, step))
            if run.team.rank == 0:
                if clock.due("last_probe", 30):
                    run.log(f"vae step {step} {clock.used():.0f} s ({100 * progress:.0f} %) L1 {float(losses.mean()):.4f}")
                if clock.due("last_save", 120):
                    atomic_save({"optimizer": optimizer.state(), "used": clock.used(), "step": step}, path)

    run.team.run(work)
    atomic_save({"optimizer": optimizer.state(), "used": clock.used(), "step": clock.step}, path)
    optimizer.keep_average()
    return vae


@torch.no_grad()
def fold_scale(vae, run, count=256):
    """Makes 0.18215 * latent zero-mean and of unit variance per channel, by changing the two 1x1 convolutions."""
    rng = random.Random(f"vae scale/{run.seed}")
    grammar = scenes.GRAMMARS[run.preset.grammar]
    parts = []
    for _ in range(count // 16):
        images = [drawing.render(scenes.random_scene(grammar, rng)) for _ in range(16)]
        parts.append(vae.encode(images_to_tensor(images).to(run.device).contiguous(memory_format=torch.channels_last))[0])
    latents = torch.cat(parts)
    mean, scale = latents.mean((0, 2, 3)), latents.std((0, 2, 3)) * LATENT_SCALE
    quant, post = vae.quant_conv, vae.post_quant_conv
    c = LATENT_CHANNELS
    quant.weight[:c] /= scale[:, None, None, None]
    quant.bias[:c] = (quant.bias[:c] - mean) / scale
    quant.bias[c:] -= 2 * scale.log()
    post.bias += (post.weight[:, :, 0, 0] @ mean)
    post.weight *= scale[None, :, None, None]
    stds = [round(v, 2) for v in (scale / LATENT_SCALE).tolist()]
    run.log(f"vae: latent mean {[round(v, 2) for v in mean.tolist()]}, std {stds}")


def prepare(run, seconds, steps=None):
    """The trained and scaled autoencoder, from the folder if it is there."""
    path = run.path("vae.pt")
    if os.path.exists(path):
        vae = Vae(run.preset.vae).to(run.device).to(memory_format=torch.channels_last)
        vae.load_state_dict(torch.load(path, map_location=run.device))
        return vae
    vae = train(run, seconds, steps)
    run.log(f"vae: PSNR before scaling {psnr(vae, run):.2f} dB")
    fold_scale(vae, run)
    run.log(f"vae: PSNR {psnr(vae, run):.2f} dB")
    atomic_save(vae.state_dict(), path)
    return vae
