"""Every error the adapter raises on purpose, and how each looks to a client of the OpenAI API.

AdapterError
├── SettingsError          the adapter cannot start
├── RequestError           400  the request itself is at fault
│   ├── RequestTooLargeError   413
│   ├── UnauthorizedError      401
│   ├── UnknownModelError      404
│   ├── EgressError            403  what it says must not leave the site
│   ├── QueueFullError         429  too many wait already
│   │   └── QueueTimeoutError      429
│   └── QuotaError             429  the user's tokens of the day are spent
├── UpstreamError          502  an upstream is at fault
│   └── UpstreamTimeoutError   504
├── NoUpstreamError        503  nothing is configured or reachable
├── DatabaseError          503  the adapter's own database does not answer
└── ClientLeftError        499  nobody is there to read the answer
"""

from typing import ClassVar


class AdapterError(Exception):
    """Root of the family: what went wrong, with the offending value, and what to do about it."""

    status: int = 500
    type: ClassVar[str] = "server_error"

    def __init__(
        self,
        message: str,
        remedy: str = "",
        *,
        param: str | None = None,
        code: str | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy
        self.param = param
        self.code = code
        # Sent as the Retry-After header where it is known, in seconds.
        self.retry_after_s: int | None = None
        if status is not None:
            self.status = status

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()

    def as_openai(self) -> dict[str, dict[str, str | None]]:
        """The body of an error answer, in the form that OpenAI's clients read."""
        return {
            "error": {
                "message": str(self),
                "type": self.type,
                "param": self.param,
                "code": self.code,
            }
        }


class SettingsError(AdapterError):
    """The adapter refuses to start with these settings."""


class RequestError(AdapterError):
    """The client asked for something that cannot be done as asked."""

    status = 400
    type = "invalid_request_error"


class EgressError(RequestError):
    """What the request says must not leave the site, or nobody can tell whether it may."""

    status = 403

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy, code="egress_refused")


class RequestTooLargeError(RequestError):
    """The request's body is longer than `max_request_bytes`."""

    status = 413


class UnauthorizedError(RequestError):
    """The API key is missing or wrong."""

    status = 401


class UnknownModelError(RequestError):
    """No upstream offers a model of this name."""

    status = 404


class QueueFullError(RequestError):
    """No place in the queue: all are taken, or all that one user may have."""

    status = 429
    type = "rate_limit_error"

    def __init__(self, message: str, retry_after_s: int, *, code: str = "queue_full") -> None:
        super().__init__(message, f"Try again in {retry_after_s} s.", code=code)
        self.retry_after_s = retry_after_s


class QueueTimeoutError(QueueFullError):
    """A request waited in the queue for as long as it may."""

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message, retry_after_s, code="queue_timeout")


class QuotaError(RequestError):
    """A user has spent the tokens of the day; `retry_after_s` is the time until midnight UTC."""

    status = 429
    type = "insufficient_quota"

    def __init__(self, message: str, remedy: str, retry_after_s: int) -> None:
        super().__init__(message, remedy, code="insufficient_quota")
        self.retry_after_s = retry_after_s


class UpstreamError(AdapterError):
    """An upstream failed, refused, or answered with something unreadable."""

    status = 502
    type = "upstream_error"


class UpstreamTimeoutError(UpstreamError):
    """An upstream did not connect, begin or go on within its time limit."""

    status = 504


class NoUpstreamError(AdapterError):
    """There is no upstream that could be asked."""

    status = 503
    type = "upstream_error"


class DatabaseError(AdapterError):
    """The adapter's own database cannot be reached, or did not answer in time."""

    status = 503


class ClientLeftError(AdapterError):
    """The client closed its connection, or stopped reading, before the answer was complete."""

    status = 499
