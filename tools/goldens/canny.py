#!/usr/bin/env python3
"""Writes tests/golden/image/canny_*.png: the edges that OpenCV's Canny() finds in images of tests/golden/image, and in noise
and circles made here. Needs python3-opencv.

    python3 tools/goldens/canny.py
"""
import os

import cv2
import numpy as np

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "golden", "image")


def scene():
    """Smooth and sharp edges in all directions, ties and noise: [97, 131, 3]"""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[0:97, 0:131].astype(np.float64)
    image = np.stack([127 + 120 * np.sin(x / 9 + y / 17), 255 * ((x - 60) ** 2 + (y - 40) ** 2 < 900), 2 * y], 2)
    image[60:80, 20:50] = (200, 30, 90)
    image[:, 100:] += rng.normal(0, 30, (97, 31, 3))
    return np.clip(image, 0, 255).astype(np.uint8)


def main():
    cv2.imwrite(os.path.join(FOLDER, "canny_scene.png"), scene()[:, :, ::-1])
    for low, high in ((100, 200), (20, 60), (0, 0), (300, 900)):
        # a channel order that OpenCV does not look at: the steepest channel counts
        cv2.imwrite(os.path.join(FOLDER, f"canny_scene_{low}_{high}.png"), cv2.Canny(scene(), low, high))


if __name__ == "__main__":
    main()
