"""Trains the forecaster on honest simulated series and writes the ONNX file, its golden example and its hash.

    python models/train/train.py --windows 200000 --minutes 10 --out models/files

Seeds are fixed; the number of steps depends on the machine's speed, so two machines give two files. The file
that is shipped is the one whose hash stands in models/catalogue.toml.
"""

import argparse
import hashlib
import json
import multiprocessing
import time
from pathlib import Path

import numpy as np
import torch

from network import AHEAD, WINDOW, Forecaster, asinh
from simulate import LENGTH, series

COARSE = 8
HISTORY = WINDOW * COARSE
HELD_OUT = 4000


def windows(x, end, history, phase):
    """What the gateway would hold of `x` just before sample `end`: fine and coarse window."""
    past = x[max(0, end - history) : end]
    fine = np.full(WINDOW, np.nan, np.float32)
    fine[WINDOW - min(WINDOW, len(past)) :] = past[-WINDOW:]
    whole = past[: len(past) - phase] if phase else past
    blocks = len(whole) // COARSE
    coarse = np.full(WINDOW, np.nan, np.float32)
    if blocks:
        rows = whole[len(whole) - blocks * COARSE :].reshape(blocks, COARSE)
        count = (~np.isnan(rows)).sum(1)
        means = np.where(count > 0, np.nansum(rows, 1) / np.maximum(count, 1), np.nan)
        coarse[WINDOW - min(WINDOW, blocks) :] = means[-WINDOW:]
    return fine, coarse


def examples(job):
    seed, count = job
    r = np.random.default_rng(seed)
    fine, coarse, ahead = [], [], []
    while len(fine) < count:
        x = series(r)
        for _ in range(6):
            end = int(r.integers(64, LENGTH - AHEAD))
            history = HISTORY if r.random() < 0.6 else int(r.integers(48, HISTORY))
            f, c = windows(x, end, history, int(r.integers(COARSE)))
            fine.append(f), coarse.append(c), ahead.append(x[end : end + AHEAD].astype(np.float32))
    return np.array(fine[:count]), np.array(coarse[:count]), np.array(ahead[:count])


def loss(net, fine, coarse, ahead):
    """Mean negative log-likelihood of a Laplace distribution in asinh units; missing samples do not count."""
    loc, log_scale, median, spread = net.normalised(fine, coarse)
    target = asinh((ahead - median) / spread)
    here = ~torch.isnan(target)
    each = (torch.where(here, target, loc) - loc).abs() * torch.exp(-log_scale) + log_scale
    return (each * here.float()).sum() / here.float().sum().clamp(min=1)


def train(net, data, minutes):
    rate, batch, steps, start = 2e-3, 384, 0, time.time()
    total = minutes * 60
    optimiser = torch.optim.AdamW(net.parameters(), rate, weight_decay=1e-4)
    count = len(data[0])
    while time.time() - start < total:
        for rows in (HELD_OUT + torch.randperm(count - HELD_OUT)).split(batch):
            done = (time.time() - start) / total
            if done >= 1:
                break
            for group in optimiser.param_groups:
                group["lr"] = rate * min(1, steps / 50 + 0.05) * 0.5 * (1 + np.cos(np.pi * done)) + 1e-5
            step = loss(net, *(d[rows] for d in data))
            optimiser.zero_grad()
            step.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimiser.step()
            steps += 1
        with torch.no_grad():
            held = [float(loss(net, *(d[i : i + 1000] for d in data))) for i in range(0, HELD_OUT, 1000)]
        print(f"{steps} steps, {time.time() - start:.0f} s, held-out loss {np.mean(held):.4f}", flush=True)
    return steps, float(np.mean(held))


def export(net, data, out):
    names = ["loc", "scale", "median", "spread"]
    path = out / "forecaster-1.onnx"
    net.eval()
    torch.onnx.export(
        net, (data[0][:4], data[1][:4]), str(path), input_names=["fine", "coarse"], output_names=names,
        dynamic_axes={name: {0: "n"} for name in ["fine", "coarse", *names]}, opset_version=17, dynamo=False,
    )
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path))
    inputs = {"fine": data[0][:3].numpy(), "coarse": data[1][:3].numpy()}
    inputs["fine"][2, :40] = np.nan
    outputs = dict(zip(names, session.run(names, inputs)))
    plain = lambda a: [[None if np.isnan(v) else float(v) for v in row] for row in a]
    golden = {"inputs": {k: plain(v) for k, v in inputs.items()}, "outputs": {k: plain(v) for k, v in outputs.items()}}
    (out / "forecaster-1.golden.json").write_text(json.dumps(golden) + "\n")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--windows", type=int, default=200_000)
    p.add_argument("--minutes", type=float, default=10)
    p.add_argument("--out", type=Path, required=True)
    a = p.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(2)
    start = time.time()
    with multiprocessing.Pool(2) as pool:
        parts = pool.map(examples, [(9000 + i, a.windows // 40) for i in range(40)], chunksize=1)
    data = [torch.from_numpy(np.concatenate(part)) for part in zip(*parts)]
    print(f"{len(data[0])} windows in {time.time() - start:.0f} s", flush=True)
    net = Forecaster()
    print(f"{sum(p.numel() for p in net.parameters())} parameters", flush=True)
    steps, held = train(net, data, a.minutes)
    a.out.mkdir(parents=True, exist_ok=True)
    print(json.dumps({"steps": steps, "held_out_loss": held, "sha256": export(net, data, a.out)}))


if __name__ == "__main__":
    main()
