"""The core of a chat, without IO: requests, typed events, and what turns one into the other."""
