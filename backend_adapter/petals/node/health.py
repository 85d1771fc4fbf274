"""Says over HTTP whether a node serves, for supervisors and containers that ask nothing else."""

import asyncio

from backend_adapter.petals.errors import SwarmSettingsError

_READ_S = 5.0
_LONGEST_REQUEST = 8192


async def tell_health(host: str, port: int, healthy: asyncio.Event) -> None:
    """Answer any request with 200 once `healthy` is set, and with 503 before. Ends with the event loop.

    Raises SwarmSettingsError where the port is taken.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_READ_S):
                await reader.readuntil(b"\r\n\r\n")
                status = b"200 OK" if healthy.is_set() else b"503 Service Unavailable"
                writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n")
                writer.write(b"Connection: close\r\n\r\n")
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # Whoever asked so will ask again.
        finally:
            writer.close()

    try:
        await asyncio.start_server(answer, host, port, limit=_LONGEST_REQUEST)
    except OSError as error:
        raise SwarmSettingsError(
            f"The node cannot tell its health on {host}, port {port}: {error.strerror or error}.",
            "Set health_port to a free port, or to 0 for none.",
        ) from error
