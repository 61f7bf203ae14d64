#!/usr/bin/env python3
"""Trains a small ControlNet on the edges of the starter model's drawings. Half of the drawings are smaller or further aside
than any that the starter model has seen, so that the edges have something to tell.

    nice -n 19 python3 tools/starter/control_net.py --out edges.safetensors
"""
import random
from dataclasses import replace

import numpy as np
import torch

import drawing
import scenes
from adapter_training import Loop, Starter, arguments, save, save_preview
from canny import canny
from control_models import ControlNet, steered
from models import UnetConfig
from parallel import Optimizer, Team
from sampling import ddim

WIDTH = 32  # half of the starter's
KEEPS_TEXT = 0.5  # share of the drawings of the usual size and place
PREVIEW = (("house", "red", "left", "small"), ("tree", "blue", "right", "medium"), ("cat", "yellow", "left", "medium"),
           ("boat", "white", "right", "medium"), ("bird", "red", "left", "small"), ("car", "green", "right", "medium"),
           ("flower", "purple", "center", "medium"), ("balloon", "yellow", "right", "small"))


def moved_scene(grammar, rng):
    """A scene whose thing is of any size and place; its caption tells neither."""
    wide = replace(grammar, sizes=("big", "medium", "small"), positions=("center", "left", "right"))
    scene = scenes.random_scene(wide, rng)
    thing = scene.things[0]
    if not thing.on_branch:
        thing.size, thing.position = rng.choice(wide.sizes), rng.choice(wide.positions)
        scenes.settle(scene, rng)
    thing.say_size = thing.say_position = False
    return scene


def hints_of(edges):
    """uint8 [n, h, w] -> [n, 3, h, w] in [0, 1]"""
    return (torch.from_numpy(edges).float() / 255)[:, None].expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def draw(starter, control, prompts, hints):
    noise = torch.randn(len(prompts), 4, 16, 16, generator=torch.Generator().manual_seed(5))

    def network(x, times, context):
        if control is None:
            return starter.unet(x, times, context)
        twice = torch.cat([hints, hints])
        return steered(starter.unet, x, times, context, control(x, times, context, twice))

    network.config = starter.unet.config
    z = ddim(network, noise, starter.text_states(prompts), starter.text_states([""] * len(prompts)), 20, 3.0)
    return starter.decode(z)


def preview(starter, control, path):
    drawn = [scenes.make_scene(kind, colour, size=size, position=place, seed=i, say_colour=True)
             for i, (kind, colour, place, size) in enumerate(PREVIEW)]
    images = [drawing.render(scene) for scene in drawn]
    edges = np.stack([canny(image) for image in images])
    prompts = [f"a {colour} {kind}" for kind, colour, _, _ in PREVIEW]
    as_pictures = [np.repeat(e[..., None], 3, 2) for e in edges]
    hints = hints_of(edges)
    save_preview([images, as_pictures, draw(starter, None, prompts, hints), draw(starter, control, prompts, hints)], path)


def main():
    parser = arguments(__doc__, minutes=20)
    parser.set_defaults(scenes=2400)
    args = parser.parse_args()
    starter = Starter(args.starter)
    grammar = scenes.GRAMMARS["small"]
    rng = random.Random(f"control/{args.seed}")
    make = (scenes.random_scene, moved_scene)
    all_scenes = [make[rng.random() >= KEEPS_TEXT](grammar, rng) for _ in range(args.scenes)]
    images = [drawing.render(scene) for scene in all_scenes]
    latents = starter.encode(images)
    edges = np.stack([canny(image) for image in images])
    torch.manual_seed(args.seed)
    control = ControlNet(UnetConfig(WIDTH, (1, 2, 2), 1, (2, 4)), starter.unet.config)
    control = control.to(memory_format=torch.channels_last)
    optimizer = Optimizer(list(control.named_parameters()), Team(1), lr_muon=2e-3, lr_adam=1.5e-3, ema=0.998)
    optimizer.newton_dtype = torch.bfloat16 if starter.bf16 else torch.float32
    optimizer.attach_gradients()

    def predict(x, times, chosen, texts):
        with torch.no_grad():
            context = starter.text_states(texts)
        return steered(starter.unet, x, times, context, control(x, times, context, hints_of(edges[chosen])))

    loop = Loop(args, starter, latents, lambda i, rng: scenes.caption(all_scenes[i], rng))
    loop.run(predict, optimizer.step)
    optimizer.keep_average()
    metadata = {"easel.license": "CC0-1.0", "easel.base_model": "starter", "easel.preprocessor": "canny"}
    save({f"control_model.{name}": p for name, p in control.named_parameters()}, metadata, args.out)
    preview(starter, control, args.out)


if __name__ == "__main__":
    main()
