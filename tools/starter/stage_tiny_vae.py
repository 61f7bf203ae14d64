#!/usr/bin/env python3
"""Distils the autoencoder of a starter model into a tiny one (tiny_vae.py) and writes it as a diffusers AutoencoderTiny file.

    python3 tools/starter/stage_tiny_vae.py assets/starter.safetensors FILE.safetensors --work FOLDER --minutes 2

The teacher draws nothing new: its latents of fresh scenes, and what it decodes them to, are made once and kept in --work,
beside the state of the training, which may be stopped at any moment and goes on where it was.
"""
import argparse
import os
import random
import time

import numpy as np
import torch
import torch.nn.functional as F

import drawing
import scenes
import tiny_vae
from checkpoint import read_safetensors
from export import VAE, write_safetensors
from models import Vae
from parallel import Optimizer, Team, atomic_save
from presets import PRESETS
from run import cosine
from stage_vae import LATENT_SCALE, images_to_tensor

DECODER_WIDTH, ENCODER_WIDTH = 32, 16
BATCH = 4
CROP = 8  # latent pixels a side: half of each edge
MARGIN = 1  # of a crop inside the image, where the teacher saw more than the crop: no part of the loss
MIXED = 0.25  # share of latents between two scenes: what a running job believes is blurred
TEST_SCENES = 8
ENCODER_SHARE = 0.2  # of the time


def load_teacher(path, preset):
    tensors, _ = read_safetensors(path)
    vae = Vae(preset.vae)
    vae.load_state_dict({name[len(VAE):]: torch.from_numpy(value.astype(np.float32)) for name, value in tensors.items()
                         if name.startswith(VAE)})
    return vae.eval().to(memory_format=torch.channels_last)


def draw(preset, seed, count, test):
    rng = random.Random(f"tiny vae/{seed}/{test}")
    grammar = scenes.GRAMMARS[preset.grammar]
    return images_to_tensor([drawing.render(scenes.random_scene(grammar, rng, test=test)) for _ in range(count)])


@torch.no_grad()
def make_examples(teacher, preset, seed, count, test=False):
    """-> images [n, 3, h, w] in [0, 1], the teacher's scaled latents, scaled latents to decode, what it decodes them to"""
    images = draw(preset, seed, count, test)
    latents = torch.cat([teacher.encode(x.contiguous(memory_format=torch.channels_last))[0] for x in images.split(8)])
    seen = latents.clone()
    if not test:
        generator = torch.Generator().manual_seed(seed)
        others = latents[torch.randperm(count, generator=generator)]
        share = torch.rand(count, 1, 1, 1, generator=generator) * 0.5
        share[torch.rand(count, generator=generator) > MIXED] = 0
        seen = latents.lerp(others, share)
    decoded = torch.cat([teacher.decode(z.contiguous(memory_format=torch.channels_last)) for z in seen.split(8)])
    return [(images + 1) / 2, latents * LATENT_SCALE, seen * LATENT_SCALE, (decoded.clamp(-1, 1) + 1) / 2]


def cached_examples(args, teacher, preset):
    path = os.path.join(args.work, f"tiny_examples_{args.examples}.pt")
    if not os.path.exists(path):
        start = time.monotonic()
        state = {"train": make_examples(teacher, preset, args.seed, args.examples),
                 "test": make_examples(teacher, preset, args.seed, TEST_SCENES, test=True)}
        atomic_save({k: [t.half() for t in v] for k, v in state.items()}, path)
        print(f"examples: {time.monotonic() - start:.0f} s", flush=True)
    return {k: [t.float() for t in v] for k, v in torch.load(path).items()}


def image_loss(output, target):
    error = output - target
    loss = error.abs().mean() + 4.0 * error.square().mean()
    for axis in (2, 3):
        loss = loss + 0.5 * (output.diff(dim=axis) - target.diff(dim=axis)).abs().mean()
    return loss


def latent_loss(output, target):
    error = output - target
    return error.abs().mean() + error.square().mean()


@torch.no_grad()
def psnr(network, inputs, targets):
    error = (network(inputs).clamp(0, 1) - targets).square().mean((1, 2, 3))
    return float((-10 * error.log10()).mean())


@torch.no_grad()
def correlation(network, inputs, targets):
    return float(np.corrcoef(network(inputs).flatten().numpy(), targets.flatten().numpy())[0, 1])


def crop_of(x, y, step):
    """The same part of inputs and targets, one of which has 8 times the other's resolution, and what of it is judged."""
    edge = min(x.shape[2], y.shape[2])
    generator = torch.Generator().manual_seed(step)
    begin = torch.randint(0, edge - CROP + 1, (2,), generator=generator).tolist()
    parts = []
    for tensor in (x, y):
        scale = tensor.shape[2] // edge
        rows, columns = (slice(at * scale, (at + CROP) * scale) for at in begin)
        parts.append(tensor[:, :, rows, columns])
    scale = y.shape[2] // edge
    inner = [slice(None), slice(None)]
    for at in begin:
        low = 0 if at == 0 else MARGIN * scale
        high = CROP * scale if at == edge - CROP else (CROP - MARGIN) * scale
        inner.append(slice(low, high))
    return parts[0], parts[1], tuple(inner)


def train(args, name, network, inputs, targets, loss_of, judge, seconds):
    """Muon and Adam as in the other stages; keeps the averaged weights."""
    path = os.path.join(args.work, f"tiny_{name}.pt")
    optimizer = Optimizer(list(network.named_parameters()), Team(1), lr_muon=args.rate, lr_adam=args.rate, ema=0.995)
    used, step = 0.0, 0
    if os.path.exists(path):
        state = torch.load(path)
        optimizer.load(state["optimizer"])
        used, step = state["used"], state["step"]
    optimizer.attach_gradients()
    last_save = base = time.process_time()
    while used + time.process_time() - base < seconds:
        rows = torch.randint(len(inputs), (BATCH,), generator=torch.Generator().manual_seed(args.seed * 1_000_003 + step))
        x, y, inner = crop_of(inputs[rows], targets[rows], step)
        output = network(x.contiguous(memory_format=torch.channels_last))
        loss = loss_of(output[inner], y[inner])
        loss.backward()
        optimizer.step(cosine((used + time.process_time() - base) / seconds, step))
        step += 1
        if time.process_time() - last_save > 10:
            last_save = time.process_time()
            spent = used + last_save - base
            atomic_save({"optimizer": optimizer.state(), "used": spent, "step": step}, path)
            print(f"{name}: step {step}, {spent:.0f} s, loss {float(loss):.4f}, test {judge(network):.3f}", flush=True)
    atomic_save({"optimizer": optimizer.state(), "used": seconds, "step": step}, path)
    optimizer.keep_average()
    print(f"{name}: {step} steps, test {judge(network):.3f}", flush=True)


def export(decoder, encoder, path):
    tensors = {prefix + name: value.detach().half().numpy()
               for prefix, network in (("decoder.", decoder), ("encoder.", encoder))
               for name, value in network.state_dict().items()}
    metadata = {"format": "pt", "easel.name": "starter tiny VAE", "easel.license": "CC0-1.0"}
    print(f"{path}: {write_safetensors(tensors, metadata, path) / 1e6:.2f} MB", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("starter")
    parser.add_argument("file")
    parser.add_argument("--work", required=True, help="folder of the examples and of the training's state")
    parser.add_argument("--minutes", type=float, default=2, help="processor time of the training")
    parser.add_argument("--examples", type=int, default=32)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    os.makedirs(args.work, exist_ok=True)
    preset = PRESETS["cpu"]
    examples = cached_examples(args, load_teacher(args.starter, preset), preset)
    images, latents, seen, decoded = examples["train"]
    test_images, test_latents, test_seen, test_decoded = examples["test"]

    decoder, encoder = tiny_vae.Decoder(DECODER_WIDTH), tiny_vae.Encoder(ENCODER_WIDTH)
    tiny_vae.start_affine(decoder, seen, F.avg_pool2d(decoded, 8), tiny_vae.LATENT_CHANNELS, centre=0.0)
    tiny_vae.start_affine(encoder, F.avg_pool2d(images, 8), latents, 3, centre=0.5)
    for network in (decoder, encoder):
        network.to(memory_format=torch.channels_last)
    print(f"start: decoder {psnr(decoder, test_seen, test_decoded):.2f} dB, "
          f"encoder {correlation(encoder, test_images, test_latents):.3f}", flush=True)
    seconds = 60 * args.minutes
    train(args, "encoder", encoder, images, latents, latent_loss,
          lambda network: correlation(network, test_images, test_latents), seconds * ENCODER_SHARE)
    train(args, "decoder", decoder, seen, decoded, image_loss, lambda network: psnr(network, test_seen, test_decoded),
          seconds * (1 - ENCODER_SHARE))
    export(decoder, encoder, args.file)


if __name__ == "__main__":
    main()
