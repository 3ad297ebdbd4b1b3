"""The names of methods in tables and figures."""

from pcam.attribution.method import find_method

NETWORK_FREE = {"centre_gaussian": "Gaussian baseline", "edges": "edges"}


def method_title(name: str) -> str:
    """Return the title of a method or of maps that use no network.

    Args:
        name: of a registered method, or one of ``NETWORK_FREE``.
    """
    if name in NETWORK_FREE:
        return NETWORK_FREE[name]
    return find_method(name).title
