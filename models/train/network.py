"""The forecaster: the next 16 samples of any series, with a scale, from two windows of its past.

Inputs, both float32 and in any unit: `fine` [N,128], the last samples; `coarse` [N,128], the last means of 8.
NaN is a missing sample. Outputs: `loc` [N,16], the expected samples in the same unit; `scale` [N,16], the
scale of a Laplace distribution of asinh((sample - median) / spread) around that of `loc`; `median` and
`spread` [N,1], with which the caller turns a sample into a surprise. All scaling is done inside the graph.
"""

import torch
from torch import nn

WINDOW, AHEAD, PATCH, WIDTH, LAYERS = 128, 16, 8, 48, 3


def asinh(x):
    """Written out: the exporter knows no asinh."""
    return torch.sign(x) * torch.log(x.abs() + torch.sqrt(x * x + 1))


def sinh(x):
    return 0.5 * (torch.exp(x) - torch.exp(-x))


class Scale(nn.Module):
    """Robust centre and spread over both windows, and the typical step of the fine one."""

    def forward(self, fine, coarse):
        both = torch.cat([fine, coarse], 1)
        here = ~torch.isnan(both)
        filled = torch.where(here, both, torch.zeros_like(both))
        n = here.float().sum(1, keepdim=True).clamp(min=2)
        mean = (filled * here.float()).sum(1, keepdim=True) / n
        deviation = (((filled - mean) * here.float()).pow(2).sum(1, keepdim=True) / n).sqrt()
        ordered, _ = torch.sort(torch.where(here, both, torch.full_like(both, 3e38)), 1)
        at = lambda q: torch.gather(ordered, 1, ((n - 1) * q).long())
        median, quartiles = at(0.5), (at(0.75) - at(0.25)) * 0.7413
        spread = torch.maximum(torch.maximum(quartiles, 0.1 * deviation), 1e-6 * (mean.abs() + 1e-6))
        return median, spread, mean, deviation


class Mixer(nn.Module):
    """Mixes patches, then channels."""

    def __init__(self, patches, width):
        super().__init__()
        self.norm_patches, self.norm_channels = nn.LayerNorm(width), nn.LayerNorm(width)
        self.patches = nn.Sequential(nn.Linear(patches, 2 * patches), nn.ReLU(), nn.Linear(2 * patches, patches))
        self.channels = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))

    def forward(self, x):
        x = x + self.patches(self.norm_patches(x).transpose(1, 2)).transpose(1, 2)
        return x + self.channels(self.norm_channels(x))


class Forecaster(nn.Module):
    def __init__(self):
        super().__init__()
        patches = WINDOW // PATCH
        self.scale = Scale()
        self.embed_fine, self.embed_coarse = nn.Linear(4 * PATCH, WIDTH), nn.Linear(3 * PATCH, WIDTH)
        self.place = nn.Parameter(torch.zeros(2 * patches, WIDTH))
        self.mixers = nn.Sequential(*[Mixer(2 * patches, WIDTH) for _ in range(LAYERS)])
        self.head = nn.Sequential(nn.Linear(2 * patches * WIDTH, 128), nn.ReLU())
        self.out = nn.Linear(128, 2 * AHEAD)
        nn.init.normal_(self.out.weight, 0, 1e-3)
        nn.init.zeros_(self.out.bias)

    def normalised(self, fine, coarse):
        """Location and log-scale in asinh units, and the scaling."""
        median, spread, mean, deviation = self.scale(fine, coarse)
        here_f, here_c = ~torch.isnan(fine), ~torch.isnan(coarse)
        f = torch.where(here_f, fine, median.expand_as(fine))
        c = torch.where(here_c, coarse, median.expand_as(coarse))
        f_on, c_on = here_f.float(), here_c.float()
        pair = torch.cat([torch.zeros_like(f_on[:, :1]), f_on[:, 1:] * f_on[:, :-1]], 1)
        step = torch.cat([torch.zeros_like(f[:, :1]), f[:, 1:] - f[:, :-1]], 1) * pair
        typical = torch.maximum(step.abs().sum(1, keepdim=True) / pair.sum(1, keepdim=True).clamp(min=1), 0.02 * spread)
        z = lambda x, on: [asinh((x - median) / spread) * on, ((x - mean) / (deviation + 1e-6 * spread)).clamp(-8, 8) * on]
        split = lambda channels, k: torch.stack(channels, 1).reshape(-1, k, WINDOW // PATCH, PATCH).permute(0, 2, 1, 3).reshape(-1, WINDOW // PATCH, k * PATCH)
        fine_channels = z(f, f_on) + [asinh(step / typical), f_on]
        x = torch.cat([self.embed_fine(split(fine_channels, 4)), self.embed_coarse(split(z(c, c_on) + [c_on], 3))], 1)
        y = self.out(self.head(self.mixers(x + self.place).flatten(1)))
        # The last sample that is there is the forecast to beat.
        weight = f_on * torch.pow(torch.tensor(4.0), torch.arange(WINDOW, dtype=torch.float32) - WINDOW + 1).clamp(min=1e-30)
        last = (fine_channels[0] * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True).clamp(min=1e-30)
        return last + y[:, :AHEAD], y[:, AHEAD:].clamp(-5, 3), median, spread

    def forward(self, fine, coarse):
        loc, log_scale, median, spread = self.normalised(fine, coarse)
        return median + spread * sinh(loc.clamp(-20, 20)), torch.exp(log_scale), median, spread
