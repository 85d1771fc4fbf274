"""The table that ends `hoheit up`: where everything is and how to get in."""

import io

from rich import box
from rich.console import Console
from rich.table import Table

from hoheit.home import Home
from hoheit.settings import Settings, address


def summary(settings: Settings, home: Home) -> str:
    """Addresses, logins and folders as text for a terminal."""
    chat = settings.open_webui
    table = Table(title="Hoheit is up", title_justify="left", show_header=False, box=box.SIMPLE)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    if chat.enabled:
        table.add_row("Open WebUI", chat.public_url or address(chat.host, chat.port))
        for role, mail, password in (
            ("  admin", chat.admin_email, chat.admin_password),
            ("  user", chat.user_email, chat.user_password),
        ):
            table.add_row(role, f"{mail} · {password.get_secret_value() if password else ''}")
    table.add_row("Adapter (OpenAI API)", f"{settings.adapter_address}/v1")
    table.add_row("  key", str((settings.secrets_dir or home.secrets) / "adapter-key"))
    table.add_row("  install page", f"{settings.adapter_address}/install")
    table.add_row("Files (MCP)", f"{address(settings.files.host, settings.files.port)}/mcp")
    for root in settings.files.roots:
        table.add_row(f"  {root.name}", f"{root.path} · {root.data_class}")
    databases = settings.databases
    table.add_row("Databases (MCP)", f"{address(databases.host, databases.port)}/mcp")
    for database in databases.databases:
        table.add_row(f"  {database.name}", database.data_class)
    table.add_row("State, logs, settings", str(home.path))
    out = io.StringIO()
    # Plain text of its full width: a folded password cannot be copied.
    Console(file=out, width=110, no_color=True).print(table)
    return out.getvalue() + "Ctrl-C stops everything."
