"""What can be set about the detectors."""

from pydantic import BaseModel, ConfigDict, Field, field_validator

from backend_adapter.egress.detect.categories import KINDS


class DetectorSettings(BaseModel):
    """What is recognised in a text that nobody has listed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(
        True, description="Whether identifiers, names, addresses and secrets are recognised at all."
    )
    off: tuple[str, ...] = Field(
        (),
        description="Categories that are not recognised, such as DE_KFZ or PERSON. Known ones: "
        f"{', '.join(KINDS)}.",
    )
    ner: str | None = Field(
        None,
        description="Model that recognises names besides: the name of an installed spaCy package, or the folder "
        "of a spaCy or GLiNER model. It is never fetched.",
    )

    @field_validator("off")
    @classmethod
    def _known(cls, off: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [each for each in off if each not in KINDS]:
            raise ValueError(
                f"There is no category {', '.join(map(repr, unknown))}; known ones: {', '.join(KINDS)}."
            )
        return off
