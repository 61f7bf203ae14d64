"""Turns an exported checkpoint back into a training folder, so that training can go on where the folder is lost. The
optimiser starts anew; what it knew is soon known again."""
import os

import numpy as np
import torch

import captions
import models
import scenes
from checkpoint import read_safetensors
from export import TEXT, UNET, VAE
from parallel import atomic_save
from stage_diffusion import named_parameters


def state_below(tensors, prefix):
    return {name[len(prefix):]: torch.from_numpy(value.astype(np.float32)) for name, value in tensors.items()
            if name.startswith(prefix) and not name.endswith("position_ids")}


def reduced_token_table(table, known):
    """The inverse of export.full_token_table."""
    unknown = next(token for token in range(len(table)) if token not in set(known))
    return torch.cat([table[torch.tensor(known)], table[unknown : unknown + 1]])


def unpack(path, out, preset):
    """Writes vae.pt, text.pt and diffusion.pt unless the folder has a training already."""
    if os.path.exists(os.path.join(out, "diffusion.pt")):
        return
    tensors, _ = read_safetensors(path)
    known = captions.CaptionRows(scenes.GRAMMARS[preset.grammar]).known
    unet, text = models.Unet(preset.unet), models.TextModel(preset.text, known)
    unet.load_state_dict(state_below(tensors, UNET))
    text_state, name = state_below(tensors, TEXT), "embeddings.token_embedding.weight"
    text_state[name] = reduced_token_table(text_state[name], known)
    text.load_state_dict(text_state)
    named = named_parameters(unet, text)
    values = torch.cat([p.detach().flatten() for _, p in named])
    optimizer = {"values": values, "average": values.clone(), "first": torch.zeros_like(values),
                 "second": torch.zeros_like(values), "steps": 0, "names": [n for n, _ in named]}
    atomic_save(state_below(tensors, VAE), os.path.join(out, "vae.pt"))
    atomic_save(text.state_dict(), os.path.join(out, "text.pt"))
    atomic_save({"optimizer": optimizer, "used": 0.0, "step": 0}, os.path.join(out, "diffusion.pt"))
