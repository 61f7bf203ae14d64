#!/usr/bin/env python3
"""Trains a style on the starter model: a LoRA (Hu et al. 2021) of its linear layers and convolutions that prints every
drawing in three inks, violet, pink and straw. Written with the names that kohya's trainer gives.

    nice -n 19 python3 tools/starter/style_lora.py --out three-inks.safetensors
"""
import random

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import drawing
import scenes
from adapter_training import Loop, Starter, adam, arguments, save, save_preview
from sampling import dpmpp_2m

INKS = np.array([(44, 18, 92), (230, 62, 122), (255, 236, 156)], np.float32)  # dark, middle, light
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
PROMPTS = ["a red bird on a branch", "a yellow house in the snow", "a white boat at sea at night", "a blue car in the desert",
           "a green tree at sunset", "a purple flower", "a white cat in a meadow", "a red balloon at dusk"]


def printed(image):
    """uint8 [h, w, 3] -> the same drawing in three inks"""
    grey = (image.astype(np.float32) @ LUMA / 127.5)[..., None]  # 0 dark, 1 middle, 2 light
    low, high = INKS[0] + (INKS[1] - INKS[0]) * grey, INKS[1] + (INKS[2] - INKS[1]) * (grey - 1)
    return np.where(grey < 1, low, high).round().astype(np.uint8)


class Adapted(nn.Module):
    """A layer and, beside it, a second way through `rank` channels that begins as zero."""

    def __init__(self, layer, rank, alpha):
        super().__init__()
        self.layer, self.scale = layer, alpha / rank
        self.is_linear = isinstance(layer, nn.Linear)
        shape = layer.weight.shape
        self.down = nn.Parameter(torch.randn(rank, *shape[1:]) * shape[1:].numel() ** -0.5)
        self.up = nn.Parameter(torch.zeros(shape[0], rank, *([1] * (len(shape) - 2))))

    def forward(self, x):
        if self.is_linear:
            return self.layer(x) + F.linear(F.linear(x, self.down), self.up) * self.scale
        narrow = F.conv2d(x, self.down, None, self.layer.stride, self.layer.padding)
        return self.layer(x) + F.conv2d(narrow, self.up) * self.scale


def adapt(unet, rank, alpha):
    """Replaces layers of the UNet by adapted ones -> {name in the checkpoint: Adapted}"""
    adapted = {}
    for name, module in list(unet.named_modules()):
        parent_name, _, child = name.rpartition(".")
        is_layer = isinstance(module, (nn.Linear, nn.Conv2d)) and parent_name.startswith(("input_", "middle_", "output_"))
        if not is_layer or name.startswith("input_blocks.0."):
            continue
        parent = unet.get_submodule(parent_name)
        adapted[name] = Adapted(module, rank, alpha)
        if isinstance(parent, (nn.ModuleList, nn.Sequential)):
            parent[int(child)] = adapted[name]
        else:
            setattr(parent, child, adapted[name])
    return adapted


def kohya_name(name, res_blocks):
    """The name in a checkpoint -> in the layout of diffusers, underscored: what kohya's trainer writes."""
    parts = name.split(".")
    if parts[0] == "middle_block":
        index = int(parts[1])
        block, rest = "mid_block", parts[2:]
        kind, j = ("attentions", 0) if index == 1 else ("resnets", index // 2)
    else:
        down = parts[0] == "input_blocks"
        number, layer, rest = int(parts[1]) - down, parts[2], parts[3:]
        level, j = divmod(number, res_blocks + 1)
        block = f"{'down' if down else 'up'}_blocks_{level}"
        kind = "resnets" if layer == "0" else "attentions"
        if rest[0] in ("op", "conv"):
            kind, j, rest = ("downsamplers" if down else "upsamplers"), 0, ["conv"]
    renamed = {"in_layers.2": "conv1", "emb_layers.1": "time_emb_proj", "out_layers.3": "conv2",
               "skip_connection": "conv_shortcut"}
    last = ".".join(rest)
    return f"lora_unet_{block}_{kind}_{j}_{renamed.get(last, last)}".replace(".", "_")


def main():
    parser = arguments(__doc__, minutes=12)
    parser.add_argument("--rank", type=int, default=4)
    args = parser.parse_args()
    starter = Starter(args.starter)
    grammar = scenes.GRAMMARS["small"]
    rng = random.Random(f"style/{args.seed}")
    all_scenes = [scenes.random_scene(grammar, rng) for _ in range(args.scenes)]
    latents = starter.encode([printed(drawing.render(scene)) for scene in all_scenes])
    before = starter.sample(PROMPTS, 5, dpmpp_2m, 20, 3.0)
    alpha = args.rank / 2
    adapted = adapt(starter.unet, args.rank, alpha)
    parameters = [p for layer in adapted.values() for p in (layer.down, layer.up)]

    def predict(x, times, chosen, texts):
        with torch.no_grad():
            context = starter.text_states(texts)
        return starter.unet(x, times, context)

    loop = Loop(args, starter, latents, lambda i, rng: scenes.caption(all_scenes[i], rng))
    loop.run(predict, adam(parameters, lr=3e-3))
    tensors = {}
    for name, layer in adapted.items():
        prefix = kohya_name(name, starter.unet.config.res_blocks)
        tensors |= {f"{prefix}.lora_down.weight": layer.down, f"{prefix}.lora_up.weight": layer.up,
                    f"{prefix}.alpha": torch.tensor(alpha)}
    metadata = {"ss_network_dim": str(args.rank), "ss_network_alpha": str(alpha), "ss_output_name": "three-inks",
                "ss_base_model_version": "starter", "easel.license": "CC0-1.0"}
    save(tensors, metadata, args.out)
    save_preview([before, starter.sample(PROMPTS, 5, dpmpp_2m, 20, 3.0)], args.out)


if __name__ == "__main__":
    main()
