"""The hidden states of a conversation at one place between layers, as far as the client has seen them."""

import asyncio

import torch


class Known:
    """States [tokens, width] of the tokens from `begin` to `end`; others can wait until there are more."""

    def __init__(self, begin: int = 0) -> None:
        self.begin = begin
        self.end = begin
        self._pieces: list[torch.Tensor] = []
        self._grown = asyncio.Event()

    def add(self, states: torch.Tensor) -> None:
        """States of the tokens that come next."""
        self._pieces.append(states)
        self.end += states.shape[0]
        self._grown.set()

    def restart(self, begin: int) -> None:
        """Forget all; the next states are those of the token `begin`."""
        self.begin = self.end = begin
        self._pieces = []

    def cut(self, end: int) -> None:
        """Forget the tokens from `end` on."""
        if end < self.begin:
            self.restart(end)
        elif end < self.end:
            self._pieces = [self.take(self.begin, end)]
            self.end = end

    def take(self, begin: int, end: int) -> torch.Tensor:
        """The states of the tokens [begin, end), which must be known."""
        if not self.begin <= begin <= end <= self.end:
            raise IndexError(f"tokens {begin}:{end} of {self.begin}:{self.end}")
        pieces, offset = [], self.end
        for piece in reversed(self._pieces):
            offset -= piece.shape[0]
            if offset < end:
                pieces.append(piece[max(0, begin - offset) : end - offset])
            if offset <= begin:
                break
        pieces.reverse()
        if len(pieces) == 1:
            return pieces[0]
        return torch.cat(pieces) if pieces else torch.empty(0, 0)

    async def beyond(self, end: int) -> int:
        """Wait until more than the tokens before `end` are known; gives how many are."""
        while self.end <= end:
            self._grown.clear()
            await self._grown.wait()
        return self.end
