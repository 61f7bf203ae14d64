"""The edges of a picture after Canny 1986, in the form that ControlNets are trained with: Sobel 3x3 on the channel with the
steepest slope, |dx| + |dy|, non-maximum suppression in four directions, hysteresis."""
import numpy as np


def sobel(image):
    """[h, w, c] -> dx, dy int64 [h, w, c]; the edge pixels are repeated outwards"""
    p = np.pad(image.astype(np.int64), ((1, 1), (1, 1), (0, 0)), mode="edge")
    right_left = p[:, 2:] - p[:, :-2]
    below_above = p[2:] - p[:-2]
    dx = right_left[:-2] + 2 * right_left[1:-1] + right_left[2:]
    dy = below_above[:, :-2] + 2 * below_above[:, 1:-1] + below_above[:, 2:]
    return dx, dy


def steepest(dx, dy):
    size = np.abs(dx) + np.abs(dy)
    best = size.argmax(2)[..., None]
    return (np.take_along_axis(a, best, 2)[..., 0] for a in (dx, dy, size))


def ridges(dx, dy, size, low):
    """Pixels whose slope is larger than both neighbours' across the edge; a tie counts on one side."""
    p = np.pad(size, 1)
    h, w = size.shape

    def at(row, column):
        return p[1 + row : 1 + row + h, 1 + column : 1 + column + w]

    x, y = np.abs(dx), np.abs(dy) << 15
    tan_22 = x * 13573  # tan(22.5 degrees) * 2^15
    tan_67 = tan_22 + (x << 16)
    flat, steep = y < tan_22, y > tan_67
    same_sign = (dx ^ dy) >= 0
    horizontal = (size > at(0, -1)) & (size >= at(0, 1))
    vertical = (size > at(-1, 0)) & (size >= at(1, 0))
    falling = (size > at(-1, -1)) & (size > at(1, 1))
    rising = (size > at(-1, 1)) & (size > at(1, -1))
    diagonal = np.where(same_sign, falling, rising)
    return (size > low) & np.where(flat, horizontal, np.where(steep, vertical, diagonal))


def canny(image, low=100, high=200):
    """uint8 [h, w, c] -> uint8 [h, w]: 255 on edges"""
    dx, dy, size = steepest(*sobel(image))
    weak = ridges(dx, dy, size, low)
    edges = weak & (size > high)
    while True:  # weak pixels that touch an edge belong to it
        p = np.pad(edges, 1)
        near = sum(p[r : r + edges.shape[0], c : c + edges.shape[1]] for r in range(3) for c in range(3)) > 0
        grown = weak & near
        if (grown == edges).all():
            return edges.astype(np.uint8) * 255
        edges = grown
