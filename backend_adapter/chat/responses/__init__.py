"""The Responses API without its state: a request becomes a chat, the chat's answer a response object."""
