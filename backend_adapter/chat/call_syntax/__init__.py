"""Tool calls that a model writes into its text, each syntax in a module of its own."""

from backend_adapter.chat.call_syntax.reader import TextCalls

__all__ = ["TextCalls"]
