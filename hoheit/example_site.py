"""The fictitious town that a site serves until its own documents and databases are named."""

from hoheit.home import CHECKOUT
from mcp_servers.databases.settings import DatabaseSettings
from mcp_servers.files.settings import RootSettings


def example_roots() -> tuple[RootSettings, ...]:
    """Its folders; none where the package is installed without them."""
    documents = CHECKOUT / "examples" / "site" / "documents"
    classes = {"oeffentlich": "public", "intern": "internal"}
    return tuple(
        RootSettings(name=name, path=documents / name, data_class=data_class)
        for name, data_class in classes.items()
        if (documents / name).is_dir()
    )


# What tells who somebody is. The rest of the database is about the town.
_LABELS = {
    "citizens.first_name": "person",
    "citizens.last_name": "person",
    "citizens.born_on": "date",
    "citizens.tax_id": "code",
    "citizens.iban": "iban",
    "citizens.phone": "phone",
    "citizens.email": "email",
    "addresses.street": "address",
    "employees.first_name": "person",
    "employees.last_name": "person",
    "employees.phone": "phone",
    "employees.email": "email",
    "dogs.tag_number": "code",
    "businesses.name": "text",
    "building_permits.file_number": "code",
    "invoices.number": "code",
    "payments.payer_iban": "iban",
}


def example_databases() -> tuple[DatabaseSettings, ...]:
    """Its database; none where the package is installed without it."""
    file = CHECKOUT / "examples" / "site" / "lindenau.db"
    if not file.is_file():
        return ()
    example = {"name": "lindenau", "url": f"sqlite:///{file}", "labels": _LABELS}
    return (DatabaseSettings.model_validate(example),)
