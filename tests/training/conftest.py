from collections.abc import Iterator

import pytest


@pytest.fixture
def restart_wandb() -> Iterator[None]:
    """W&B reads its environment once a process."""
    import wandb

    wandb.teardown()
    yield
    wandb.teardown()
