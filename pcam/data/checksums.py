"""MD5 sums of PatchCamelyon's official files.

The official README lists those of valid and test the wrong way round (basveeling/pcam #1, #4); here they are right.
"""

from collections.abc import Mapping

STEM = "camelyonpatch_level_2_split"

# File to the MD5 of the .gz as served and of the .h5 in it.
MD5: Mapping[str, tuple[str, str]] = {
    f"{STEM}_train_x.h5": ("1571f514728f59376b705fc836ff4b63", "01844da899645b4d6f84946d417ba453"),
    f"{STEM}_train_y.h5": ("35c2d7259d906cfc8143347bb8e05be7", "0781386bf6c2fb62d58ff18891466aca"),
    f"{STEM}_valid_x.h5": ("d5b63470df7cfa627aeec8b9dc0c066e", "81cf9680f1724c40673f10dc88e909b1"),
    f"{STEM}_valid_y.h5": ("2b85f58b927af9964a4c15b8f7e8f179", "94d8aacc249253159ce2a2e78a86e658"),
    f"{STEM}_test_x.h5": ("d8c2d60d490dbd479f8199bdfa0cf6ec", "2614b2e6717d6356be141d9d6dbfcb7e"),
    f"{STEM}_test_y.h5": ("60a7035772fbdb7f34eb86d4420cf66a", "11ed647efe9fe457a4eb45df1dba19ba"),
}

# Slide names. Which of the last two is valid's and which is test's is reported both ways.
META_MD5: Mapping[str, tuple[str, ...]] = {
    f"{STEM}_train_meta.csv": ("5a3dd671e465cfd74b5b822125e65b0a",),
    f"{STEM}_valid_meta.csv": ("3455fd69135b66734e1008f3af684566", "67589e00a4a37ec317f2d1932c7502ca"),
    f"{STEM}_test_meta.csv": ("3455fd69135b66734e1008f3af684566", "67589e00a4a37ec317f2d1932c7502ca"),
}
