"""Open WebUI as a part of the site: its settings, its process and its admin API."""
