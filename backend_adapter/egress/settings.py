"""What can be set about the boundary."""

from pathlib import Path
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from backend_adapter.egress.detect.settings import DetectorSettings
from backend_adapter.egress.known.forms import Kind
from backend_adapter.egress.receipts.settings import ReceiptSettings

# Who runs an upstream: this site, another one that is bound by contract, or anybody.
Trust: TypeAlias = Literal["site", "partner", "public"]

KEY_BYTES = 32


class DictionarySettings(BaseModel):
    """Values that the site knows and that never leave it as they are: a list, or a column of a table."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path = Field(
        description="File in UTF-8: one value in each line, or a table (.csv) with a line of headings."
    )
    column: str | None = Field(None, description="Heading of the column of a .csv file.")
    kind: Kind = Field(
        description="What the values are: a person's name (person), a name or word (text), something whose "
        "grouping says nothing (code), iban, phone, email, or date (as 2024-03-05)."
    )


class EgressSettings(BaseModel):
    """What of a request may leave the site, and under which names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: SecretStr | None = Field(
        None,
        description=f"Secret of at least {KEY_BYTES} bytes that pseudonyms are made with: who has it can tell "
        "which value one stands for.",
    )
    policy: Path | None = Field(
        None,
        description="File in YAML that says who may be sent what; 'hoheit policy show' prints the built-in one. "
        "It is read anew when it changes.",
    )
    labels_days: int = Field(
        365,
        ge=0,
        description="How long what the site's tools have labelled is known, in days; a chat that is older stays on "
        "site. 0 keeps it for good.",
    )
    detectors: DetectorSettings = Field(
        default_factory=lambda: DetectorSettings(),
        description="What is recognised without being listed.",
    )
    receipts: ReceiptSettings = Field(
        default_factory=lambda: ReceiptSettings(),
        description="What is kept of what has left the site.",
    )
    index_folder: Path | None = Field(
        None,
        description="Folder in which long lists are kept ready to be searched, and nothing else; without one "
        "they are read anew at each start.",
    )
    dictionaries: tuple[DictionarySettings, ...] = Field(
        (), description="Values that are replaced in everything that leaves the site."
    )

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that say what is protected, which may change while the settings stay."""
        policy = () if self.policy is None else (self.policy,)
        return (*policy, *(each.path for each in self.dictionaries))
