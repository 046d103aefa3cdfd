"""How good a classifier is, with intervals: whole pictures are drawn anew, since persons of one picture are alike."""

import numpy as np

RESAMPLES = 1000


def auc(score, label):
    """The chance that one with the label scores above one without."""
    order = np.argsort(score, kind="stable")
    _, same, counts = np.unique(score[order], return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    rank = np.empty(len(score))
    rank[order] = (ends - (counts - 1) / 2)[same]
    ones = label.sum()
    if ones in (0, len(label)):
        return np.nan
    return (rank[label == 1].sum() - ones * (ones + 1) / 2) / (ones * (len(label) - ones))


def figures(chance, label, threshold, alarm):
    """`chance`: of the first class; `label`: 1 where it is right; `alarm`: 0 or 1, the class that raises signals. Less
    sure than `threshold` is not judged."""
    sure = chance if alarm == 0 else 1 - chance
    truth = label if alarm == 0 else 1 - label
    raised = sure >= threshold
    judged = raised | (1 - sure >= threshold)
    right = lambda part: float((raised[part] == (truth[part] == 1)).mean()) if part.any() else np.nan
    return {
        "auc": auc(chance, label),
        "accuracy at 0.5": float(((chance >= 0.5) == (label == 1)).mean()),
        "alarm precision": float(truth[raised].mean()) if raised.any() else np.nan,
        "alarm recall": float(raised[truth == 1].mean()) if (truth == 1).any() else np.nan,
        "judged": float(judged.mean()),
        "right of judged": right(judged),
    }


def with_intervals(chance, label, picture, threshold, alarm):
    """Each figure with its 95 % interval by the bootstrap over pictures."""
    random, names = np.random.default_rng(0), np.unique(picture)
    of = {name: np.flatnonzero(picture == name) for name in names}
    drawn = []
    for _ in range(RESAMPLES):
        rows = np.concatenate([of[name] for name in random.choice(names, len(names))])
        drawn.append(list(figures(chance[rows], label[rows], threshold, alarm).values()))
    low, high = np.nanpercentile(np.array(drawn), [2.5, 97.5], axis=0)
    point = figures(chance, label, threshold, alarm)
    out = {key: [round(float(v), 3) for v in (value, a, b)] for (key, value), a, b in zip(point.items(), low, high)}
    return out | {"samples": len(label), "of first class": int(label.sum()), "pictures": len(names)}


def threshold(chance, label, alarm, precision=0.9):
    """The least that makes alarms as precise as wanted, by the lower end of Wilson's 95 % interval; at most 0.95."""
    sure, truth = (chance, label) if alarm == 0 else (1 - chance, 1 - label)
    for at in np.arange(0.5, 0.951, 0.01):
        raised = sure >= at
        if raised.any() and lower(truth[raised].mean(), raised.sum()) >= precision:
            return round(float(at), 2)
    return 0.95


def lower(share, count, z=1.96):
    """Lower end of Wilson's interval."""
    middle, wide = share + z * z / (2 * count), z * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return (middle - wide) / (1 + z * z / count)
