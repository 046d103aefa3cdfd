"""Measures detector and classifiers one after the other on rendered frames, as the demo runs them: of the persons without
helmet, vest or mask, how many are found and called so, and how many such calls are right.

    python models/train/pictures/chain.py --frames FOLDER --files models/files

A call on a box that belongs to nobody who could be judged counts as wrong.
"""

import argparse
import json
import tomllib
from pathlib import Path

import numpy as np

import finder
import photographs
from areas import cut, CROPS, overlap
from detectors import Yolox
from samples import TASKS, judged
from train import Shipped


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=Path, required=True, help="rendered frames: test/")
    parser.add_argument("--files", type=Path, default=Path("models/files"))
    a = parser.parse_args()
    persons = Yolox(a.files / "simulated-persons-1.onnx", (finder.WIDTH, finder.HEIGHT), finder.STRIDES, finder.THRESHOLD,
                    finder.OVERLAP, finder.MEAN, finder.STD, "rgb")
    for name, place in (("helmet", "workshop"), ("vest", "workshop"), ("mask", "kitchen")):
        task, model = TASKS[name], Shipped(a.files / f"{name}-1.onnx")
        at = tomllib.loads((a.files / f"{name}.toml").read_text())["thresholds"]["score"]
        bare = raised = right = 0
        for line in (a.frames / "test" / "truth.jsonl").read_text().splitlines():
            truth = json.loads(line)
            if truth["camera"] != place:
                continue
            picture = photographs.read(a.frames / "test" / truth["file"])
            known = [(box, worn) for box, worn in (judged(name, person) for person in truth["persons"]) if box]
            edges = np.array([[l, t, l + w, t + h] for (l, t, w, h), _ in known], np.float32).reshape(-1, 4)
            bare += sum(not worn for _, worn in known)
            boxes, _ = persons.find(picture, 1 if name == "mask" else 0)
            for box in boxes:
                piece = cut(picture, CROPS[task.crop](box), task.width, task.height)
                if 1 - model([np.round(piece).astype(np.uint8)])[0] >= at:
                    raised += 1
                    common = overlap(box, edges)[0] if len(edges) else np.zeros(1)
                    right += bool(common.max() >= 0.5 and not known[int(common.argmax())][1])
        print(f"{name}: {bare} without, {raised} calls, {right} right: recall {right / bare:.3f}, precision {right / max(1, raised):.3f}", flush=True)


if __name__ == "__main__":
    main()
