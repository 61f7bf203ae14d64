"""A small convolutional network that names what a drawing shows; trained on drawings, used to judge samples."""
import os
import random

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import drawing
import scenes
from parallel import atomic_save

JUDGED = ("kind", "colour", "place", "time", "branch")


class Classifier(nn.Module):
    def __init__(self, grammar):
        super().__init__()
        self.counts = scenes.class_counts(grammar)[: len(JUDGED)]
        layers, c = [], 3
        for width in (24, 48, 96, 128):
            layers += [nn.Conv2d(c, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            layers += [nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            c = width
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(c * 4 * 4, sum(self.counts))

    def forward(self, x):
        """x [n, 3, 128, 128] in [-1, 1] -> one tensor of logits per judged attribute"""
        h = self.features(F.avg_pool2d(x, 2))
        return self.head(F.adaptive_avg_pool2d(h, 4).flatten(1)).split(self.counts, -1)


def to_tensor(images):
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 127.5 - 1


def roughen(x, g):
    """Small blur, noise and colour shift: a sample is judged by what it shows, not by how sharp it is."""
    if torch.rand(1, generator=g) < 0.5:
        x = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    x = x + 0.06 * torch.randn(len(x), 3, 1, 1, generator=g)
    return x + 0.05 * torch.rand(1, generator=g) * torch.randn(x.shape, generator=g)


def draw(grammar, rng, count):
    drawn = [scenes.random_scene(grammar, rng, test=rng.random() < 0.1) for _ in range(count)]
    target = torch.tensor([scenes.labels(s, grammar)[: len(JUDGED)] for s in drawn])
    return to_tensor([drawing.render(s) for s in drawn]), target


def accuracy(model, grammar, rng, count=600):
    """Share right per attribute, on fresh drawings."""
    model.eval()
    right = torch.zeros(len(JUDGED))
    with torch.no_grad():
        for _ in range(count // 50):
            x, target = draw(grammar, rng, 50)
            right += torch.stack([(p.argmax(-1) == t).float().sum() for p, t in zip(model(x), target.t())])
    return dict(zip(JUDGED, (right / (count // 50 * 50)).tolist()))


def trained_classifier(grammar, path, steps=700, seed=3):
    """From the file if it is there, else trained anew (a few minutes on a CPU)."""
    torch.manual_seed(seed)
    model = Classifier(grammar)
    if os.path.exists(path):
        model.load_state_dict(torch.load(path, map_location="cpu"))
        return model.eval()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    rng, g = random.Random(f"classifier/{seed}"), torch.Generator().manual_seed(seed)
    model.train()
    for step in range(steps):
        x, target = draw(grammar, rng, 32)
        loss = sum(F.cross_entropy(p, t) for p, t in zip(model(roughen(x, g)), target.t()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step(), schedule.step()
        if step % 100 == 99:
            print(f"classifier step {step + 1}: loss {loss.item():.4f}", flush=True)
    atomic_save(model.state_dict(), path)
    return model.eval()
