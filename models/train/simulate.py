"""Honest processes, as a sensor would report them. Nothing here is recorded data and nothing here is a fault.

A series is a process (rhythm, compressor cycle, schedule, pulses, set-points, or none) plus noise of one of
several kinds, honest bursts (a door is opened), a slow drift of the season, and what instruments do to it:
rounding, holding a value for a few samples, missing samples. Units and offsets are left to the reader of the
series, which must not depend on them.
"""

import numpy as np
from scipy.signal import lfilter

LENGTH = 1536


def rhythm(r, t, period):
    """Daily or shift rhythm with harmonics, sometimes skewed, floored, or quiet at weekends."""
    w, phase = 2 * np.pi / period, r.uniform(0, 2 * np.pi)
    x = sum(r.normal() / h * np.sin(h * w * t + phase * h) for h in range(1, int(r.integers(2, 5)) + 1))
    if r.random() < 0.4:
        x = np.exp(r.uniform(0.3, 1.2) * x)
    if r.random() < 0.3:
        x = np.maximum(x, np.quantile(x, r.uniform(0.2, 0.6)))
    if r.random() < 0.35:
        day = (t // max(1, int(period)) + r.integers(7)) % 7
        x = x * np.where(day < 2, r.uniform(0.2, 1.0), 1.0)
    return x


def compressor(r, t, period):
    """A cold room: warms slowly, is cooled fast; defrosts and door openings are part of honest life."""
    rise, jitter = r.uniform(0.15, 0.85), r.uniform(0, 0.15)
    turn = np.cumsum(np.maximum(0.2, 1 + jitter * r.normal(size=len(t)))) / period + r.uniform(0, 1)
    f = turn % 1
    x = np.where(f < rise, f / rise, (1 - f) / (1 - rise)) ** r.uniform(0.5, 2)
    if r.random() < 0.5:  # defrost: at fixed times, several times the cycle's height, back within a while
        every, width, height = r.uniform(80, 500), r.uniform(4, 40), r.uniform(1, 8)
        since = (t + r.uniform(0, every)) % every
        x = x + height * np.where(since < width, since / width, np.exp(-(since - width) / (0.5 * width)))
    return x


def schedule(r, t, period):
    """On and off, with edges of some width; a fan or a production line."""
    x = (((t / period + r.uniform(0, 1)) % 1) < r.uniform(0.2, 0.8)).astype(float)
    width = int(r.integers(1, 12))
    return np.convolve(x, np.ones(width) / width, "same")


def meals(r, t, period):
    """Kitchen fume: two humps a day of different height, nothing at night."""
    f = (t / period) % 1
    day = (t // max(1, int(period))).astype(int)
    height = r.lognormal(0, 0.25, size=(int(day.max()) + 1, 2))
    hump = lambda centre, width: np.exp(-0.5 * ((f - centre) / width) ** 2)
    return height[day, 0] * hump(0.5, r.uniform(0.02, 0.06)) + height[day, 1] * hump(0.77, r.uniform(0.02, 0.07))


def pulses(r, t, period):
    """A flat process with regular pulses: blow-back, backwash, a calibration."""
    jitter, width, x = r.uniform(0, 0.1), r.uniform(1, max(1.5, period * 0.08)), np.zeros(len(t))
    count = int(len(t) / period) + 3
    for at in np.cumsum(np.maximum(0.3, 1 + jitter * r.normal(size=count))) * period - r.uniform(0, period):
        x += np.exp(-np.maximum(0, t - at) / width) * (t >= at)
    return x


def set_points(r, t, period):
    """Levels that are changed by hand, reached with a lag."""
    changes = np.sort(r.integers(0, len(t), int(r.integers(3, 25))))
    x = r.normal(size=len(changes) + 1)[np.searchsorted(changes, t, side="right")]
    lag = int(r.integers(1, 20))
    return np.convolve(x, np.ones(lag) / lag, "same")


def nothing(r, t, period):
    """A gas detector in clean air: noise is all there is."""
    return np.zeros(len(t))


PROCESSES = [rhythm, rhythm, rhythm, compressor, compressor, schedule, meals, pulses, set_points, nothing, nothing]


def noise(r, n):
    """White, heavy-tailed, one-sided, or with memory; unit variance."""
    kind = r.integers(5)
    if kind == 0:
        e = r.normal(size=n)
    elif kind == 1:
        e = r.standard_t(r.uniform(2.2, 6), size=n)
    elif kind == 2:
        e = r.gamma(r.uniform(0.5, 3), size=n)
    else:
        memory = r.choice([0.5, 0.8, 0.9, 0.97, 0.99, 0.997])
        e = lfilter([1], [1, -memory], r.normal(size=n) if kind == 3 else r.standard_t(4, size=n))
        if r.random() < 0.5:
            e = e + r.normal(size=n) * e.std() * r.uniform(0.05, 0.7)
    e = e - e.mean()
    return e / (e.std() + 1e-9)


def series(r):
    """One honest series of LENGTH samples."""
    t = np.arange(LENGTH)
    period = float(np.exp(r.uniform(np.log(10), np.log(600))))
    x = PROCESSES[int(r.integers(len(PROCESSES)))](r, t, period)
    has_process = x.std() > 0
    if has_process:
        x = x / x.std() * r.choice([1.0, 1.0, 3.0])
    level = float(np.exp(r.uniform(np.log(0.02), np.log(0.6)))) if has_process else 1.0
    x = x + level * noise(r, LENGTH)
    if r.random() < 0.25:
        hit = (r.random(LENGTH) < r.uniform(0.002, 0.05)) * r.exponential(size=LENGTH) * r.uniform(2, 8)
        x = x + level * np.convolve(hit, np.exp(-np.arange(30) / r.uniform(0.5, 8)))[:LENGTH]
    if r.random() < 0.25:
        x = x + np.linspace(0, r.normal() * 1.5, LENGTH)
    if r.random() < 0.3:
        step = float(np.exp(r.uniform(np.log(0.02), np.log(0.5)))) * x.std()
        x = np.round(x / step) * step
    if r.random() < 0.1:
        hold = int(r.integers(2, 6))
        x = np.repeat(x[::hold], hold)[:LENGTH]
    if r.random() < 0.15:
        x = np.where(r.random(LENGTH) < r.uniform(0.005, 0.1), np.nan, x)
    return x
