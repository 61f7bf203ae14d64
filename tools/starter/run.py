"""What the stages of a training share: device, precision, clock, log, folder."""
import contextlib
import math
import os
import sys
import time

import torch

import ops
from parallel import Team, shared


class Run:
    def __init__(self, out, preset, device, workers, seed, minutes):
        self.out, self.preset, self.device, self.seed, self.minutes = out, preset, device, seed, minutes
        self.team = Team(workers)
        self.bf16 = device == "cuda" or ops.cpu_has_bf16()
        # progress of the stage, 0..1, and its number of steps: written by rank 0, read by all
        self.control = shared(torch.zeros(2, dtype=torch.float64))

    def path(self, name):
        return os.path.join(self.out, name)

    def autocast(self):
        return torch.autocast(self.device, dtype=torch.bfloat16) if self.bf16 else contextlib.nullcontext()

    def log(self, text):
        if self.team.rank == 0:
            line = f"{time.strftime('%H:%M:%S')} {text}"
            print(line, flush=True)
            with open(self.path("log.txt"), "a") as f:
                f.write(line + "\n")


class Clock:
    """Progress of one stage: the share of its seconds (or, for exact repeats, of its steps) that is used up."""

    def __init__(self, run, seconds, steps, used_seconds=0.0, used_steps=0):
        self.run, self.seconds, self.steps = run, seconds, steps
        self.base, self.step = used_seconds, used_steps
        self.start = time.monotonic()
        self.last_save = self.last_probe = self.last_preview = self.start

    def used(self):
        return self.base + time.monotonic() - self.start

    def progress(self):
        return self.step / self.steps if self.steps else self.used() / self.seconds

    def publish(self):
        """All workers leave with the same progress and step."""
        if self.run.team.rank == 0:
            self.run.control[0], self.run.control[1] = min(self.progress(), 1.0), self.step
        self.run.team.wait()
        progress, step = float(self.run.control[0]), int(self.run.control[1])
        self.run.team.wait()
        self.step = step + (progress < 1)
        return progress

    def due(self, what, seconds):
        now = time.monotonic()
        if now - getattr(self, what) < seconds:
            return False
        setattr(self, what, now)
        return True


def cosine(progress, step, warm_up=30, floor=0.01):
    return min(1.0, (step + 1) / warm_up) * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress)))


def generator(*seeds):
    """A generator whose stream depends on all the seeds (mixed, so that neighbours differ)."""
    value = 0
    for seed in seeds:
        value = (value * 6364136223846793005 + int(seed) * 2862933555777941757 + 3037000493) % 2**63
    return torch.Generator().manual_seed(value)


def set_up_threads(device):
    """Call before torch is imported anywhere else; see docs/starter-model.md for why one thread per process."""
    torch.set_num_threads(1 if device == "cpu" else max(1, (os.cpu_count() or 2) // 2))
    sys.setrecursionlimit(10000)
