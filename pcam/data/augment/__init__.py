"""Augmentation, of patches on the CPU or of whole batches on the device."""

import os

# otherwise the import of albumentations asks the network for the newest version
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
