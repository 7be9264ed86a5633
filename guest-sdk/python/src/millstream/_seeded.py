"""The module `random`, seeded by the host: a batch that is replayed sees the same numbers, whatever the instance did
before. The host is asked only where a batch uses the module."""

import random
from typing import Any

from . import _host


class _Seeded(random.Random):
    def __init__(self) -> None:
        #: A batch has begun that has not used it yet.
        self.stale = False
        super().__init__(0)

    def random(self) -> float:
        if self.stale:
            self._seed_again()
        return super().random()

    def getrandbits(self, k: int) -> int:
        if self.stale:
            self._seed_again()
        return super().getrandbits(k)

    def _seed_again(self) -> None:
        self.stale = False
        self.seed(_host.random_u64())


_instance = _Seeded()


def install() -> None:
    """Puts it in the place of what the functions of the module use."""
    before: Any = random._inst  # type: ignore[attr-defined]
    for name, function in list(vars(random).items()):
        if getattr(function, "__self__", None) is before:
            setattr(random, name, getattr(_instance, name))
    random._inst = _instance  # type: ignore[attr-defined]


def begin() -> None:
    """A batch begins."""
    _instance.stale = True
