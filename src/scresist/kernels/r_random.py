"""R's stream of random whole numbers (Mersenne Twister, sampling by rejection), to replay a seeded run of R."""

import numpy as np


class RStream:
    """The stream of `set.seed(seed)` in R 3.6 and later, for `sample()` without replacement only.

    References
    ----------
    Matsumoto & Nishimura (1998) ACM Trans Model Comput Simul 8:3; R's ?Random on seeding and "Rejection" sampling.
    """

    def __init__(self, seed: int) -> None:
        state = np.uint32(seed & 0xFFFFFFFF)
        words = np.empty(675, dtype=np.uint32)
        with np.errstate(over="ignore"):
            for i in range(675):
                state = np.uint32(69069) * state + np.uint32(1)
                words[i] = state
        # R warms the congruential generator up for 50 steps, and overwrites the first word with the position.
        self._bits = np.random.MT19937()
        self.state = {"bit_generator": "MT19937", "state": {"key": words[51:].copy(), "pos": 624}}

    @property
    def state(self) -> object:
        """The position in the stream; set it to return to an earlier one."""
        return self._bits.state

    @state.setter
    def state(self, value: object) -> None:
        self._bits.state = value  # type: ignore[assignment]

    def index(self, n: int) -> int:
        """A whole number from 0 to n - 1: one `sample(n, 1)`, counted from zero."""
        bits = int(n - 1).bit_length()
        while True:
            value = 0
            for _ in range(0, bits + 1, 16):
                value = (value << 16) | (int(self._bits.random_raw()) >> 16)
            value &= (1 << bits) - 1
            if value < n:
                return value

    def choice(self, n: int, size: int, *, replace: bool = False) -> np.ndarray:
        """`sample(n, size)` without replacement, counted from zero."""
        if replace:
            raise NotImplementedError("only sampling without replacement is needed")
        left = np.arange(n)
        chosen = np.empty(size, dtype=np.int64)
        for i in range(size):
            j = self.index(n - i)
            chosen[i] = left[j]
            left[j] = left[n - i - 1]
        return chosen

    def permutation(self, n: int) -> np.ndarray:
        """`sample(n)`, counted from zero."""
        return self.choice(n, n)
