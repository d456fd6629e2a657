"""VGG16 for 32x32 images in the paper's form, without the time to draw its weights."""

import torch
from torch import nn

MAPS = (64, 64, "A", 128, 128, "A", *(256,) * 3, "A", *(512,) * 3, "A", *(512,) * 3)


def vgg16() -> nn.Sequential:
    """Thirteen convolutions, four poolings, three linear layers, no bias; all weights 0."""
    layers: list[nn.Module] = []
    channels = 3
    with torch.device("meta"):
        for maps in MAPS:
            if maps == "A":
                layers.append(nn.AvgPool2d(2))
                continue
            layers += [nn.Conv2d(channels, maps, 3, padding=1, bias=False), nn.ReLU()]
            channels = maps
        layers.append(nn.Flatten())
        for n_in, n_out in ((2048, 4096), (4096, 4096)):
            layers += [nn.Linear(n_in, n_out, bias=False), nn.ReLU()]
        layers.append(nn.Linear(4096, 10, bias=False))
    network = nn.Sequential(*layers).to_empty(device="cpu")
    for parameter in network.parameters():
        parameter.data.zero_()
    return network
