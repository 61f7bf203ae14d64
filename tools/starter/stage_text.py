"""Teaches the text encoder to tell captions apart before the UNet listens to it."""
import random

import torch
import torch.nn.functional as F
from torch import nn

import captions
import scenes
from parallel import Optimizer
from run import Clock, cosine
from tokenizer import CONTEXT, END

P_UNKNOWN = 0.1  # share of the captions that get words outside the grammar mixed in
SHORT = 32  # tokens; every caption fits, and the 45 states of padding left out cost a fifth of the time


def attribute_loss(logits, counts, target, told):
    """Cross entropy of every attribute, over all states from the end token on.

    logits [n, t, sum(counts)], target [n, attributes] with -1 where there is no answer, told [n, t]"""
    loss = 0.0
    for k, part in enumerate(logits.split(counts, -1)):
        wanted = torch.where(told, target[:, k, None], torch.full_like(told, -1, dtype=torch.long))
        loss = loss + F.cross_entropy(part.flatten(0, 1), wanted.flatten(), ignore_index=-1)
    return loss


def shares_right(logits, counts, target, ends):
    """Per attribute, judged at the end token."""
    at_end = logits[torch.arange(len(logits), device=logits.device), ends]
    return [float((part.argmax(-1) == target[:, k]).float().mean()) for k, part in enumerate(at_end.split(counts, -1))]


def pretrain_text(run, text, rows_of, all_scenes, seconds):
    """Every state from the end token on must tell each attribute: the cross-attention then starts from states in which
    the words are already apart, instead of waiting for the weak gradient that the noise prediction sends back."""
    grammar = scenes.GRAMMARS[run.preset.grammar]
    counts = scenes.class_counts(grammar)
    heads = nn.Linear(run.preset.text.width, sum(counts)).to(run.device)
    named = [(f"text.{n}", p) for n, p in text.named_parameters()] + [(f"heads.{n}", p) for n, p in heads.named_parameters()]
    optimizer = Optimizer(named, run.team, run.preset.lr_muon, run.preset.lr_adam, ema=0.98)
    clock = Clock(run, seconds, None)
    end_row = rows_of.row(END)

    def work():
        optimizer.attach_gradients()
        while (progress := clock.publish()) < 1:
            rng = random.Random(f"text/{run.seed}/{run.team.rank}/{clock.step}")
            batch = rng.sample(all_scenes, min(48, len(all_scenes)))
            context = CONTEXT if progress > 0.6 else SHORT
            rows = rows_of([scenes.caption(s, rng) for s in batch], context, rng, P_UNKNOWN).to(run.device)
            target = torch.tensor([scenes.labels(s, grammar) for s in batch], device=run.device)
            ends = captions.lengths(rows, end_row)
            with run.autocast():
                logits = heads(text(rows)).float()
            attribute_loss(logits, counts, target, torch.arange(context, device=run.device) >= ends[:, None]).backward()
            optimizer.step(cosine(progress, clock.step))
            if run.team.rank == 0 and clock.due("last_probe", 20):
                right = zip(scenes.ATTRIBUTES, shares_right(logits.detach(), counts, target, ends))
                run.log(f"text step {clock.step}: right " + " ".join(f"{name} {100 * v:.0f}%" for name, v in right))

    run.team.run(work)
    run.log(f"text: {clock.step} steps")
    optimizer.keep_average()
