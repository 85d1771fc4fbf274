"""The boundary for those who set it up: what a text would leave the site as."""
