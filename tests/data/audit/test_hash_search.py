import numpy as np
import pytest

from pcam.data.audit import hash_search


@pytest.mark.parametrize("block", [1000, 1 << 20])
def test_the_search_finds_all_pairs_that_a_full_comparison_finds(
    monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(hash_search, "CANDIDATES", block)
    rng = np.random.default_rng(0)
    signs = rng.integers(0, 1 << 16, (1500, 4)).astype(np.uint16)
    signs[:, 0] &= 0xFFFE  # the sign of the mean is not in the hash
    signs[600:1000, 1] = 0x00FF  # a bucket with a quarter of all
    for k in range(300):  # pairs that differ in 0 to 7 bits
        bits = rng.choice(np.arange(1, 64), k % 8, replace=False)
        form = hash_search.transpose_signs(signs[k : k + 1])[0] if k % 2 else signs[k].copy()
        flip = np.array([(0, 0, 0, 0), (0, 1, 0, 1), (0, 0, 1, 1), (0, 1, 1, 0)][k % 4], np.uint16)
        form ^= flip * np.uint16(0xFFFF)
        for bit in bits:
            form[bit // 16] ^= np.uint16(1 << bit % 16)
        signs[1200 + k] = form
    i, j = np.triu_indices(len(signs), 1)
    closest = np.minimum(
        hash_search.hash_distance(signs[i], signs[j])[0],
        hash_search.hash_distance(hash_search.transpose_signs(signs)[i], signs[j])[0],
    )
    every = {
        (a, b) for a, b in zip(i[closest <= 7].tolist(), j[closest <= 7].tolist(), strict=True)
    }
    assert len(every) >= 300
    some = np.concatenate(list(hash_search.candidate_pairs(signs)))
    assert every <= set(map(tuple, some[:, :2].tolist()))
    assert len(some) < 100_000  # and few others
