"""How hidden states and what is said about them cross the network: Petals' protocol over hivemind's.

The names of methods and fields are Petals' (2.2.0); what this project adds are fields that a stock node reads over.
"""

import functools
from collections.abc import Sequence
from typing import Any, TypeAlias, get_args

import torch
from hivemind.compression.serialization import deserialize_torch_tensor, serialize_torch_tensor
from hivemind.proto import runtime_pb2
from hivemind.utils import MSGPackSerializer
from hivemind.utils.tensor_descr import BatchTensorDescriptor

from backend_adapter.petals.settings import Compression

_SERVICE = "TransformerConnectionHandler"
INFERENCE = f"{_SERVICE}.rpc_inference"
PUSH = f"{_SERVICE}.rpc_push"
FORWARD = f"{_SERVICE}.rpc_forward"
INFO = f"{_SERVICE}.rpc_info"
# Between nodes of this project, in place of a push for each step: see node/lanes.py.
LANE = f"{_SERVICE}.hoheit_lane"
# What a node of this project announces that it can.
ROLLBACK, CHAIN, BATCH = "rollback", "chain", "batch"
# The version that nodes announce: that of the protocol.
VERSION = "2.2.0.post1"

Request: TypeAlias = runtime_pb2.ExpertRequest
Response: TypeAlias = runtime_pb2.ExpertResponse
Tensor: TypeAlias = runtime_pb2.Tensor


def uids(prefix: str, start: int, end: int) -> str:
    """The name of the layers [start, end), as requests carry it."""
    return " ".join(f"{prefix}.{layer}" for layer in range(start, end))


def pack(states: torch.Tensor, compression: object = "NONE") -> Tensor:
    """Hidden states [batch, tokens, width] as a message.

    Raises ValueError for a compression that there is not.
    """
    if compression not in get_args(Compression):
        raise ValueError(f"there is no compression {compression!r}")
    # Nothing can be said of no numbers but that there are none.
    kind = runtime_pb2.CompressionType.Value(str(compression) if states.numel() else "NONE")
    return serialize_torch_tensor(states.float().cpu().contiguous(), kind)


def unpack(message: Tensor) -> torch.Tensor:
    """Hidden states [batch, tokens, width] from a message. Raises ValueError for what is none."""
    states = deserialize_torch_tensor(message)
    if states.ndim != 3:
        raise ValueError(f"hidden states have {states.ndim} dimensions instead of 3")
    return states


def no_states(width: int) -> Tensor:
    """Hidden states of no token, with which a session is opened."""
    return serialize_torch_tensor(torch.empty(1, 0, width))


@functools.cache
def no_prompts() -> tuple[Tensor, Tensor]:
    """What a request carries in place of deep prompts and of beams: nothing."""
    return (
        serialize_torch_tensor(torch.empty(0)),
        serialize_torch_tensor(torch.empty(0, dtype=torch.int64)),
    )


def dumps(metadata: dict[str, Any]) -> bytes:
    """Metadata as bytes."""
    return bytes(MSGPackSerializer.dumps(metadata))


def loads(raw: bytes) -> dict[str, Any]:
    """Metadata from bytes. Raises ValueError for anything but an object."""
    if not raw:
        return {}
    try:
        read = MSGPackSerializer.loads(raw)
    except Exception as error:
        raise ValueError(f"metadata cannot be read: {error}") from error
    if not isinstance(read, dict):
        raise ValueError("metadata is no object")
    return read


def schema(width: int, dtype: torch.dtype) -> dict[str, Any]:
    """What rpc_info tells a stock client of the tensors that a node takes and gives."""
    hidden = BatchTensorDescriptor(1, 2048, width, dtype=dtype)
    rest: Sequence[Any] = (
        BatchTensorDescriptor((), dtype=dtype),
        BatchTensorDescriptor((), dtype=torch.int64),
    )
    return {
        "forward_schema": ((hidden,), {}),
        "outputs_schema": (hidden,),
        "keyword_names": (),
        "inference_schema": ((hidden, *rest), {}),
    }
