"""Trains the small detector of persons and heads in rendered scenes, and writes its ONNX file, manifest and figures.

    python models/train/pictures/finder.py --frames FOLDER --minutes 12 --out models/files

Classes: `person`; `face`, a head of which the face can be seen; `head`, one that shows its back. All boxes are of the
whole head. The output is YOLOX's: for each cell of 8 and 16 pixels offset, logarithm of the size, objectness, classes.
Learns from rendered frames alone (see train.py for FOLDER): it is for simulated cameras and for nothing else.
"""

import argparse
import hashlib
import json
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import photographs
from areas import overlap, stretched
from detectors import Yolox, grid
from network import Residual, mixed
from train import lines

CLASSES = ("person", "face", "head")
WIDTH, HEIGHT, STRIDES = 320, 192, (8, 16)
# What the picture itself takes of the input; the rest is padding.
SCALE, PAD = 0.5, 114
MEAN, STD = 127.5, 64.0
# Persons are found by the coarser cells, heads by the finer ones.
LEVEL_OF_CLASS = (1, 0, 0)
BATCH, RATE = 8, 3e-3
# The threshold was chosen on rendered frames of the validation seeds.
THRESHOLD, OVERLAP = 0.55, 0.5


class Finder(nn.Module):
    """Pictures `[n, 3, 192, 320]` in, `[n, 24 * 40 + 12 * 20, 8]` out."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True), mixed(16, 24, 2), Residual(24))
        self.fine = nn.Sequential(mixed(24, 48, 2), Residual(48), Residual(48))
        self.coarse = nn.Sequential(mixed(48, 96, 2), Residual(96), Residual(96))
        self.far = nn.Sequential(mixed(96, 128, 2), Residual(128), Residual(128))
        self.down_far, self.down_coarse = nn.Conv2d(128, 96, 1), nn.Conv2d(96, 48, 1)
        self.neck_coarse, self.neck_fine = Residual(96), Residual(48)
        self.out_fine, self.out_coarse = nn.Conv2d(48, 5 + len(CLASSES), 1), nn.Conv2d(96, 5 + len(CLASSES), 1)
        for out in (self.out_fine, self.out_coarse):
            nn.init.zeros_(out.bias)
            nn.init.constant_(out.bias[4], -4.0)

    def raw(self, x):
        """Logits instead of scores."""
        fine = self.fine(self.stem(x))
        coarse = self.coarse(fine)
        far = self.far(coarse)
        coarse = self.neck_coarse(coarse + F.interpolate(self.down_far(far), scale_factor=2.0, mode="nearest"))
        fine = self.neck_fine(fine + F.interpolate(self.down_coarse(coarse), scale_factor=2.0, mode="nearest"))
        return torch.cat([self.out_fine(fine).flatten(2), self.out_coarse(coarse).flatten(2)], 2).transpose(1, 2)

    def forward(self, x):
        out = self.raw(x)
        return torch.cat([out[..., :4], out[..., 4:].sigmoid()], 2)


def load(folder):
    """Pictures as the product's input before normalisation, uint8 [n, 192, 320, 3], and for each its boxes and classes
    in pixels of the input; heads of fewer than 3 and persons of fewer than 6 of them are left out."""
    pictures, truths = [], []
    for line in (Path(folder) / "truth.jsonl").read_text().splitlines():
        truth = json.loads(line)
        picture = photographs.read(Path(folder) / truth["file"])
        high, wide = int(picture.shape[0] * SCALE), int(picture.shape[1] * SCALE)
        frame = np.full((HEIGHT, WIDTH, 3), PAD, np.uint8)
        frame[:high, :wide] = np.round(stretched(picture, wide, high))
        pictures.append(frame)
        rows = []
        for person in truth["persons"]:
            kinds = [(0, person["person"], 6)]
            kinds += [(1 if person["face"] else 2, person["head"], 3)] if person["head"] else []
            for kind, (left, top, w, h), least in kinds:
                if w * SCALE >= least and h * SCALE >= least:
                    rows.append([left * SCALE, top * SCALE, (left + w) * SCALE, (top + h) * SCALE, kind])
        truths.append(np.array(rows, np.float32).reshape(-1, 5))
    return np.stack(pictures), truths


CELLS = grid(WIDTH, HEIGHT, STRIDES)
FIRST = np.cumsum([0] + [(WIDTH // s) * (HEIGHT // s) for s in STRIDES])


def assigned(truth):
    """For each thing the cells that answer for it: those of its level whose centres lie within its middle, at least the
    one in which its centre lies. Of two things the smaller has the cell."""
    place = np.full(len(CELLS), -1)
    for number in np.argsort(-(truth[:, 2] - truth[:, 0]) * (truth[:, 3] - truth[:, 1])):
        left, top, right, bottom, kind = truth[number]
        level = LEVEL_OF_CLASS[int(kind)]
        stride, (x, y) = STRIDES[level], ((left + right) / 2, (top + bottom) / 2)
        cells = CELLS[FIRST[level] : FIRST[level + 1]]
        middle = (cells[:, :2] + 0.5) * stride - [x, y]
        near = (np.abs(middle) <= [max((right - left) * 0.25, 0.75 * stride), max((bottom - top) * 0.25, 0.75 * stride)]).all(1)
        own = np.flatnonzero(near & (np.abs(middle) <= 1.0 * stride).all(1))
        place[FIRST[level] + own] = number
    return place


def target(truths):
    """Which cells answer, and with what: `[rows]` of cell index in the flattened batch, box, class."""
    cells, boxes, kinds = [], [], []
    for n, truth in enumerate(truths):
        place = assigned(truth)
        own = np.flatnonzero(place >= 0)
        cells.append(n * len(CELLS) + own)
        boxes.append(truth[place[own], :4])
        kinds.append(truth[place[own], 4])
    return (torch.from_numpy(np.concatenate(part)) for part in (cells, boxes, kinds))


def loss_of(net, x, truths):
    out = net.raw(x).flatten(0, 1)
    cells, boxes, kinds = target(truths)
    grids = torch.from_numpy(CELLS).repeat(len(truths), 1)[cells]
    own = out[cells]
    centre, size = (own[:, :2] + grids[:, :2]) * grids[:, 2:], own[:, 2:4].clamp(-4, 4).exp() * grids[:, 2:]
    left, right = centre - size / 2, centre + size / 2
    common = (torch.minimum(right, boxes[:, 2:]) - torch.maximum(left, boxes[:, :2])).clamp(min=0).prod(1)
    union = size.prod(1) + (boxes[:, 2:] - boxes[:, :2]).prod(1) - common
    share = common / union.clamp(min=1e-6)
    wanted_size = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1) / grids[:, 2:]
    wanted_centre = (boxes[:, 2:] + boxes[:, :2]) / 2 / grids[:, 2:] - grids[:, :2]
    plain = F.smooth_l1_loss(own[:, :2], wanted_centre, reduction="sum") + F.smooth_l1_loss(own[:, 2:4], wanted_size.log(), reduction="sum")
    there = torch.zeros(len(out)).index_fill(0, cells, 1.0)
    chance = out[:, 4].sigmoid()
    focus = torch.where(there > 0, 1 - chance, chance).pow(1.5).detach()
    object_loss = (F.binary_cross_entropy_with_logits(out[:, 4], there, reduction="none") * focus * (1 + 2 * there)).sum()
    class_loss = F.binary_cross_entropy_with_logits(own[:, 5:], F.one_hot(kinds.long(), len(CLASSES)).float(), reduction="sum")
    return (3 * (1 - share).sum() + plain + object_loss + 0.7 * class_loss) / max(1, len(cells))


def batch(random, pictures, truths):
    """Frames moved, mirrored, and in other light."""
    rows = random.choice(len(pictures), BATCH)
    x, boxes = torch.from_numpy(pictures[rows]).permute(0, 3, 1, 2).float(), []
    for i, row in enumerate(rows):
        truth = truths[row].copy()
        if random.random() < 0.5:
            x[i] = x[i].flip(2)
            truth[:, [0, 2]] = WIDTH - truth[:, [2, 0]]
        right, down = random.integers(-12, 13), random.integers(-8, 9)
        x[i] = torch.roll(x[i], (int(down), int(right)), (1, 2))
        truth[:, [0, 2]] += right
        truth[:, [1, 3]] += down
        inside = np.clip(truth[:, :4], 0, [WIDTH, HEIGHT] * 2)
        kept = ((inside[:, 2:] - inside[:, :2]) > 0.6 * (truth[:, 2:4] - truth[:, :2])).all(1)
        truth[:, :4] = inside
        boxes.append(truth[kept])
    number = lambda low, high, *shape: torch.from_numpy(random.uniform(low, high, (BATCH, *shape)).astype(np.float32))
    x = x * number(0.75, 1.25, 1, 1, 1) * number(0.93, 1.07, 3, 1, 1) + number(-12, 12, 1, 1, 1)
    return (x.clamp(0, 255) - MEAN) / STD, boxes


def train(pictures, truths, minutes):
    torch.manual_seed(0)
    net, random = Finder(), np.random.default_rng(0)
    kept = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99), use_buffers=True)
    optimiser = torch.optim.AdamW(net.parameters(), RATE, weight_decay=1e-3)
    begin, total, steps, said = time.time(), minutes * 60, 0, 0
    while (done := (time.time() - begin) / total) < 1:
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1, steps / 50 + 0.05) * 0.5 * (1 + np.cos(np.pi * done)) + 1e-5
        net.train()
        loss = loss_of(net, *batch(random, pictures, truths))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        kept.update_parameters(net)
        steps += 1
        if done >= said:
            said += 0.1
            print(f"{steps} steps, {time.time() - begin:.0f} s, loss {float(loss.detach()):.3f}", flush=True)
    return kept.module.eval(), steps


def measure(path, folder):
    """Recall and precision of each class at an overlap of a half, through ONNX Runtime on whole frames; and recall of
    those whose box is larger than a bound."""
    finder = Yolox(path, (WIDTH, HEIGHT), STRIDES, THRESHOLD, OVERLAP, MEAN, STD, "rgb")
    right, found, there = np.zeros(3, int), np.zeros(3, int), np.zeros(3, int)
    large, large_found, frames = np.zeros(3, int), np.zeros(3, int), 0
    for line in (Path(folder) / "truth.jsonl").read_text().splitlines():
        truth, frames = json.loads(line), frames + 1
        picture = photographs.read(Path(folder) / truth["file"])
        wanted = [[], [], []]
        for person in truth["persons"]:
            wanted[0].append(person["person"])
            if person["head"]:
                wanted[1 if person["face"] else 2].append(person["head"])
        for kind in range(3):
            boxes, _ = finder.find(picture, kind)
            edges = np.array([[l, t, l + w, t + h] for l, t, w, h in wanted[kind]], np.float32).reshape(-1, 4)
            hit = np.zeros(len(edges), bool)
            for box in boxes:
                common = overlap(box, edges)[0] * ~hit if len(edges) else np.zeros(1)
                if common.max() >= 0.5:
                    hit[common.argmax()] = True
            is_large = (edges[:, 3] - edges[:, 1]) >= (60, 12, 12)[kind]
            right[kind] += hit.sum()
            found[kind] += len(boxes)
            there[kind] += len(edges)
            large[kind] += is_large.sum()
            large_found[kind] += (is_large & hit).sum()
    share = lambda a, b: round(float(a / b), 3) if b else None
    return {"frames": frames} | {
        name: {"there": int(there[k]), "recall": share(right[k], there[k]), "precision": share(right[k], found[k]),
               "recall of large ones": share(large_found[k], large[k])}
        for k, name in enumerate(CLASSES)
    }


MANIFEST = """\
# Trained here on rendered frames, for simulated cameras alone: see {name}-1.md.
name = "{name}"
version = 1
task = "objects"
file = "{name}-1.onnx"
sha256 = "{digest}"
licence = "Apache-2.0"
classes = ["person", "face", "head"]

[input]
width = {width}
height = {height}
layout = "nchw"
colour = "rgb"
mean = [{mean}, {mean}, {mean}]
std = [{std}, {std}, {std}]
fit = "letterbox"
pad = {pad}

[output]
decoding = "yolox"
names = ["found"]
strides = {strides}

[thresholds]
score = {threshold}
overlap = {overlap}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=Path, required=True, help="rendered frames: train/, test/")
    parser.add_argument("--minutes", type=float, default=12)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("models/files"))
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    name = "simulated-persons"
    pictures, truths = load(a.frames / "train")
    print(f"{len(pictures)} frames, {sum(len(truth) for truth in truths)} things", flush=True)
    net, steps = train(pictures, truths, a.minutes)
    a.out.mkdir(parents=True, exist_ok=True)
    path = a.out / f"{name}-1.onnx"
    torch.onnx.export(
        net, (torch.zeros(1, 3, HEIGHT, WIDTH),), str(path), input_names=["picture"], output_names=["found"],
        opset_version=17, dynamo=False,
    )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (a.out / f"{name}.toml").write_text(MANIFEST.format(
        name=name, digest=digest, width=WIDTH, height=HEIGHT, mean=MEAN, std=STD, pad=PAD, strides=list(STRIDES),
        threshold=THRESHOLD, overlap=OVERLAP,
    ))
    report = {"steps": steps, "minutes": a.minutes, "parameters": sum(p.numel() for p in net.parameters()),
              "frames learned": len(pictures), "sha256": digest, "test": measure(path, a.frames / "test")}
    (a.out / f"{name}-1.figures.json").write_text(lines(report) + "\n")
    print(lines(report))


if __name__ == "__main__":
    main()
