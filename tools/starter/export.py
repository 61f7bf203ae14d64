#!/usr/bin/env python3
"""Writes a training folder as one SD 1.x checkpoint: exact key names, F16 weights, F32 schedule, easel's defaults.

    python3 tools/starter/export.py RUN_FOLDER FILE.safetensors
"""
import argparse
import json
import os
import struct

import numpy as np
import torch

import captions
import models
import scenes
from presets import PRESETS
from sampling import ALPHAS_CUMPROD, BETAS

UNET, VAE, TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model.transformer.text_model."
LIMIT_BYTES = 40_000_000
DEFAULTS = {"easel.name": "starter", "easel.width": "128", "easel.height": "128", "easel.steps": "20",
            "easel.cfg_scale": "3", "easel.sampler": "dpmpp_2m", "easel.schedule": "karras", "easel.license": "CC0-1.0"}
TYPES = {"float16": "F16", "float32": "F32", "int64": "I64"}


def schedule_buffers():
    """The buffers that SD 1.x checkpoints carry, float32 [1000]."""
    a = ALPHAS_CUMPROD
    buffers = {
        "betas": BETAS, "alphas_cumprod": a, "alphas_cumprod_prev": np.append(1.0, a[:-1]), "sqrt_alphas_cumprod": np.sqrt(a),
        "sqrt_one_minus_alphas_cumprod": np.sqrt(1 - a), "log_one_minus_alphas_cumprod": np.log(1 - a),
        "sqrt_recip_alphas_cumprod": np.sqrt(1 / a), "sqrt_recipm1_alphas_cumprod": np.sqrt(1 / a - 1)}
    return {name: values.astype(np.float32) for name, values in buffers.items()}


def averaged_networks(folder, preset, known):
    """UNet and text encoder with the averaged weights of the last checkpoint."""
    unet, text = models.Unet(preset.unet), models.TextModel(preset.text, known)
    state = torch.load(os.path.join(folder, "diffusion.pt"), map_location="cpu")["optimizer"]
    named = dict([("unet." + n, p) for n, p in unet.named_parameters()] + [("text." + n, p) for n, p in text.named_parameters()])
    offset = 0
    with torch.no_grad():
        for name in state["names"]:
            p = named[name]
            p.copy_(state["average"][offset : offset + p.numel()].view(p.shape))
            offset += p.numel()
    return unet, text


def full_token_table(rows, known, vocabulary):
    """[known + 1, d] -> [vocabulary, d]; every token the drawings never name has the row of the unknown word"""
    table = rows[-1:].expand(vocabulary, -1).clone()
    table[torch.tensor(known)] = rows[:-1]
    return table


def tensors_of(folder, preset):
    known = captions.CaptionRows(scenes.GRAMMARS[preset.grammar]).known
    unet, text = averaged_networks(folder, preset, known)
    vae = torch.load(os.path.join(folder, "vae.pt"), map_location="cpu")
    tensors = schedule_buffers()
    for prefix, state in ((UNET, unet.state_dict()), (VAE, vae), (TEXT, text.state_dict())):
        for name, value in state.items():
            value = value.detach().float().contiguous()
            if name == "embeddings.token_embedding.weight":
                value = full_token_table(value, known, preset.text.vocabulary)
            tensors[prefix + name] = value.half().numpy()
    tensors[TEXT + "embeddings.position_ids"] = np.arange(preset.text.positions, dtype=np.int64)[None]
    return tensors


def write_safetensors(tensors, metadata, path):
    header, offset = {"__metadata__": metadata}, 0
    for name, value in tensors.items():
        if value.dtype == np.float16 and not np.isfinite(value).all():
            raise ValueError(f"{name} does not fit F16")
        header[name] = {"dtype": TYPES[value.dtype.name], "shape": list(value.shape),
                        "data_offsets": [offset, offset + value.nbytes]}
        offset += value.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".part", "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for value in tensors.values():
            f.write(np.ascontiguousarray(value).tobytes())
    os.replace(path + ".part", path)
    return 8 + len(text) + offset


def export(folder, path, preset):
    grammar = scenes.GRAMMARS[preset.grammar]
    metadata = dict(DEFAULTS, **{"easel.vocabulary": ",".join(scenes.known_words(grammar)), "format": "pt"})
    size = write_safetensors(tensors_of(folder, preset), metadata, path)
    if size > LIMIT_BYTES:
        raise ValueError(f"{path} has {size} bytes, more than {LIMIT_BYTES}")
    print(f"{path}: {size / 1e6:.1f} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("file")
    parser.add_argument("--preset", choices=sorted(PRESETS), default="cpu")
    args = parser.parse_args()
    export(args.folder, args.file, PRESETS[args.preset])


if __name__ == "__main__":
    main()
