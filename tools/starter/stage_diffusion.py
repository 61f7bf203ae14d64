"""Encodes scenes and trains the UNet, and with it the text encoder, to predict the noise in their latents."""
import copy
import os
import random

import numpy as np
import torch

import captions
import drawing
import scenes
from initial import copy_input_init
from models import TextModel, Unet
from parallel import Optimizer, atomic_save, shared
from probe import PREVIEW, Probe, encode_images, noisy, sample
from run import Clock, cosine, generator
from sampling import ALPHAS_CUMPROD, STEPS
from stage_text import P_UNKNOWN, SHORT, pretrain_text
from tokenizer import CONTEXT

P_UNCONDITIONAL = 0.12
LONG_PHASE = 0.8  # from this progress on every step sees all 77 tokens, before it one in eight
TEXT_LR = 0.3  # the text encoder already knows its words and follows slowly


def make_scenes(run):
    grammar = scenes.GRAMMARS[run.preset.grammar]
    return [scenes.random_scene(grammar, random.Random(f"scene/{run.seed}/{i}")) for i in range(run.preset.cached_scenes)]


def encode_scenes(run, vae, all_scenes):
    """Scaled latents float16 [n, 4, 16, 16], in the order of the scenes."""
    path, done = run.path("latents.npy"), 0
    latents = shared(torch.zeros(len(all_scenes), 4, 16, 16, dtype=torch.float16))
    if os.path.exists(path):
        old = torch.from_numpy(np.load(path))
        done = min(len(old), len(latents))
        latents[:done] = old[:done]
    if done == len(latents):
        return latents.to(run.device)

    def work():
        chunk = 8 if run.device == "cpu" else 128
        for i in range(done + run.team.rank * chunk, len(all_scenes), run.team.size * chunk):
            images = [drawing.render(scene) for scene in all_scenes[i : i + chunk]]
            latents[i : i + len(images)] = encode_images(run, vae, images).half().cpu()

    run.team.run(work)
    np.save(path, latents.numpy())
    run.log(f"encoded {len(latents) - done} scenes")
    return latents.to(run.device)


def importance():
    """Weight of every timestep's error, float64 [1000]: min(SNR, 5) / SNR, as in Hang et al. 2023, times a power of
    1 + 1 / SNR (1 would be the loss of v prediction): layout and kind are decided at high noise, where the error of the
    noise is small and would teach them last."""
    snr = ALPHAS_CUMPROD / (1 - ALPHAS_CUMPROD)
    weights = np.minimum(snr, 5) / snr * (1 + 1 / snr) ** 0.8
    return weights / weights.mean()


WEIGHTS = importance()
SHARES = np.cumsum(np.sqrt(WEIGHTS)) / np.sqrt(WEIGHTS).sum()


def draw_timesteps(count, g):
    """-> timesteps [count] and the weights of their errors. Important steps come more often instead of weighing more:
    drawn in proportion to the root of their importance, they keep only the other root as weight."""
    strata = (torch.arange(count) + torch.rand(count, generator=g)) / count
    timesteps = np.searchsorted(SHARES, strata.numpy().astype(np.float64)).clip(max=STEPS - 1)
    weights = np.sqrt(WEIGHTS[timesteps]) * np.sqrt(WEIGHTS).mean()
    return torch.from_numpy(timesteps), torch.from_numpy(weights).float()


def build(run, rows_of):
    torch.manual_seed(run.seed)
    unet = Unet(run.preset.unet)
    copy_input_init(unet)
    unet = unet.to(run.device).to(memory_format=torch.channels_last)
    return unet, TextModel(run.preset.text, rows_of.known).to(run.device)


def named_parameters(unet, text):
    return [(f"unet.{n}", p) for n, p in unet.named_parameters()] + [(f"text.{n}", p) for n, p in text.named_parameters()]


class DiffusionTraining:
    def __init__(self, run, vae, seconds, steps):
        self.run, self.vae, self.path = run, vae, run.path("diffusion.pt")
        self.rows_of = captions.CaptionRows(scenes.GRAMMARS[run.preset.grammar])
        self.scenes = make_scenes(run)
        self.latents = encode_scenes(run, vae, self.scenes)
        self.unet, self.text = build(run, self.rows_of)
        self._prepare_text()
        self.optimizer = self._optimizer()
        used, used_steps = self._resume()
        self.ema_unet, self.ema_text = copy.deepcopy(self.unet), copy.deepcopy(self.text)
        for i, (_, p) in enumerate(named_parameters(self.ema_unet, self.ema_text)):
            p.data = self.optimizer.view(self.optimizer.average, i)
        self.probe = Probe(run, vae, self.rows_of)
        self.clock = Clock(run, seconds, steps, used, used_steps)
        self.losses = shared(torch.zeros(run.team.size))
        self.last_step, self.last_used = used_steps, used

    def _prepare_text(self):
        path = self.run.path("text.pt")
        if os.path.exists(path):
            self.text.load_state_dict(torch.load(path, map_location=self.run.device))
        else:
            pretrain_text(self.run, self.text, self.rows_of, self.scenes, self.run.minutes * 60 * self.run.preset.share_text)
            atomic_save(self.text.state_dict(), path)

    def _optimizer(self):
        preset = self.run.preset
        named = named_parameters(self.unet, self.text)
        optimizer = Optimizer(named, self.run.team, preset.lr_muon, preset.lr_adam, ema=0.998)
        optimizer.newton_dtype = torch.bfloat16 if self.run.bf16 else torch.float32
        optimizer.muon_period = preset.muon_period
        optimizer.lr_of = [TEXT_LR if name.startswith("text.") else 1.0 for name in optimizer.names]
        return optimizer

    def _resume(self):
        if not os.path.exists(self.path):
            return 0.0, 0
        state = torch.load(self.path, map_location=self.run.device)
        self.optimizer.load(state["optimizer"])
        self.run.log(f"diffusion: resumed at step {state['step']}, {state['used']:.0f} s")
        return state["used"], state["step"]

    def save(self):
        atomic_save({"optimizer": self.optimizer.state(), "used": self.clock.used(), "step": self.clock.step}, self.path)

    def batch(self, step, progress):
        """-> latents [n, 4, 16, 16], token rows [n, t], timesteps [n], weights [n], noise like the latents"""
        run, count = self.run, self.run.preset.batch
        rng = random.Random(f"diffusion/{run.seed}/{run.team.rank}/{step}")
        g = generator(run.seed, 77, run.team.rank, step)
        chosen = [rng.randrange(len(self.scenes)) for _ in range(count)]
        texts = ["" if rng.random() < P_UNCONDITIONAL else scenes.caption(self.scenes[i], rng) for i in chosen]
        context = CONTEXT if progress >= LONG_PHASE or step % 8 == 0 else SHORT
        rows = self.rows_of(texts, context, rng, P_UNKNOWN)
        x = self.latents[chosen].float()
        times, weights = draw_timesteps(count, g)
        noise = torch.randn(x.shape, generator=g)
        return (t.to(run.device) for t in (x, rows, times, weights, noise))

    def step(self, step, progress):
        x, rows, times, weights, noise = self.batch(step, progress)
        with self.run.autocast():
            predicted = self.unet(noisy(x, noise, times), times, self.text(rows))
        loss = ((predicted - noise).square().mean((1, 2, 3)) * weights).mean()
        loss.backward()
        rank = self.run.team.rank
        self.losses[rank] = loss.item() if self.losses[rank] == 0 else 0.98 * self.losses[rank] + 0.02 * loss.item()
        self.optimizer.step(cosine(progress, step, warm_up=60))

    def report(self, step, progress):
        used, seen = self.clock.used(), self.run.preset.batch * self.run.team.size
        rate = (step - self.last_step) * seen / max(1e-3, used - self.last_used)
        self.last_step, self.last_used = step, used
        self.run.log(f"step {step} {used:.0f} s ({100 * progress:.0f} %) loss {float(self.losses.mean()):.4f} {rate:.0f}/s | "
                     f"{self.probe(self.ema_unet, self.ema_text)}")

    def preview(self, name):
        images = sample(self.run, self.vae, self.ema_unet, self.ema_text, self.rows_of, PREVIEW, seed=1)
        drawing.save_grid(images, self.run.path(name), 8)

    def work(self):
        self.optimizer.attach_gradients()
        while (progress := self.clock.publish()) < 1:
            step = self.clock.step
            self.step(step, progress)
            if self.run.team.rank > 0:
                continue
            if self.clock.due("last_probe", 600):
                self.report(step, progress)
            if self.clock.due("last_save", 240):
                self.save()
            if self.clock.due("last_preview", 3600):
                self.preview(f"preview_{int(self.clock.used()):05d}.png")


def train(run, vae, seconds, steps=None):
    training = DiffusionTraining(run, vae, seconds, steps)
    run.team.run(training.work)
    training.save()
    run.log(f"diffusion: {training.clock.step} steps | {training.probe(training.ema_unet, training.ema_text)}")
    training.preview("preview_final.png")
