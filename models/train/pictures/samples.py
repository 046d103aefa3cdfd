"""What a classifier is trained and measured on: pieces of pictures, each with a class, the part it is in and the picture
it is from. Photographs come from the shared folder, rendered frames from `cargo run -p simulators --example frames`.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import photographs
from areas import CROPS, context, cut, grown, overlap
from detectors import Yolox, Yunet


@dataclass(frozen=True)
class Task:
    """One classifier. `classes`: what is looked for, then its opposite; `alarm`: which of both raises a signal."""

    photographs: str
    crop: str
    width: int
    height: int
    classes: tuple
    alarm: int
    widths: tuple
    # How much more than the crop is at hand while training, how far boxes move and grow.
    loose: float = 0.5
    move: float = 0.06
    scale: float = 0.13


TASKS = {
    "helmet": Task("helmet-vest", "person_top", 64, 64, ("helmet", "no_helmet"), 1, (16, 32, 64, 128)),
    "vest": Task("helmet-vest", "person", 48, 96, ("vest", "no_vest"), 1, (16, 32, 64, 128)),
    "mask": Task("face-mask", "face", 64, 64, ("mask", "no_mask"), 1, (16, 32, 64, 128), loose=0.9, scale=0.25),
    "fire-smoke": Task("fire", "picture", 128, 128, ("fire_or_smoke", "normal"), 0, (12, 24, 48, 96, 128), 0.0, 0.1, 0.12),
}


@dataclass
class Sample:
    """A piece of a picture. `boxes` and `seen`, the crops as the product makes them, by the kind of box; `surroundings`
    and `places` (the boxes' crops in it, as shares) serve training alone."""

    kind: str  # photograph or rendered
    part: str  # train, validation, test
    picture: str  # digest of a photograph, file of a frame
    file: str  # within images/
    label: int  # 1: the first class
    boxes: dict
    seen: dict
    surroundings: np.ndarray = None
    places: list = None


def sample(task, pixels, boxes, **rest):
    """`boxes`: by kind, those there are."""
    crops = {kind: CROPS[task.crop](box) for kind, box in boxes.items()}
    seen = {kind: cut(pixels, crop, task.width, task.height) for kind, crop in crops.items()}
    seen = {kind: np.round(piece).astype(np.uint8) for kind, piece in seen.items() if piece is not None}
    if not seen:
        return None
    made = Sample(boxes=boxes, seen=seen, **rest)
    if made.part == "train":
        around = np.concatenate([np.min(list(crops.values()), 0)[:2], np.max(list(crops.values()), 0)[2:]])
        around = grown(around, task.loose)
        size = 1.25 + task.loose
        made.surroundings = context(pixels, around, round(task.width * size), round(task.height * size))
        side = np.tile(around[2:] - around[:2], 2)
        made.places = [(crop - np.tile(around[:2], 2)) / side for crop in crops.values()]
    return made


def photographs_of(name, shared):
    """All samples of the photographs of a task."""
    task, parts, out = TASKS[name], photographs.split(TASKS[name].photographs), []
    models = Path(shared) / "models"
    persons = Yolox(models / "yolox-nano/yolox_nano.onnx") if task.photographs == "helmet-vest" else None
    faces = Yunet(models / "yunet/yunet_n_320_320.onnx") if name == "mask" else None
    for path in photographs.folders(task.photographs, shared):
        digest, picture = photographs.digest(path), photographs.read(path)
        about = {"kind": "photograph", "part": parts.get(digest, "train"), "picture": digest,
                 "file": path.relative_to(Path(shared) / "images").as_posix()}
        whole = [0, 0, picture.shape[1], picture.shape[0]]
        if persons:
            boxes, truth = photographs.persons(path)
            found = matched(boxes, persons.find(picture)[0])
            for box, worn, other in zip(boxes, truth[:, 0 if name == "helmet" else 1], found):
                if worn < 0 or box[2] - box[0] < 14:
                    continue
                kinds = {"labelled": box} | ({"detector": other} if other is not None else {})
                out.append(sample(task, picture, kinds, label=int(worn), **about))
        elif faces:
            box = face_on_canvas(picture, faces)
            # A picture in which no face is found is all face: its crop is the picture.
            centre = grown(whole, 1 / (1 + 0.3) - 1)
            kinds = {"centre": centre} | ({"detector": box} if box is not None else {})
            out.append(sample(task, picture, kinds, label=int(path.parent.name == "with_mask"), **about))
        else:
            out.append(sample(task, picture, {"picture": whole}, label=int(path.parent.name == "fire"), **about))
    return [one for one in out if one]


def matched(boxes, found):
    """For each labelled box the detector's box that has most in common with it, at least half; no box twice."""
    out = [None] * len(boxes)
    if len(boxes) and len(found):
        common = overlap(boxes, found)
        for at in np.argsort(-common, axis=None):
            i, j = np.unravel_index(at, common.shape)
            if common[i, j] < 0.5:
                break
            if out[i] is None:
                out[i] = found[j]
                common[:, j] = 0
    return out


def face_on_canvas(picture, detector):
    """The surest face, in a close-up that stands in the middle of a grey canvas of twice its size."""
    high, wide = picture.shape[:2]
    canvas = np.full((2 * high, 2 * wide, 3), 127, np.uint8)
    top, left = high // 2, wide // 2
    canvas[top : top + high, left : left + wide] = picture
    boxes, _ = detector.find(canvas)
    return boxes[0] - [left, top, left, top] if len(boxes) else None


def rendered(name, frames):
    """All samples of rendered frames: `frames` has the folders train, validation and test, each with truth.jsonl."""
    task, out = TASKS[name], []
    for part in ("train", "validation", "test"):
        for line in (Path(frames) / part / "truth.jsonl").read_text().splitlines():
            truth = json.loads(line)
            picture = photographs.read(Path(frames) / part / truth["file"])
            about = {"kind": "rendered", "part": part, "picture": truth["file"], "file": truth["file"]}
            if name == "fire-smoke":
                burns = any(flame["fire"] for flame in truth["flames"]) or truth["smoke"] is not None
                whole = [0, 0, picture.shape[1], picture.shape[0]]
                out.append(sample(task, picture, {"picture": whole}, label=int(burns), **about))
                continue
            for person in truth["persons"]:
                box, worn = judged(name, person)
                if box is not None:
                    left, top, wide, high = box
                    edges = np.array([left, top, left + wide, top + high], np.float32)
                    out.append(sample(task, picture, {"labelled": edges}, label=int(worn), **about))
    return [one for one in out if one]


def judged(name, person):
    """Box and truth of a rendered person; no box where it could not be judged by eye."""
    _, _, wide, high = person["person"]
    head = person["head"]
    if name == "mask":
        face = person["face"]
        is_there = face and face[2] >= 7 and person["facing"] != "away"
        return (head if is_there else None), person["mask"]
    if head is None or wide < 14 or high < 1.5 * wide:
        return None, False
    return person["person"], person[name]
