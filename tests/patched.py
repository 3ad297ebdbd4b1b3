"""A command with smaller constants: ``python -m tests.patched MODULE.NAME=VALUE COMMAND ...``."""

import importlib
import runpy
import sys

if __name__ == "__main__":
    setting = sys.argv.pop(1)
    place, value = setting.split("=")
    module, _, name = place.rpartition(".")
    patched = importlib.import_module(module)
    assert isinstance(getattr(patched, name), int)
    setattr(patched, name, int(value))
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
