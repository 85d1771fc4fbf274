"""What can be set about receipts."""

from pydantic import BaseModel, ConfigDict, Field


class ReceiptSettings(BaseModel):
    """How long it can be looked up what exactly left the site."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    body_days: int = Field(
        30,
        ge=0,
        le=36_500,
        description="Days for which a body is kept as it left, with pseudonyms in place of protected values; "
        "0 keeps none. The receipt itself stays.",
    )
