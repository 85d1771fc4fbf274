"""What a site may set about its Open WebUI."""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

# bcrypt reads no further, and Open WebUI refuses what it would not read.
_PASSWORD_BYTES = 72
_SECRET_KEY_CHARS = 32


def _email(value: str) -> str:
    # Open WebUI's own rule (validate_email_format): a domain with a dot, or localhost.
    if not re.fullmatch(r"[^@\s]+@([^@\s]+\.[^@\s.]+|localhost)", value):
        raise ValueError("an e-mail address such as name@example.org is needed")
    return value.lower()


def _origin(value: str | None) -> str | None:
    if value is None:
        return None
    if not re.fullmatch(r"https?://[^/\s?#]+/?", value):
        raise ValueError("an address such as https://chat.example.org is needed, without a path")
    return value.rstrip("/")


Email = Annotated[str, AfterValidator(_email)]


class OpenWebUISettings(BaseModel):
    """The chat that people see: where it listens, which edition, and its first two accounts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(True, description="Start Open WebUI with the other parts.")
    host: str = Field("127.0.0.1", description="Address that Open WebUI listens on.")
    port: int = Field(8080, ge=1, le=65535, description="Port that Open WebUI listens on.")
    edition: Literal["slim", "full"] = Field(
        "slim",
        description="Set of packages: slim reads text, Markdown, CSV, HTML and XML uploads; "
        "full adds PDF and Office uploads, speech and vector search (about 3 GB).",
    )
    public_url: Annotated[str | None, AfterValidator(_origin)] = Field(
        None,
        description="Address that browsers use when it differs from host and port, "
        "for example behind a reverse proxy; https makes cookies secure.",
    )
    admin_email: Email = Field(
        "admin@hoheit.example", description="Login of the admin who is made at the first start."
    )
    admin_name: str = Field("Admin", min_length=1, description="Displayed name of that admin.")
    admin_password: SecretStr | None = Field(
        None, description="Password of that admin; made at random when unset."
    )
    user_email: Email = Field(
        "user@hoheit.example",
        description="Login of the normal user who is made when Open WebUI is provisioned.",
    )
    user_name: str = Field("User", min_length=1, description="Displayed name of that user.")
    user_password: SecretStr | None = Field(
        None, description="Password of that user; made at random when unset."
    )
    secret_key: SecretStr | None = Field(
        None,
        description="Key of at least 32 characters that signs sessions; made at random when unset.",
    )
    session_lifetime: str = Field(
        "7d",
        pattern=r"^\d+(s|m|h|d|w)$",
        description="How long a login lasts, as a number and s, m, h, d or w; read at the first start.",
    )
    admins_read_chats: bool = Field(
        False, description="Let admins open and export the chats of other people."
    )
    pipe: bool = Field(
        False,
        description="Also offer the adapter's models through the pipe function, beside the connection.",
    )
    log_level: Literal["INFO", "WARNING", "ERROR"] = Field(
        "WARNING",
        description="Least level of Open WebUI's log (its DEBUG level would write chats).",
    )

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if self.admin_email == self.user_email:
            raise ValueError("admin_email and user_email must differ")
        if self.secret_key and len(self.secret_key.get_secret_value()) < _SECRET_KEY_CHARS:
            raise ValueError(f"secret_key needs at least {_SECRET_KEY_CHARS} characters")
        for name in ("admin_password", "user_password"):
            password: SecretStr | None = getattr(self, name)
            if password and len(password.get_secret_value().encode()) > _PASSWORD_BYTES:
                raise ValueError(f"{name} is longer than {_PASSWORD_BYTES} bytes")
        return self

    @property
    def address(self) -> str:
        """Where this machine reaches it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104
        return (
            f"http://[{host}]:{self.port}"
            if ":" in host and "[" not in host
            else f"http://{host}:{self.port}"
        )

    @property
    def origins(self) -> tuple[str, ...]:
        """Addresses from which a browser may talk to it."""
        own = [f"http://127.0.0.1:{self.port}", f"http://localhost:{self.port}", self.address]
        return tuple(dict.fromkeys([*([self.public_url] if self.public_url else []), *own]))
