"""Damaged and odd inputs by the thousand: each is read right or refused in one line.

``python -m tests.mutations [--count 3000] [--seed 0] [--kind KIND ...] [--list]``

Every case is a fresh copy of a small, whole input with one mutation, and is opened as a command
opens it. Draws are functions of the seed and the case's number.
"""

import os

# Cases run in forked processes, in which the threads of the first would be missing.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
os.environ |= {"CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1", "NO_ALBUMENTATIONS_UPDATE": "1"}
