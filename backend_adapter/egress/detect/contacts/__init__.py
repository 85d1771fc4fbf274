"""Recognises how somebody is reached: addresses of mail and telephone numbers."""
