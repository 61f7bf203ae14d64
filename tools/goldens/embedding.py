#!/usr/bin/env python3
"""Writes tests/golden/embeddings/parameter_dict.pt: a word of two vectors as the textual inversion of CompVis saves it, in a
torch.nn.ParameterDict.

    python3 tools/goldens/embedding.py
"""
import os

import torch

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "golden", "embeddings")


def main():
    os.makedirs(FOLDER, exist_ok=True)
    vectors = torch.nn.ParameterDict({"*": torch.nn.Parameter(torch.arange(6.0).reshape(2, 3) / 2)})
    word = {"string_to_token": {"*": torch.tensor(265)}, "string_to_param": vectors}
    torch.save(word, os.path.join(FOLDER, "parameter_dict.pt"))


if __name__ == "__main__":
    main()
