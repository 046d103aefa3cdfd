"""The photographs: what they show, which look alike, and which are kept out of training.

A photograph is known by the first 16 digits of its file's SHA-256. Photographs that look alike stay together in one of
the parts train, validation (thresholds, calibration, when to stop) and test (measured once). splits/SET.txt lists
validation and test; all others are for training.
"""

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

SPLITS = Path(__file__).parent / "splits"
VALIDATION, TEST = 0.15, 0.25
ALIKE_BITS = 8
VEST, PARTLY, FULLY, HELMET, NONE = range(5)


def read(path):
    """RGB, uint8."""
    return np.asarray(Image.open(path).convert("RGB"))


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def folders(name, shared):
    """All photographs of a set, sorted."""
    images = Path(shared) / "images"
    inside = {"helmet-vest": ["images"], "face-mask": ["with_mask", "without_mask"], "fire": ["fire", "normal"]}[name]
    return [path for part in inside for path in sorted((images / name / part).glob("*.jpg"))]


def look(path):
    """64 bits: is a pixel of the 9 x 8 grey picture brighter than its right neighbour? Of it and its mirror image."""
    small = Image.open(path).convert("L").resize((9, 8), Image.Resampling.BOX)
    grey = np.asarray(small, np.int16)
    return [(side[:, 1:] > side[:, :-1]).ravel() for side in (grey, grey[:, ::-1])]


def groups(paths):
    """A number for each photograph, the same for those that look alike."""
    looks = np.array([look(path) for path in paths]).astype(np.float32)
    plain, mirrored = looks[:, 0], looks[:, 1]
    unlike = lambda a, b: a @ (1 - b).T + (1 - a) @ b.T
    alike = np.minimum(unlike(plain, plain), unlike(plain, mirrored)) <= ALIKE_BITS
    group = np.arange(len(paths))
    while True:
        lower = np.array([group[row].min() for row in alike])
        if (lower == group).all():
            return group
        group = lower


def make_split(name, shared):
    """Writes splits/NAME.txt; the part of a group depends on the least digest in it and on nothing else."""
    paths = folders(name, shared)
    digests, group = np.array([digest(path) for path in paths]), groups(paths)
    lines = []
    for number in np.unique(group):
        members = np.flatnonzero(group == number)
        drawn = int(hashlib.sha256(f"{name} 1 {min(digests[members])}".encode()).hexdigest()[:8], 16) / 2**32
        part = "test" if drawn < TEST else "validation" if drawn < TEST + VALIDATION else None
        if part:
            lines += [f"{digests[i]} {part} {paths[i].parent.name}/{paths[i].name}" for i in members]
    SPLITS.mkdir(exist_ok=True)
    head = f"# Kept out of training, of the set {name}: first digits of SHA-256, part, file. {len(np.unique(group))} groups of like pictures among {len(paths)}.\n"
    (SPLITS / f"{name}.txt").write_text(head + "\n".join(sorted(lines, key=lambda line: line.split()[2])) + "\n")


def split(name):
    """Part by digest, of the photographs kept out."""
    lines = (SPLITS / f"{name}.txt").read_text().splitlines()
    return {row[0]: row[1] for row in (line.split() for line in lines if not line.startswith("#"))}


def labels(path):
    """Class and area in pixels of every labelled thing of a photograph of helmet-vest."""
    wide, high = Image.open(path).size
    rows = (path.parent.parent / "labels" / f"{path.stem}.txt").read_text().split()
    rows = np.array(rows, np.float32).reshape(-1, 5)
    centre, half = rows[:, 1:3], rows[:, 3:5] / 2
    return rows[:, 0].astype(int), np.concatenate([centre - half, centre + half], 1) * [wide, high, wide, high]


def persons(path):
    """Labelled persons: areas, and for helmet and vest 1, 0 or -1 where the person's class and the boxes of helmets and
    vests contradict each other."""
    kinds, boxes = labels(path)
    who = np.flatnonzero((kinds >= PARTLY) & (kinds <= NONE) & (kinds != HELMET))
    worn = np.zeros((len(who), 2), int)
    for column, kind in enumerate((HELMET, VEST)):
        for thing in boxes[kinds == kind]:
            owner = owner_of(thing, boxes[who], is_helmet=kind == HELMET)
            if owner is not None:
                worn[owner, column] = 1
    truth = worn.copy()
    truth[(kinds[who] == FULLY)[:, None] & (worn == 0)] = -1
    truth[(kinds[who] == NONE)[:, None] & (worn == 1)] = -1
    truth[(kinds[who] == PARTLY) & (worn.sum(1) != 1)] = -1
    return boxes[who], truth


def owner_of(thing, people, is_helmet):
    """Which person wears it: it lies in their box, a helmet in its upper half; of several the one whose head or trunk
    is nearest."""
    best, least = None, np.inf
    x, y = (thing[0] + thing[2]) / 2, (thing[1] + thing[3]) / 2
    for number, (left, top, right, bottom) in enumerate(people):
        wide, high = right - left, bottom - top
        across, down = (x - left) / wide, (y - top) / high
        inside = -0.1 < across < 1.1 and -0.15 < down < (0.55 if is_helmet else 0.95)
        far = abs(across - 0.5) + abs(down - (0.1 if is_helmet else 0.4))
        if inside and far < least:
            best, least = number, far
    return best


if __name__ == "__main__":
    import sys

    for set_name in ("helmet-vest", "face-mask", "fire"):
        make_split(set_name, sys.argv[1])
