#!/usr/bin/env python3
"""Teaches the starter model a word by textual inversion (Gal et al. 2022): vectors for a colour that no caption of its
training named. Everything else stays frozen. The word is the file's name, as in AUTOMATIC1111.

    nice -n 19 python3 tools/starter/new_word.py --colour orange --out orange.safetensors
"""
import random
from dataclasses import replace

import torch

import drawing
import ops
import scenes
from adapter_training import Loop, Starter, adam, arguments, save, save_preview
from sampling import dpmpp_2m
from tokenizer import CONTEXT

KINDS = ("bird", "tree", "house", "boat", "flower", "car", "cat", "balloon")


class Word:
    """Vectors that stand in for the tokens of a placeholder in a prompt."""

    def __init__(self, starter, word, vectors, like):
        self.text, self.tokenizer, self.word = starter.text, starter.tokenizer, word
        (self.token,) = self.tokenizer.encode(word)
        self.count = vectors
        known = torch.stack([self.table()[self.tokenizer.encode(w)[0]] for w in like])
        self.vectors = torch.nn.Parameter(known.mean(0).repeat(vectors, 1))  # [vectors, d]

    def table(self):
        return self.text.embeddings.token_embedding.weight

    def states(self, texts):
        """-> [n, t, d], what the UNet is told of texts that hold the word"""
        ids = torch.tensor([self.tokenizer(t.replace(self.word, " ".join([self.word] * self.count))) for t in texts])
        x = self.text.embeddings.token_embedding(ids)
        place = (ids == self.token).cumsum(1)  # the word appears once in a caption
        for k in range(self.count):
            here = ((ids == self.token) & (place == k + 1))[..., None]
            x = torch.where(here, self.vectors[k], x)
        x = x + self.text.embeddings.position_embedding.weight[:CONTEXT]
        for layer in self.text.encoder.layers:
            x = layer(x)
        return ops.layer_norm(x, self.text.final_layer_norm)


def draw(starter, word, prompts):
    noise = torch.randn(len(prompts), 4, 16, 16, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        z = dpmpp_2m(starter.unet, noise, word.states(prompts), starter.text_states([""] * len(prompts)), 20, 3.0)
    return starter.decode(z)


def main():
    parser = arguments(__doc__, minutes=6)
    parser.add_argument("--colour", default="orange", choices=("orange", "pink"))
    parser.add_argument("--vectors", type=int, default=2)
    args = parser.parse_args()
    starter = Starter(args.starter)
    grammar = replace(scenes.GRAMMARS["small"], colours=(args.colour,))
    rng = random.Random(f"word/{args.seed}")
    all_scenes = []
    while len(all_scenes) < args.scenes:
        scene = scenes.random_scene(grammar, rng)
        if scene.things[0].say_colour:
            all_scenes.append(scene)
    latents = starter.encode([drawing.render(scene) for scene in all_scenes])
    like = ("red", "yellow") if args.colour == "orange" else ("red", "white")
    word = Word(starter, args.colour, args.vectors, like)
    loop = Loop(args, starter, latents, lambda i, rng: scenes.caption(all_scenes[i], rng))
    prompts = [f"a {args.colour} {kind}" for kind in KINDS]
    before = starter.sample(prompts, 5, dpmpp_2m, 20, 3.0)
    loop.run(lambda x, times, chosen, texts: starter.unet(x, times, word.states(texts)), adam([word.vectors], lr=2e-2))
    save({"emb_params": word.vectors}, {"easel.license": "CC0-1.0", "easel.base_model": "starter"}, args.out)
    save_preview([before, draw(starter, word, prompts)], args.out)


if __name__ == "__main__":
    main()
