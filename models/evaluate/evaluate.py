"""Runs the real `models score` over recordings and compares its scores with their labels.

    python models/evaluate/evaluate.py --models target/release/models --data ../shared/data [nab skab coldstore turbine batadal]

Needs numpy only. A recording that is not there is skipped, and the reason printed. The recordings are never
part of this repository: see their licences. Protocols: NAB v1.1 (one threshold for the corpus, chosen on its
labels, as its scorer does), SKAB (first 400 rows of a file train, all files pooled), BATADAL (S = half time to
detection, half classification).
"""

import argparse
import csv
import datetime
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np

PROFILES = {"standard": (1.0, 1.0, 0.11), "reward low FP": (1.0, 1.0, 0.22), "reward low FN": (1.0, 2.0, 0.11)}
SKAB_TRAIN, SKAB_FAR = 400, 13.55
WEEK_OF_QUARTERS = 7 * 24 * 4


def score(models, path, when, values, train_rows):
    """Scores and signals of every row, from the shipped program."""
    run = subprocess.run(
        [models, "score", "--csv", path, "--time", when, "--values", ",".join(values), "--train-rows", str(train_rows)],
        capture_output=True, text=True,
    )
    if run.returncode:
        sys.exit(f"models score failed on {path}: {run.stderr}")
    rows = [line.rsplit(",", 2) for line in run.stdout.splitlines()[1:]]
    return np.array([float(r[1]) for r in rows]), np.array([int(r[2]) for r in rows])


def column(path, name, separator=","):
    with open(path, newline="") as file:
        return [row[name] for row in csv.DictReader(file, delimiter=separator, skipinitialspace=True)]


# NAB -------------------------------------------------------------------------------------------------

def sigmoid(y):
    return np.where(np.asarray(y) > 3, -1.0, 2 / (1 + np.exp(5 * np.minimum(y, 3))) - 1)


def nab_rows(times, windows):
    """What an alarm on each row is worth, and which window the row is in (-1: none)."""
    n = len(times)
    worth, inside = np.full(n, -1.0), np.full(n, -1)
    place = {t: i for i, t in enumerate(times)}
    last_end = last_length = None
    for k, (begin, end) in enumerate(windows):
        a, b = place[begin[:19]], place[end[:19]]
        length = b - a + 1
        if last_end is not None:
            gap = np.arange(last_end + 1, a)
            worth[gap] = sigmoid((gap - last_end) / max(last_length - 1, 1))
        at = np.arange(a, b + 1)
        worth[at] = sigmoid(-(b - at + 1) / length) / sigmoid(-1.0)
        inside[at] = k
        last_end, last_length = b, length
    if last_end is not None:
        gap = np.arange(last_end + 1, n)
        worth[gap] = sigmoid((gap - last_end) / max(last_length - 1, 1))
    return worth, inside


def nab_corpus(files):
    """files: list of (scores, worth, inside). The best score of each profile over all thresholds."""
    score_, worth, window, count = [], [], [], 0
    for s, w, inside in files:
        skip = int(min(0.15 * len(s), 750))
        score_.append(s[skip:]), worth.append(w[skip:])
        window.append(np.where(inside >= 0, inside + count, -1)[skip:])
        count += inside.max() + 1
    score_, worth, window = map(np.concatenate, (score_, worth, window))
    live = len(np.unique(window[window >= 0]))
    order = np.argsort(-score_, kind="stable")
    score_, worth, window = score_[order], worth[order], window[order]
    out = {}
    for name, (tp, fn, fp) in PROFILES.items():
        gain, best = np.where(window < 0, worth * fp, 0.0), {}
        for i in np.flatnonzero(window >= 0):
            value, before = worth[i] * tp, best.get(window[i], -fn)
            if value > before:
                gain[i], best[window[i]] = value - before, value
        total = np.cumsum(gain)
        ends = np.flatnonzero(np.append(score_[1:] != score_[:-1], True))
        at = ends[np.argmax(total[ends])]
        hit = len(np.unique(window[: at + 1][window[: at + 1] >= 0]))
        out[name] = (100 * max(total[at], 0.0) / (live * (tp + fn)), score_[at], int((window[: at + 1] < 0).sum()), hit, live)
    return out


def nab_data(data):
    root = data / "NAB"
    if not root.is_dir():
        print(f"NAB: skipped, {root} is not there")
        return
    windows = json.loads((root / "labels/combined_windows.json").read_text())
    for name in sorted(windows):
        path = root / "data" / name
        if path.is_file():
            yield name, path, nab_rows(column(path, "timestamp"), windows[name])


def nab(models, data):
    files, begun, rows = [], time.time(), 0
    for name, path, (worth, inside) in nab_data(data):
        s, _ = score(models, path, "timestamp", ["value"], int(min(0.15 * len(worth), 750)))
        files.append((s, worth, inside))
        rows += len(s)
    if not files:
        return
    print(f"NAB: {len(files)} files, {rows} rows in {time.time() - begun:.1f} s")
    for name, (value, threshold, false, hit, live) in nab_corpus(files).items():
        print(f"  {name}: {value:.1f} (threshold {threshold:.3f}, {false} rows outside windows, {hit} of {live} windows)")


# SKAB ------------------------------------------------------------------------------------------------

def skab(models, data):
    folder = data / "SKAB/data"
    paths = [p for p in sorted(folder.glob("*/*.csv")) if p.parent.name != "anomaly-free"]
    if not paths:
        print(f"SKAB: skipped, {folder} is not there")
        return
    scores, signals, truth = [], [], []
    for path in paths:
        names = column_names(path, ";")
        s, signal = score(models, path, "datetime", [n for n in names if n not in ("datetime", "anomaly", "changepoint")], SKAB_TRAIN)
        scores.append(s[SKAB_TRAIN:]), signals.append(signal[SKAB_TRAIN:])
        truth.append(np.array([float(v) for v in column(path, "anomaly", ";")])[SKAB_TRAIN:] > 0)
    scores, signals, truth = map(np.concatenate, (scores, signals, truth))
    f1, far, mar = sweep(scores, truth)
    ok = np.flatnonzero(far <= SKAB_FAR)
    at, best = ok[np.argmax(f1[ok])], np.argmax(f1)
    grid = np.sort(scores)[::-1]
    print(f"SKAB: {len(paths)} files, {len(truth)} test rows")
    print(f"  at FAR <= {SKAB_FAR} %: F1 {f1[at]:.3f} (FAR {far[at]:.2f}, MAR {mar[at]:.2f}, threshold {grid[at]:.3f})")
    print(f"  best F1 {f1[best]:.3f} (FAR {far[best]:.2f}, MAR {mar[best]:.2f}, threshold {grid[best]:.3f})")
    signals = signals > 0
    print(f"  as shipped (`signal`): F1 {f1_of(signals, truth):.3f} (FAR {100 * signals[~truth].mean():.2f}, MAR {100 * (~signals[truth]).mean():.2f})")
    honest = folder / "anomaly-free/anomaly-free.csv"
    for train in (SKAB_TRAIN, 3000) if honest.is_file() else ():
        _, signal = score(models, honest, "datetime", column_names(honest, ";")[1:], train)
        print(f"  run without a fault, {train} rows of learning: signal on {100 * signal[train:].mean():.1f} % of rows")


def column_names(path, separator):
    with open(path) as file:
        return [name.strip() for name in file.readline().split(separator)]


def f1_of(alarm, truth):
    return 2 * (alarm & truth).sum() / (alarm.sum() + truth.sum())


def sweep(scores, truth):
    """F1, false alarm rate and missed alarm rate with the threshold at each score, highest first."""
    hits = truth[np.argsort(-scores, kind="stable")]
    tp, fp = np.cumsum(hits), np.cumsum(~hits)
    fn = truth.sum() - tp
    return tp / (tp + (fp + fn) / 2), 100 * fp / (~truth).sum(), 100 * fn / truth.sum()


# Cold store ------------------------------------------------------------------------------------------

def coldstore(models, data):
    path = data / "subzero-coldstore/saveris_values_complete.csv"
    if not path.is_file():
        print(f"cold store: skipped, {path} is not there")
        return
    with open(path) as file:
        probes = file.readline().strip().split(",")[1:]
    settle, rates, thresholds, at = 2 * WEEK_OF_QUARTERS, [], (0.5, 0.55, 0.6, 0.65, 0.7, 0.8), []
    for probe in probes:
        s, signal = score(models, path, "date", [probe], settle)
        weeks = (len(s) - settle) / WEEK_OF_QUARTERS
        starts = (signal[1:] > signal[:-1])[settle - 1 :].sum()
        rates.append(starts / weeks)
        above = s[settle - 1 :, None] >= np.array(thresholds)
        at.append((above[1:] > above[:-1]).sum(0) / weeks)
    print(f"cold store: {len(rates)} probes, {weeks:.1f} weeks each after two weeks of learning")
    print(f"  signals per sensor-week: mean {np.mean(rates):.2f}, lowest {min(rates):.2f}, highest {max(rates):.2f}")
    print("  events per sensor-week by threshold: " + ", ".join(f"{t}: {r:.2f}" for t, r in zip(thresholds, np.mean(at, 0))))
    s, signal = score(models, path, "date", probes, 4 * settle)
    starts = (signal[1:] > signal[:-1])[4 * settle - 1 :].sum()
    print(f"  all probes as one group, 8 weeks of learning: {starts / ((len(s) - 4 * settle) / WEEK_OF_QUARTERS) / len(probes):.2f} per sensor-week")


# Gas turbine -----------------------------------------------------------------------------------------

def turbine(models, data):
    """A stack monitor's hours without labels: what an honest year costs in signals. The file has no time column."""
    path = data / "gas-turbine-CO-NOx/gt_2011.csv"
    if not path.is_file():
        print(f"gas turbine: skipped, {path} is not there")
        return
    rows = path.read_text().splitlines()
    names = [n.strip() for n in rows[0].split(",")]
    with tempfile.TemporaryDirectory() as there:
        timed = pathlib.Path(there) / "timed.csv"
        timed.write_text("\n".join([f"time,{rows[0]}"] + [f"{3600 * n},{row}" for n, row in enumerate(rows[1:])]) + "\n")
        _, signal = score(models, timed, "time", names, 3000)
    print(f"gas turbine: {len(names)} variables as one group, 3000 h of learning: signal on {100 * signal[3000:].mean():.1f} % of {len(signal) - 3000} h")


# BATADAL ---------------------------------------------------------------------------------------------

def batadal(models, data):
    """Learns from the normal year only. `training_dataset_1.csv` holds that year and, after it, dataset04 again with
    all seven attacks labelled (dataset04 by itself labels a part of them)."""
    folder = data / "BATADAL/data"
    both, attacked = folder / "training_dataset_1.csv", folder / "BATADAL_dataset04.csv"
    if not (both.is_file() and attacked.is_file()):
        print(f"BATADAL: skipped, {folder} is not complete")
        return
    first = attacked.read_text().splitlines()[1].split(",")[0]
    rows = both.read_text().splitlines()
    names = [n.strip() for n in rows[0].split(",")][1:-1]
    year = next(n for n, row in enumerate(rows[1:]) if row.split(",")[0] == first)
    s, signal = score(models, both, "DATETIME", names, year)
    s, signal = s[year:], signal[year:] > 0
    truth = np.array([row.rsplit(",", 1)[1] == "1" for row in rows[1 + year :]])
    best = max(np.unique(np.quantile(s, np.linspace(0.5, 0.999, 300))), key=lambda t: batadal_s(s >= t, truth)[0])
    print(f"BATADAL dataset04: {year} h of learning, {len(truth)} h, {truth.sum()} h under attack")
    print("  best threshold: S {:.3f} (S_TTD {:.3f}, S_CLF {:.3f}), threshold {:.3f}".format(*batadal_s(s >= best, truth), best))
    print("  as shipped (`signal`): S {:.3f} (S_TTD {:.3f}, S_CLF {:.3f}), F1 {:.3f}, FAR {:.2f} %".format(
        *batadal_s(signal, truth), f1_of(signal, truth), 100 * signal[~truth].mean()))


def batadal_s(alarm, truth):
    edges = np.flatnonzero(np.diff(np.concatenate([[0], truth.astype(int), [0]])))
    late = []
    for begin, end in zip(edges[::2], edges[1::2]):
        inside = np.flatnonzero(alarm[begin:end])
        late.append((inside[0] if len(inside) else end - begin) / (end - begin))
    ttd = 1 - np.mean(late)
    clf = ((alarm & truth).sum() / truth.sum() + (~alarm & ~truth).sum() / (~truth).sum()) / 2
    return 0.5 * ttd + 0.5 * clf, ttd, clf


def main():
    tasks = {"nab": nab, "skab": skab, "coldstore": coldstore, "turbine": turbine, "batadal": batadal}
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--models", default="target/release/models", help="the program to measure")
    ask.add_argument("--data", type=pathlib.Path, default=pathlib.Path("../shared/data"))
    ask.add_argument("tasks", nargs="*", choices=[[], *tasks], default=[])
    given = ask.parse_args()
    print(f"measured {datetime.date.today()}")
    for name in given.tasks or tasks:
        tasks[name](given.models, given.data)


if __name__ == "__main__":
    main()
