"""The byte pair tokenizer of CLIP, as Stable Diffusion 1.x uses it: 77 ids, start, words, end, padded with end."""
import functools
import gzip
import html
import os
import unicodedata

START, END, CONTEXT = 49406, 49407, 77
MERGES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "assets", "bpe_simple_vocab_16e6.txt.gz")
CONTRACTIONS = ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d")


def byte_symbols():
    """byte -> the character that stands for it, in the order of the vocabulary"""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {b: chr(b) for b in plain}
    for b in range(256):
        if b not in table:
            table[b] = chr(256 + len(table) - len(plain))
    return table


class Tokenizer:
    def __init__(self, merges_path=MERGES):
        with gzip.open(merges_path, "rt", encoding="utf-8") as f:
            merges = [tuple(line.split()) for line in f.read().split("\n")[1:48895]]
        self.symbols = byte_symbols()
        vocabulary = list(self.symbols.values())
        vocabulary += [s + "</w>" for s in vocabulary]
        vocabulary += ["".join(pair) for pair in merges] + ["<|startoftext|>", "<|endoftext|>"]
        self.ids = {symbol: i for i, symbol in enumerate(vocabulary)}
        self.ranks = {pair: rank for rank, pair in enumerate(merges)}

    def encode(self, text):
        """Ids without start and end."""
        text = " ".join(html.unescape(html.unescape(text)).strip().split()).lower()
        ids = []
        for piece in split_words(text):
            ids.extend(self._encode_piece(piece))
        return ids

    def __call__(self, text, context=CONTEXT):
        """Exactly `context` ids as the model sees them."""
        ids = [START] + self.encode(text)[: context - 2] + [END]
        return ids + [END] * (context - len(ids))

    @functools.lru_cache(maxsize=65536)
    def _encode_piece(self, piece):
        if piece in self.ids and piece.startswith("<|"):
            return (self.ids[piece],)
        word = [self.symbols[b] for b in piece.encode("utf-8")]
        word[-1] += "</w>"
        while len(word) > 1:
            best = min(zip(word, word[1:]), key=lambda pair: self.ranks.get(pair, 1 << 30))
            if best not in self.ranks:
                break
            merged, i = [], 0
            while i < len(word):
                if tuple(word[i : i + 2]) == best:
                    merged.append(word[i] + word[i + 1])
                    i += 2
                else:
                    merged.append(word[i])
                    i += 1
            word = merged
        return tuple(self.ids[symbol] for symbol in word)


def split_words(text):
    i = 0
    while i < len(text):
        special = next((s for s in ("<|startoftext|>", "<|endoftext|>", *CONTRACTIONS) if text.startswith(s, i)), None)
        if special:
            yield special
            i += len(special)
            continue
        kind = character_class(text[i])
        if kind == "space":
            i += 1
            continue
        end = i + 1
        while kind != "N" and end < len(text) and character_class(text[end]) == kind:
            end += 1
        yield text[i:end]
        i = end


def character_class(ch):
    if ch.isspace() and ch not in "\x1c\x1d\x1e\x1f":
        return "space"
    category = unicodedata.category(ch)[0]
    return category if category in "LN" else "other"
