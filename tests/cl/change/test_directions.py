"""Singular vectors, exactly or by iteration."""

import torch

from cgap_cl.change.directions import singular_vectors


def test_subspace_iteration_finds_singular_vectors():
    """Large matrices: as a full decomposition gives them, up to sign."""
    generator = torch.Generator().manual_seed(0)
    strength = 0.8 ** torch.arange(600, dtype=torch.float64)
    draw = torch.randn(2, 700, 600, generator=generator, dtype=torch.float64)
    left, right = torch.linalg.qr(draw[0])[0], torch.linalg.qr(draw[1][:600])[0]
    found = singular_vectors(left @ strength.diag() @ right.T, 3, generator)
    for vectors, expected in zip(found, (left, right), strict=True):
        overlap = (vectors.T @ expected[:, :3]).abs()
        torch.testing.assert_close(
            overlap, torch.eye(3, dtype=torch.float64), atol=1e-3, rtol=0
        )
