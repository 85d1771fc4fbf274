"""What can go wrong in the site's own servers.

SiteError
├── SettingsError     a server cannot start with these settings
├── AccessError       a path or a name that is not served, whether it exists or not
├── DocumentError     a document that is served but cannot be read
├── StatementError    SQL that this server does not run, whatever the engine would say
├── QueryError        the database refused or could not finish a statement
├── LabelError        what a result holds could not be registered to be protected
└── LimitError        the server is busy, or the call took too long

Each text may be shown to a model and to the user behind it, so it never holds a path outside
the served folders, an address, a user name or a password.
"""


class SiteError(Exception):
    """Root of the family: `message` names the cause and the offending value, `remedy` the next step."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class SettingsError(SiteError):
    """The server refuses to start: a setting is missing or cannot work."""


class AccessError(SiteError):
    """The path, root, database or table is not served here."""


class DocumentError(SiteError):
    """The document is too large, damaged, encrypted or of an unknown format."""


class StatementError(SiteError):
    """The statement is not one that only reads, or not exactly one."""


class QueryError(SiteError):
    """The database engine refused the statement, was too slow, or cannot be reached."""


class LabelError(SiteError):
    """What a result holds could not be registered with the adapter, so there is no result."""


class LimitError(SiteError):
    """Too many calls at once, or one that took too long."""
