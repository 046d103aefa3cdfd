"""Rectangles, and which part of a picture a classifier looks at.

An area is left, top, right, bottom in pixels, real numbers. `crop_areas` and `cut` do what models/src/picture/crop.rs,
image.rs and input.rs do when the product runs; models/tests/it/shipped.rs holds both against each other.
"""

import numpy as np

# Part of a person's box in which the head is: shares of the box's height and width.
HEAD_OF_HEIGHT, HEAD_OF_WIDTH, HEAD_ABOVE, ASIDE = 0.42, 1.1, 0.06, 0.05
FACE_GROWTH = 0.3


def top_of_person(box):
    """Where the head of a person with these boxes is; a hard hat may stand out of the box."""
    left, top, right, bottom = np.moveaxis(np.asarray(box, np.float32), -1, 0)
    wide, high = right - left, bottom - top
    lower = top + np.minimum(HEAD_OF_HEIGHT * high, HEAD_OF_WIDTH * wide)
    return np.stack([left - ASIDE * wide, top - HEAD_ABOVE * high, right + ASIDE * wide, lower], -1)


def grown(box, share):
    """Larger by `share` of its sides, its centre kept."""
    left, top, right, bottom = np.moveaxis(np.asarray(box, np.float32), -1, 0)
    x, y = (right - left) * share / 2, (bottom - top) * share / 2
    return np.stack([left - x, top - y, right + x, bottom + y], -1)


CROPS = {
    "person_top": top_of_person,
    "person": lambda box: grown(box, 2 * ASIDE),
    "face": lambda box: grown(box, FACE_GROWTH),
    "picture": lambda box: np.asarray(box, np.float32),
}


def overlap(a, b):
    """Common part over union of every area of `a` with every one of `b`."""
    a, b = np.asarray(a, np.float32).reshape(-1, 1, 4), np.asarray(b, np.float32).reshape(1, -1, 4)
    sides = np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0, None)
    common = sides.prod(-1)
    size = lambda s: np.clip(s[..., 2:] - s[..., :2], 0, None).prod(-1)
    return common / np.maximum(size(a) + size(b) - common, 1e-6)


def pixels(picture, area):
    """Every pixel that the area touches; None if it touches none."""
    high, wide = picture.shape[:2]
    left, top = max(0, int(np.floor(area[0]))), max(0, int(np.floor(area[1])))
    right, bottom = min(wide, int(np.ceil(area[2]))), min(high, int(np.ceil(area[3])))
    return picture[top:bottom, left:right] if left < right and top < bottom else None


def stretched(picture, width, height):
    """Bilinear, pixel centres at halves, weights in 1/256; uint8 in, float32 out."""

    def places(size, to):
        at = np.clip((np.arange(to) + 0.5) * (size / to) - 0.5, 0, size - 1)
        low = at.astype(int)
        return low, np.minimum(low + 1, size - 1), (np.round((at - low) * 256) / 256).astype(np.float32)

    y0, y1, wy = places(picture.shape[0], height)
    x0, x1, wx = places(picture.shape[1], width)
    rows = picture[y0] * (1 - wy)[:, None, None] + picture[y1] * wy[:, None, None]
    return rows[:, x0] * (1 - wx)[:, None] + rows[:, x1] * wx[:, None]


def cut(picture, area, width, height):
    """The input of a classifier before normalisation: [height, width, 3], bytes as float32; None outside the picture."""
    part = pixels(picture, area)
    return None if part is None else stretched(part, width, height)


def context(picture, area, width, height):
    """The area, what lies outside the picture repeated from its edge, as uint8 [height, width, 3]: to cut looser and
    tighter crops from while training."""
    high, wide = picture.shape[:2]
    left, top, right, bottom = (int(round(float(edge))) for edge in area)
    rows = np.clip(np.arange(top, max(bottom, top + 1)), 0, high - 1)
    columns = np.clip(np.arange(left, max(right, left + 1)), 0, wide - 1)
    return np.round(stretched(picture[rows][:, columns], width, height)).astype(np.uint8)
