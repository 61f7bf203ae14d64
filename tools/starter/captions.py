"""Captions as rows of the reduced token table: one row per token the grammar uses and a last row for all others."""
import functools
import random

import torch

import scenes
from tokenizer import CONTEXT, END, START, Tokenizer

UNKNOWN = -1


class CaptionRows:
    def __init__(self, grammar, tokenizer=None):
        self.tokenizer = tokenizer or Tokenizer()
        ids = {START, END, *self.tokenizer.encode(",")}
        for word in scenes.known_words(grammar):
            ids.update(self.tokenizer.encode(word))
        self.known = sorted(ids)
        self.row_of = {token: row for row, token in enumerate(self.known)}
        self.row_of[UNKNOWN] = len(self.known)
        self.encode = functools.lru_cache(maxsize=300000)(self.tokenizer.encode)

    def row(self, token):
        return self.row_of.get(token, self.row_of[UNKNOWN])

    def __call__(self, texts, context=CONTEXT, rng=None, p_unknown=0.0):
        """-> int64 [n, context]; with p_unknown, some captions get one or two unknown tokens at random places."""
        rows = []
        for text in texts:
            ids = list(self.encode(text))
            if text and rng is not None and rng.random() < p_unknown:
                for _ in range(rng.choice((1, 1, 2))):
                    ids.insert(rng.randrange(len(ids) + 1), UNKNOWN)
            ids = [START] + ids[: context - 2] + [END]
            rows.append([self.row(token) for token in ids + [END] * (context - len(ids))])
        return torch.tensor(rows)


def lengths(rows, end_row):
    """Position of the first end token of every caption [n]."""
    return (rows == end_row).int().argmax(1)


def caption_of(scene, *seed):
    return scenes.caption(scene, random.Random("/".join(map(str, seed))))
