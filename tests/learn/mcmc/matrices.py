"""Transition matrices of kernels on few weights, from the functions that their steps use."""

import torch
from torch import Tensor

from bayesnn_spike.learn.mcmc import Density, Gibbs
from bayesnn_spike.learn.mcmc.flips import log_ratio
from tests.learn import small_targets


def flip_matrices(kernel, density: Density, ratio=log_ratio) -> list[Tensor]:
    """The matrices `[2^d, 2^d]` whose product is one step: one, or one a weight of a sweep."""
    size = density.target.size
    count = 2**size
    here = torch.arange(count)
    state = kernel.init(density, small_targets.rows(size).to(torch.int8))
    moves = torch.zeros(size, count, dtype=torch.float64)
    for site in range(size):
        sites = torch.full((count,), site)
        after = kernel.move(density, state, sites)
        if isinstance(kernel, Gibbs):
            moves[site] = kernel.turning(density, state, after)
        else:
            accept = ratio(kernel, density, state, after, sites).clamp(max=0)
            moves[site] = (kernel.log_sites(density, state)[:, site] + accept).exp()
    if not isinstance(kernel, Gibbs):
        moves = moves[None]
    else:
        moves = torch.diag_embed(moves.T).permute(1, 2, 0)  # [sweep, site, number]
    found = []
    for row in moves:
        matrix = torch.zeros(count, count, dtype=torch.float64)
        for site in range(size):
            matrix[here, here ^ (1 << site)] = row[site]
        found.append(matrix + torch.diag(1 - matrix.sum(1)))
    return found


def step_matrix(kernel, density: Density) -> Tensor:
    """The matrix of one step."""
    found = flip_matrices(kernel, density)
    return torch.linalg.multi_dot(found) if len(found) > 1 else found[0]
