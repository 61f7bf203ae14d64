"""Reads an exported starter checkpoint back into the PyTorch networks, so that what is tested is what ships."""
import json
import struct

import numpy as np
import torch

import models
from export import TEXT, UNET, VAE
from stage_vae import LATENT_SCALE, tensor_to_images
from tokenizer import Tokenizer

TYPES = {"F16": np.float16, "F32": np.float32, "I64": np.int64}


def read_safetensors(path):
    with open(path, "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        data = f.read()
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        tensors[name] = np.frombuffer(data[begin:end], TYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors, metadata


class Networks:
    def __init__(self, path, preset):
        tensors, self.metadata = read_safetensors(path)
        self.unet, self.vae = models.Unet(preset.unet), models.Vae(preset.vae)
        self.text = models.TextModel(preset.text, range(preset.text.vocabulary - 1))
        for prefix, network in ((UNET, self.unet), (VAE, self.vae), (TEXT, self.text)):
            state = {name[len(prefix):]: torch.from_numpy(value.astype(np.float32)) for name, value in tensors.items()
                     if name.startswith(prefix) and not name.endswith("position_ids")}
            network.load_state_dict(state)
            network.eval().to(memory_format=torch.channels_last)
        self.tokenizer = Tokenizer()

    @torch.no_grad()
    def text_states(self, prompts):
        return self.text(torch.tensor([self.tokenizer(p) for p in prompts]))

    @torch.no_grad()
    def sample(self, prompts, seed, sampler, steps, scale, batch=8, bf16=False):
        """-> list of uint8 [128, 128, 3], from the noise of PyTorch's generator"""
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            return self._sample(prompts, seed, sampler, steps, scale, batch)

    def _sample(self, prompts, seed, sampler, steps, scale, batch):
        images = []
        for i in range(0, len(prompts), batch):
            part = prompts[i : i + batch]
            noise = torch.randn(len(part), 4, 16, 16, generator=torch.Generator().manual_seed(seed + i))
            z = sampler(self.unet, noise, self.text_states(part), self.text_states([""] * len(part)), steps, scale)
            images += tensor_to_images(self.vae.decode((z / LATENT_SCALE).contiguous(memory_format=torch.channels_last)))
        return images

    @torch.no_grad()
    def reconstruct(self, images):
        x = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 127.5 - 1
        z = self.vae.encode(x.contiguous(memory_format=torch.channels_last))[0]
        return tensor_to_images(self.vae.decode(z.contiguous(memory_format=torch.channels_last)))
