import copy
import itertools

import torch

from pcam.attribution.randomisation import cascade
from tests.attribution.networks import make_network, random_patches


def test_the_cascade_goes_from_the_head_to_the_first_layer() -> None:
    network, untrained, x = make_network(), make_network(), random_patches(1, 32)
    for parameter in untrained.parameters():
        parameter.data += 0.1
    before = copy.deepcopy(network.state_dict())
    own, new = network.state_dict(), untrained.state_dict()
    for key, value in new.items():
        if "running" in key:  # BatchNorm's statistics are learnt too
            value += 0.5
    changed = []
    for mixed in cascade(network, untrained, x, 4):
        state = mixed.state_dict()
        for key, value in state.items():
            assert torch.equal(value, own[key]) or torch.equal(value, new[key])
        changed.append({key for key in state if not torch.equal(state[key], own[key])})
    assert changed[0] == {"head.0.weight", "head.0.bias"}
    assert all(fewer < more for fewer, more in itertools.pairwise(changed))
    assert changed[-1] == {key for key in own if not torch.equal(own[key], new[key])}
    # The first layer is the last one to be randomised.
    assert not any(key.startswith("backbone.conv1.0") for key in changed[-2])
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
