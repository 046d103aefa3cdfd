"""A small classifier of depthwise convolutions. The manifest normalises the bytes, not the network."""

import torch
from torch import nn


def mixed(inside, outside, stride):
    """3 x 3 for each channel, then across channels."""
    return nn.Sequential(
        nn.Conv2d(inside, inside, 3, stride, 1, groups=inside, bias=False), nn.BatchNorm2d(inside), nn.ReLU(inplace=True),
        nn.Conv2d(inside, outside, 1, bias=False), nn.BatchNorm2d(outside), nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.inner = mixed(width, width, 1)

    def forward(self, x):
        return x + self.inner(x)


def trunk(widths):
    """Halves the picture once for each width."""
    first = widths[0]
    layers = [nn.Conv2d(3, first, 3, 2, 1, bias=False), nn.BatchNorm2d(first), nn.ReLU(inplace=True)]
    for inside, outside in zip(widths, widths[1:]):
        layers += [mixed(inside, outside, 2), Residual(outside)]
        if outside > 50:
            layers += [Residual(outside)]
    return nn.Sequential(*layers)


class Classifier(nn.Module):
    """Pictures `[n, 3, height, width]` in, logits `[n, 2]` out, of the two classes of the manifest."""

    def __init__(self, widths):
        super().__init__()
        self.trunk = trunk(widths)
        self.drop = nn.Dropout(0.3)
        self.out = nn.Linear(2 * widths[-1], 1)
        # Calibration, from the validation part once training is over.
        self.register_buffer("slope", torch.ones(1))
        self.register_buffer("shift", torch.zeros(1))

    def logit(self, x):
        features = self.trunk(x)
        pooled = torch.cat([features.mean((2, 3)), features.amax((2, 3))], 1)
        return self.out(self.drop(pooled))

    def forward(self, x):
        # In use the mirror image is asked as well.
        logit = self.logit(x) if self.training else (self.logit(x) + self.logit(x.flip(3))) / 2
        logit = logit * self.slope + self.shift
        return torch.cat([logit, torch.zeros_like(logit)], 1)
