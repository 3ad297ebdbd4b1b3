import pytest

from pcam.runs.overrides import identifying_overrides, override_key


@pytest.mark.parametrize("word", ["aug=none", "+aug=none", "++aug=a=b", "~aug"])
def test_the_key_of_an_override(word: str) -> None:
    assert override_key(word) == "aug"


def test_a_sweep_is_identified_by_words_that_decide_its_figures() -> None:
    identifying = ["model=vgg16", "seed=0,1", "data.num_workers=0,2", "hydra/sweeper=random"]
    others = [
        "resume=auto",
        "hydra.sweep.dir=x",
        "hydra.launcher.n_jobs=2",
        "logger=wandb",
        "data.num_workers=4",
        "data.root=/moved",
        "logger.tags=[a,b]",
    ]
    assert identifying_overrides([*identifying, *others]) == identifying


@pytest.mark.parametrize(
    ("word", "identifies"),
    [
        ("data.root=a,b", True),
        ("""data.root='a,1','b'""", True),
        ('data.root="a b","c d"', True),
        ("data.root=choice('a','b')", True),
        ("logger.tags=[a],[b]", True),
        ("data.root='a,b'", False),
        (r'data.root="a\"b,(c)"', False),
        ("logger.tags=[a,b]", False),
    ],
)
def test_commas_in_quotes_and_lists_separate_no_values(word: str, identifies: bool) -> None:
    assert identifying_overrides([word]) == ([word] if identifies else [])
