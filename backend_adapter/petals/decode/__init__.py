"""Generates tokens: drafts, their verification in one round trip, sampling and grammars."""

from backend_adapter.petals.decode.constraint import Constraint, Grammars
from backend_adapter.petals.decode.depth import Depth
from backend_adapter.petals.decode.draft_model import DraftModel
from backend_adapter.petals.decode.drafts import Draft, Drafter, FirstOf, NGrams
from backend_adapter.petals.decode.loop import Decoder
from backend_adapter.petals.decode.sampling import Sampler, Sampling, Token

__all__ = [
    "Constraint",
    "Decoder",
    "Depth",
    "Draft",
    "DraftModel",
    "Drafter",
    "FirstOf",
    "Grammars",
    "NGrams",
    "Sampler",
    "Sampling",
    "Token",
]
