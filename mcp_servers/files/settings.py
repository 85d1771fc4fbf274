"""Settings of the files server."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mcp_servers.settings import NAME_PATTERN, DataClass, ServerSettings


class RootSettings(BaseModel):
    """One folder that is served, with everything below it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        pattern=NAME_PATTERN, description="Name of the folder in paths and citations."
    )
    path: Path = Field(description="The folder itself.")
    data_class: DataClass = Field(
        "internal", description="Confidentiality of everything in the folder."
    )


class FilesSettings(ServerSettings):
    """What the files server serves, and how much it reads at once."""

    port: int = Field(8083, ge=1, le=65535, description="Port the files server listens on.")
    roots: tuple[RootSettings, ...] = Field((), description="Folders that are served.")
    max_file_bytes: int = Field(
        50 * 1024 * 1024, ge=1024, description="Largest document that is read, in bytes."
    )
    convert_timeout_s: float = Field(
        30.0, gt=0, le=300, description="Longest time one document may take to convert, in seconds."
    )
    convert_memory_mib: int = Field(
        1024, ge=256, description="Most memory the conversion of a document may use, in MiB."
    )
    index_path: Path | None = Field(
        None, description="File that keeps the search index over restarts; none keeps it in memory."
    )
    rescan_s: float = Field(
        5.0, ge=0, description="Shortest time between two looks for changed files, in seconds."
    )

    @model_validator(mode="after")
    def _names_differ(self) -> "FilesSettings":
        names = [root.name.casefold() for root in self.roots]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two roots have the name {twice[0]!r}; every root needs its own")
        return self
