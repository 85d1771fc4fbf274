"""What an admin installs in Open WebUI: functions, tools and their importable bundle."""
