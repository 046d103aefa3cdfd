"""The public detectors whose boxes the product gets: persons (YOLOX-nano) and faces (YuNet)."""

import numpy as np
import onnxruntime

from areas import overlap, stretched


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options)


def strongest(boxes, scores, most):
    """Of boxes that have more than `most` in common the surest stays; indices, the surest first."""
    order, kept = list(np.argsort(-scores)), []
    while order:
        first = order.pop(0)
        kept.append(first)
        if order:
            common = overlap(boxes[first], boxes[order])[0]
            order = [other for other, share in zip(order, common) if share <= most]
    return kept


def letterbox(picture, width, height, pad):
    """Planes [1,3,height,width], red first, with the picture left above, and the factor."""
    factor = min(width / picture.shape[1], height / picture.shape[0])
    wide, high = max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor))
    out = np.full((height, width, 3), pad, np.float32)
    out[:high, :wide] = stretched(picture, wide, high)
    return np.ascontiguousarray(out.transpose(2, 0, 1)[None]), factor


def grid(width, height, strides):
    """Cell and stride of each place."""
    parts = []
    for stride in strides:
        y, x = np.mgrid[: height // stride, : width // stride]
        parts.append(np.stack([x.ravel(), y.ravel(), np.full(x.size, stride)], 1))
    return np.concatenate(parts).astype(np.float32)


class Yolox:
    """Any model with YOLOX's output `[1, N, 5 + C]`."""

    def __init__(self, path, size=(416, 416), strides=(8, 16, 32), score=0.3, overlap_most=0.45, mean=0, std=1, colour="bgr"):
        self.session, self.size, self.score, self.most = session(path), size, score, overlap_most
        self.mean, self.std, self.order = mean, std, slice(None, None, -1 if colour == "bgr" else 1)
        self.cells = grid(*size, strides)

    def find(self, picture, name=0):
        """Boxes and scores of class `name`, the surest first."""
        tensor, factor = letterbox(picture, *self.size, 114)
        tensor = np.ascontiguousarray((tensor[:, self.order] - self.mean) / self.std, np.float32)
        out = self.session.run(None, {self.session.get_inputs()[0].name: tensor})[0][0]
        scores = out[:, 4] * out[:, 5 + name]
        best = out[:, 5:].argmax(1) == name
        keep = best & (scores >= self.score)
        cells, out, scores = self.cells[keep], out[keep], scores[keep]
        centre, half = (out[:, :2] + cells[:, :2]) * cells[:, 2:], np.exp(out[:, 2:4]) * cells[:, 2:] / 2
        boxes = np.concatenate([centre - half, centre + half], 1) / factor
        if not len(boxes):
            return boxes, scores
        kept = strongest(boxes, scores, self.most)
        limit = np.array([picture.shape[1], picture.shape[0]] * 2, np.float32)
        return np.clip(boxes[kept], 0, limit), scores[kept]


class Yunet:
    """YuNet at 320 x 320."""

    def __init__(self, path, score=0.5):
        self.session, self.score, self.strides = session(path), score, (8, 16, 32)
        self.cells = grid(320, 320, self.strides)

    def find(self, picture):
        tensor, factor = letterbox(picture, 320, 320, 0)
        tensor = np.ascontiguousarray(tensor[:, ::-1])
        names = [f"{kind}_{stride}" for kind in ("cls", "obj", "bbox") for stride in self.strides]
        out = self.session.run(names, {self.session.get_inputs()[0].name: tensor})
        cls, obj, box = (np.concatenate([part[0] for part in out[i : i + 3]]) for i in (0, 3, 6))
        scores = np.sqrt(np.clip(cls[:, 0], 0, 1) * np.clip(obj[:, 0], 0, 1))
        keep = scores >= self.score
        cells, box, scores = self.cells[keep], box[keep], scores[keep]
        centre, half = (box[:, :2] + cells[:, :2]) * cells[:, 2:], np.exp(box[:, 2:]) * cells[:, 2:] / 2
        boxes = np.concatenate([centre - half, centre + half], 1) / factor
        kept = strongest(boxes, scores, 0.45) if len(boxes) else []
        return boxes[kept], scores[kept]
