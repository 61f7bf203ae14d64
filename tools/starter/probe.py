"""Looks into a training: what the UNet listens to, and what it draws."""
import copy
import random

import torch

import captions
import drawing
import scenes
from run import generator
from sampling import ALPHAS_CUMPROD, ddim
from stage_vae import LATENT_SCALE, images_to_tensor, tensor_to_images

PROBE_TIMESTEPS = (850,)
PREVIEW = ("a red bird on a branch", "a yellow bird", "a blue bird at sunset", "a green tree", "a red tree in the snow",
           "a white house in a meadow at night", "a red house at sunset", "a yellow boat", "a white boat at sea at night",
           "a purple flower", "a yellow flower in the desert", "a blue car", "a green car in the snow at night",
           "a white cat", "a purple cat in the desert at sunset", "a red balloon")


@torch.no_grad()
def encode_images(run, vae, images):
    x = images_to_tensor(images).to(run.device).contiguous(memory_format=torch.channels_last)
    with run.autocast():
        return vae.encode(x)[0] * LATENT_SCALE


def noisy(latents, noise, timesteps):
    alpha = torch.from_numpy(ALPHAS_CUMPROD).float()[timesteps.cpu()].to(latents.device)[:, None, None, None]
    return alpha.sqrt() * latents + (1 - alpha).sqrt() * noise


class Probe:
    """Noise prediction errors on scenes never trained on, with the true caption and with one word exchanged. The gap
    between them says what the model has learnt to listen to."""

    def __init__(self, run, vae, rows_of, count=32):
        rng = random.Random(f"probe/{run.seed}")
        self.run, grammar = run, scenes.GRAMMARS[run.preset.grammar]
        found = []
        while len(found) < count:
            scene = scenes.random_scene(grammar, rng, test=True)
            if len(scene.things) == 1 and scene.things[0].say_colour and not scene.things[0].on_branch:
                found.append(scene)
        self.latents = torch.cat([encode_images(run, vae, [drawing.render(s) for s in found[i : i + 16]])
                                  for i in range(0, count, 16)])
        self.noise = torch.randn(self.latents.shape, generator=generator(run.seed, 5)).to(run.device)

        def other(values, value):
            return values[(values.index(value) + 1) % len(values)]

        def exchanged(attribute):
            texts = []
            for i, scene in enumerate(found):
                scene = copy.deepcopy(scene)
                scene.say_place = scene.say_time = True
                if attribute in ("kind", "colour"):
                    value = getattr(scene.things[0], attribute)
                    setattr(scene.things[0], attribute, other(getattr(grammar, attribute + "s"), value))
                elif attribute:
                    setattr(scene, attribute, other(getattr(grammar, attribute + "s"), getattr(scene, attribute)))
                texts.append(captions.caption_of(scene, "probe", i))
            return rows_of(texts).to(run.device)

        self.rows = {name or "true": exchanged(name) for name in ("", "kind", "colour", "place", "time")}

    @torch.no_grad()
    def __call__(self, unet, text):
        report = []
        for t in PROBE_TIMESTEPS:
            times = torch.full((len(self.latents),), t, device=self.run.device)
            x = noisy(self.latents, self.noise, times)
            errors = {}
            for name, rows in self.rows.items():
                with self.run.autocast():
                    errors[name] = float((unet(x, times, text(rows)) - self.noise).square().mean())
            report.append(f"t={t} {1e3 * errors['true']:.2f} " + " ".join(
                f"{name} +{100 * (e / errors['true'] - 1):.0f}%" for name, e in errors.items() if name != "true"))
        return "; ".join(report)


@torch.no_grad()
def sample(run, vae, unet, text, rows_of, prompts, seed, steps=20, scale=4.0, sampler=ddim):
    """-> list of uint8 [128, 128, 3]"""
    images = []
    for i in range(0, len(prompts), 8):
        part = prompts[i : i + 8]
        noise = torch.randn(len(part), 4, 16, 16, generator=generator(seed, i)).to(run.device)
        with run.autocast():
            conditional = text(rows_of(part).to(run.device))
            unconditional = text(rows_of([""] * len(part)).to(run.device))
            z = sampler(unet, noise, conditional, unconditional, steps, scale)
            images += tensor_to_images(vae.decode((z / LATENT_SCALE).contiguous(memory_format=torch.channels_last)))
    return images
