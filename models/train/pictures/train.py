"""Trains one classifier for pictures and writes its ONNX file, manifest and figures.

    python models/train/pictures/train.py helmet --shared ../shared --minutes 8 --out models/files

Tasks: helmet, vest, mask, fire-smoke. With `--frames FOLDER` rendered frames are learned from and measured as well:

    for part in 'train 1000 1024 40' 'validation 2000 2005 20' 'test 3000 3009 20'; do
        set -- $part; cargo run --release -p simulators --example frames -- FOLDER/$1 $2 $3 $4
    done

Seeds are fixed; the number of steps depends on the machine's speed, so two machines give two files.
"""

import argparse
import hashlib
import json
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

import figures
from areas import stretched
from detectors import session
from network import Classifier
from samples import TASKS, photographs_of, rendered

MEAN, STD = 127.5, 64.0
BATCH, RATE = 64, 6e-3
# Of a batch, what comes from rendered frames.
RENDERED_SHARE = 0.25


class Draw:
    """Batches of training samples, each piece cut anew: looser, tighter, moved, turned, in other light, worse seen."""

    def __init__(self, task, samples, seed=0):
        self.task, self.samples = task, [one for one in samples if one.part == "train"]
        self.random, self.torch = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
        self.around = torch.from_numpy(np.stack([one.surroundings for one in self.samples])).permute(0, 3, 1, 2)
        self.label = torch.tensor([one.label for one in self.samples], dtype=torch.float32)
        kinds = np.array([one.kind for one in self.samples])
        self.pools = [
            np.flatnonzero((kinds == kind) & (self.label.numpy() == label))
            for kind in ("photograph", "rendered") for label in (0, 1)
        ]

    def batch(self):
        """Both classes alike."""
        shares = [1 - RENDERED_SHARE] * 2 + [RENDERED_SHARE] * 2 if len(self.pools[2]) else [1.0, 1.0, 0, 0]
        counts = [round(BATCH / 2 * share) for share in shares]
        rows = np.concatenate([self.random.choice(pool, n) for pool, n in zip(self.pools, counts) if n])
        return self.pieces(rows), self.label[rows]

    def pieces(self, rows):
        r, n, task = self.random, len(rows), self.task
        places = np.array([self.samples[i].places[r.integers(len(self.samples[i].places))] for i in rows])
        centre, half = places[:, :2] + places[:, 2:] - 1, places[:, 2:] - places[:, :2]
        half = half * np.exp(r.normal(0, task.scale, (n, 1)) + r.normal(0, task.scale / 2, (n, 2)))
        centre = centre + r.normal(0, task.move, (n, 2)) * 2 * half
        angle, flip = r.normal(0, 0.08, n), r.choice([-1.0, 1.0], n)
        cosine, sine = np.cos(angle), np.sin(angle)
        theta = np.stack([
            np.stack([half[:, 0] * cosine * flip, -half[:, 0] * sine, centre[:, 0]], 1),
            np.stack([half[:, 1] * sine * flip, half[:, 1] * cosine, centre[:, 1]], 1),
        ], 1).astype(np.float32)
        grid = F.affine_grid(torch.from_numpy(theta), (n, 3, task.height, task.width), align_corners=False)
        x = F.grid_sample(self.around[rows].float(), grid, padding_mode="border", align_corners=False)
        return self.worse(x)

    def worse(self, x):
        r, n = self.random, len(x)
        number = lambda values, *shape: torch.from_numpy(np.asarray(values, np.float32).reshape(n, *shape))
        # Far away: few pixels.
        far = r.permutation(n)[: n // 4]
        share = r.uniform(0.3, 0.8)
        size = [max(8, int(side * share)) for side in x.shape[2:]]
        x[far] = F.interpolate(F.interpolate(x[far], size, mode="area"), x.shape[2:], mode="bilinear")
        mean = x.mean((2, 3), keepdim=True)
        grey = x.mean(1, keepdim=True)
        dull = number(np.where(r.random(n) < 0.1, 1.0, r.uniform(-0.3, 0.4, n)), 1, 1, 1)
        x = x + dull * (grey - x)
        x = mean + (x - mean) * number(r.uniform(0.6, 1.4, n), 1, 1, 1)
        x = x * number(np.exp(r.normal(0, 0.2, n)), 1, 1, 1) * number(np.exp(r.normal(0, 0.08, (n, 3))), 3, 1, 1)
        x = x + torch.randn(x.shape, generator=self.torch) * number(r.uniform(0, 12, n), 1, 1, 1)
        # Something stands before it.
        for i in np.flatnonzero(r.random(n) < 0.15):
            high, wide = (int(side * r.uniform(0.1, 0.35)) for side in x.shape[2:])
            y, left = r.integers(x.shape[2] - high), r.integers(x.shape[3] - wide)
            x[i, :, y : y + high, left : left + wide] = torch.from_numpy(r.uniform(0, 255, (3, 1, 1)).astype(np.float32))
        return (x.clamp(0, 255) - MEAN) / STD


def chances(net, pieces):
    """Chance of the first class of each piece (uint8, [h, w, 3])."""
    out = []
    with torch.no_grad():
        for i in range(0, len(pieces), 128):
            x = torch.from_numpy(np.stack(pieces[i : i + 128])).permute(0, 3, 1, 2).float()
            out.append(torch.softmax(net((x - MEAN) / STD), 1)[:, 0].numpy())
    return np.concatenate(out).astype(float) if out else np.zeros(0)


def train(task, samples, minutes, seed=0):
    """Cosine schedule over time; the mean of the late weights is kept."""
    torch.manual_seed(seed)
    draw, net = Draw(task, samples, seed), Classifier(task.widths)
    kept = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.995), use_buffers=True)
    optimiser = torch.optim.AdamW(net.parameters(), RATE, weight_decay=2e-2)
    begin, total, steps, said = time.time(), minutes * 60, 0, 0
    watched = [one for one in samples if one.part == "validation" and one.kind == "photograph"]
    pieces = [one.seen.get("detector", next(iter(one.seen.values()))) for one in watched]
    label = np.array([one.label for one in watched])
    while (done := (time.time() - begin) / total) < 1:
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1, steps / 50 + 0.05) * 0.5 * (1 + np.cos(np.pi * done)) + 1e-5
        x, truth = draw.batch()
        mix, other = float(draw.random.choice([1.0, draw.random.beta(0.3, 0.3)])), torch.randperm(len(x), generator=draw.torch)
        net.train()
        logit = net(mix * x + (1 - mix) * x[other])[:, 0]
        soft = lambda truth: truth * 0.94 + 0.03
        loss = F.binary_cross_entropy_with_logits(logit, mix * soft(truth) + (1 - mix) * soft(truth[other]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        kept.update_parameters(net)
        steps += 1
        if done >= said:
            said += 0.1
            kept.eval()
            score = figures.auc(chances(kept.module, pieces), label)
            print(f"{steps} steps, {time.time() - begin:.0f} s, loss {float(loss.detach()):.3f}, validation AUC {score:.4f}", flush=True)
    return kept.module.eval(), steps


def calibrate(net, samples):
    """Slope and shift of the logit that make the chances of the validation part right; by Newton's method. Every crop
    of a sample counts."""
    kept = [(piece, one.label) for one in samples if one.part == "validation" for piece in one.seen.values()]
    label = np.array([label for _, label in kept], float)
    logit = np.log((p := np.clip(chances(net, [piece for piece, _ in kept]), 1e-6, 1 - 1e-6)) / (1 - p))
    weight, features = np.array([1.0, 0.0]), np.stack([logit, np.ones_like(logit)], 1)
    for _ in range(50):
        chance = 1 / (1 + np.exp(-features @ weight))
        # A weak pull towards no change, so that perfect separation stays finite.
        slope = features.T @ (chance - label) + 0.5 * (weight - [1, 0])
        curve = features.T @ (features * (chance * (1 - chance))[:, None]) + 0.5 * np.eye(2)
        weight = weight - np.linalg.solve(curve, slope)
    net.slope.fill_(float(weight[0]))
    net.shift.fill_(float(weight[1]))


def measure(model, task, samples, at):
    """Figures of the test part, for each kind of picture and of box, and for photographs from farther away."""
    out, test = {}, [one for one in samples if one.part == "test"]
    for kind in ("photograph", "rendered"):
        for box in ("labelled", "centre", "detector", "picture"):
            rows = [one for one in test if one.kind == kind and box in one.seen]
            for size in (None, 24, 12) if kind == "photograph" and box != "centre" else (None,):
                if rows:
                    chance = model([far(one.seen[box], size) for one in rows])
                    label, picture = np.array([one.label for one in rows]), np.array([one.picture for one in rows])
                    name = f"{kind}, box {box}" + (f", {size} pixels wide" if size else "")
                    out[name] = figures.with_intervals(chance, label, picture, at, task.alarm)
    wanted = [one for one in test if one.kind == "photograph" and one.label == (task.alarm == 0)]
    found = [one for one in wanted if "detector" in one.seen]
    if found:
        chance = model([one.seen["detector"] for one in found])
        raised = int(((chance if task.alarm == 0 else 1 - chance) >= at).sum())
        out["alarms of the chain"] = {"labelled": len(wanted), "found by the detector": len(found), "raised": raised}
    return out


def far(piece, size):
    """The piece as `size` pixels across would show it; None: as it is."""
    if not size:
        return piece
    high = max(1, round(size * piece.shape[0] / piece.shape[1]))
    small = Image.fromarray(piece).resize((size, high), Image.Resampling.BOX)
    return np.round(stretched(np.asarray(small), piece.shape[1], piece.shape[0])).astype(np.uint8)


class Shipped:
    """The file that is shipped, as the product runs it."""

    def __init__(self, path):
        self.session = session(path)

    def __call__(self, pieces):
        """Chance of the first class of each."""
        out = []
        for piece in pieces:
            x = (piece.transpose(2, 0, 1)[None].astype(np.float32) - MEAN) / STD
            first, second = self.session.run(None, {"picture": x})[0][0]
            out.append(1 / (1 + np.exp(float(second - first))))
        return np.array(out)


def examples(model, samples, many=8):
    """Photographs kept out, of each class some: file, box and the chance of the first class, for the test of the product."""
    out = []
    for label in (1, 0):
        rows = [one for one in samples if one.part == "test" and one.kind == "photograph" and one.label == label]
        rows = rows[:: max(1, len(rows) // many)][:many]
        for one in rows:
            box = "detector" if "detector" in one.seen else next(iter(one.seen))
            chance = float(model([one.seen[box]])[0])
            edges = [round(float(edge), 2) for edge in one.boxes[box]]
            out.append({"file": one.file, "box": edges, "label": label, "chance": round(chance, 4)})
    return out


def export(net, task, name, at, out):
    """ONNX file and manifest without known outputs, which `models golden` prints."""
    path = out / f"{name}-1.onnx"
    torch.onnx.export(
        net, (torch.zeros(1, 3, task.height, task.width),), str(path), input_names=["picture"], output_names=["logits"],
        opset_version=17, dynamo=False,
    )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (out / f"{name}.toml").write_text(MANIFEST.format(
        name=name, file=path.name, digest=digest, first=task.classes[0], second=task.classes[1], crop=task.crop,
        width=task.width, height=task.height, mean=MEAN, std=STD, threshold=at,
    ))
    return digest


def lines(report):
    """JSON of which only the upper levels take lines of their own."""
    row = lambda value: json.dumps(value).replace("NaN", "null")
    text = []
    for key, value in report.items():
        if isinstance(value, dict):
            inner = ",\n  ".join(f"{json.dumps(name)}: {row(one)}" for name, one in value.items())
            text.append(f" {json.dumps(key)}: {{\n  {inner}\n }}")
        elif isinstance(value, list):
            inner = ",\n  ".join(row(one) for one in value)
            text.append(f" {json.dumps(key)}: [\n  {inner}\n ]")
        else:
            text.append(f" {json.dumps(key)}: {row(value)}")
    return "{\n" + ",\n".join(text) + "\n}"


MANIFEST = """\
# Trained here: see {name}-1.md for what it is for, how good it is and what it is no good for.
name = "{name}"
version = 1
task = "classes"
file = "{file}"
sha256 = "{digest}"
licence = "Apache-2.0"
classes = ["{first}", "{second}"]
crop = "{crop}"

[input]
width = {width}
height = {height}
layout = "nchw"
colour = "rgb"
mean = [{mean}, {mean}, {mean}]
std = [{std}, {std}, {std}]
fit = "stretch"

[output]
decoding = "classifier"
names = ["logits"]
activation = "softmax"

# Where no class is as sure as this, the picture is not judged.
[thresholds]
score = {threshold}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="the folder with images/ and models/")
    parser.add_argument("--frames", type=Path, help="rendered frames: train/, validation/, test/")
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("models/files"))
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    task, begin = TASKS[a.task], time.time()
    samples = photographs_of(a.task, a.shared) + (rendered(a.task, a.frames) if a.frames else [])
    count = {}
    for one in samples:
        key = f"{one.kind}, {one.part}, {task.classes[1 - one.label]}"
        count[key] = count.get(key, 0) + 1
    print(json.dumps(count, indent=1), f"{time.time() - begin:.0f} s", flush=True)
    net, steps = train(task, samples, a.minutes)
    calibrate(net, samples)
    held = [(next(reversed(one.seen.values())), one.label) for one in samples if one.part == "validation" and one.kind == "photograph"]
    at = figures.threshold(chances(net, [piece for piece, _ in held]), np.array([label for _, label in held]), task.alarm)
    a.out.mkdir(parents=True, exist_ok=True)
    digest = export(net, task, a.task, at, a.out)
    model = Shipped(a.out / f"{a.task}-1.onnx")
    report = {"steps": steps, "minutes": a.minutes, "parameters": sum(p.numel() for p in net.parameters()), "threshold": at,
              "sha256": digest, "samples": count, "test": measure(model, task, samples, at), "examples": examples(model, samples)}
    (a.out / f"{a.task}-1.figures.json").write_text(lines(report) + "\n")
    print(lines(report["test"]))


if __name__ == "__main__":
    main()
