"""Settings of the databases server."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

from mcp_servers.settings import NAME_PATTERN, DataClass, Kind, ServerSettings

ColumnName = Annotated[str, StringConstraints(pattern=r"^[^.]+\.[^.]+(\.[^.]+)?$")]


class DatabaseSettings(BaseModel):
    """One database that is served."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        pattern=NAME_PATTERN, description="Name of the database in tools and citations."
    )
    url: SecretStr = Field(
        description="SQLAlchemy address, such as sqlite:////srv/data/town.db or "
        "postgresql+psycopg://reader:password@db/town; use a role that may only read."
    )
    data_class: DataClass = Field(
        "internal", description="Confidentiality of everything in the database."
    )
    labels: dict[ColumnName, Kind] = Field(
        {},
        description="Columns whose values never leave the site as they are, and what each holds: a table such as "
        '{ "citizens.last_name" = "person", "citizens.iban" = "iban" }, with a schema in front where needed. '
        "Kinds: person, text, address, code, iban, phone, email, date, secret.",
    )


class DatabasesSettings(ServerSettings):
    """What the databases server serves, and how much a query may cost."""

    port: int = Field(8084, ge=1, le=65535, description="Port the databases server listens on.")
    databases: tuple[DatabaseSettings, ...] = Field((), description="Databases that are served.")
    max_rows: int = Field(200, ge=1, le=10_000, description="Most rows that one query returns.")
    max_cell_chars: int = Field(
        500, ge=20, description="Longest value shown in a result, in characters."
    )
    query_timeout_s: float = Field(
        15.0, gt=0, le=300, description="Longest time one query may run, in seconds."
    )

    @model_validator(mode="after")
    def _names_differ(self) -> "DatabasesSettings":
        names = [database.name.casefold() for database in self.databases]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two databases have the name {twice[0]!r}; each needs its own")
        return self
