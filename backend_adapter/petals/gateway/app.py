"""The routes of the gateway: OpenAI's, those of vLLM's that the adapter asks for, and the state of the swarm."""

import asyncio
import hmac
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import Depends, FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from backend_adapter.petals.errors import SwarmError, SwarmUnreachableError
from backend_adapter.petals.gateway import faults, forms
from backend_adapter.petals.gateway.answers import Answer, Asked
from backend_adapter.petals.gateway.engine import Job, Piece
from backend_adapter.petals.gateway.faults import BadRequestError
from backend_adapter.petals.gateway.parts import Parts
from backend_adapter.petals.gateway.request import (
    ChatBody,
    CompletionBody,
    DetokenizeBody,
    TokenizeBody,
    read,
)
from backend_adapter.petals.gateway.respond import (
    Stream,
    Whole,
    error_response,
    internal,
    json_response,
)
from backend_adapter.petals.settings import GatewaySettings

# Far more than any context holds as text.
_MAX_BODY_BYTES = 16 * 1024 * 1024


class Gateway:
    """The routes of one gateway.

    `parts` are None until it has joined the swarm; `stage` tells what it waits for.
    """

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        key = settings.api_key.get_secret_value() if settings.api_key else ""
        self._key = f"Bearer {key}".encode() if key else None
        self._began = int(time.time())
        self.parts: Parts | None = None
        self.stage = "The gateway is starting."

    def app(
        self, lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None
    ) -> FastAPI:
        """The application."""
        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
        app.add_exception_handler(SwarmError, _told)
        app.add_exception_handler(HTTPException, _no_route)
        app.add_exception_handler(Exception, _failed)
        for method, path, route in (
            ("POST", "/v1/chat/completions", self.chat),
            ("POST", "/v1/completions", self.completion),
            ("GET", "/v1/models", self.models),
            ("POST", "/tokenize", self.tokenize),
            ("POST", "/detokenize", self.detokenize),
            ("GET", "/swarm", self.swarm),
        ):
            known = [Depends(self.check_key)]
            app.add_api_route(
                path, route, methods=[method], dependencies=known, response_model=None
            )
        app.add_api_route("/health", self.health, response_model=None)
        app.add_api_route("/ready", self.ready, response_model=None)
        return app

    async def check_key(self, request: Request) -> None:
        """Raises UnauthorizedError."""
        given = request.headers.get("authorization", "").encode()
        if self._key is None or not hmac.compare_digest(given, self._key):
            raise faults.UnauthorizedError(
                "The API key is missing or wrong.", "Send it as `Authorization: Bearer KEY`."
            )

    async def health(self) -> Response:
        """That the process answers."""
        return json_response({"status": "ok"})

    async def ready(self) -> Response:
        """Whether answers can be generated now."""
        self._joined().coverage.check()
        return json_response({"status": "ready"})

    async def models(self) -> Response:
        """The one model."""
        model = {
            "id": self._settings.model_id,
            "object": "model",
            "created": self._began,
            "owned_by": "hoheit",
            "max_model_len": self._settings.context_tokens,
        }
        return json_response({"object": "list", "data": [model]})

    async def swarm(self) -> Response:
        """What the swarm looks like, and what was done since the start."""
        return json_response({"model": self._settings.model_id, **self._joined().report()})

    async def tokenize(self, request: Request) -> Response:
        """The token ids of a text or of a chat."""
        body = read(await _body(request), TokenizeBody)
        text = self._joined().text
        if (body.prompt is None) == (body.messages is None):
            raise BadRequestError("Exactly one of prompt and messages is needed.", param="prompt")
        if body.prompt is not None:
            ids = text.encode(body.prompt)
        else:
            chat = forms.chat(
                ChatBody(messages=body.messages or [], tools=body.tools),
                knows_tools=text.knows_tools,
                marks_calls=text.marks_calls,
            )
            ids = await asyncio.to_thread(
                text.prompt,
                chat.messages,
                chat.tools,
                add_generation_prompt=body.add_generation_prompt
                and not body.continue_final_message,
                continue_final_message=body.continue_final_message,
            )
        length = self._settings.context_tokens
        return json_response({"count": len(ids), "max_model_len": length, "tokens": ids})

    async def detokenize(self, request: Request) -> Response:
        """The text of token ids, special tokens included."""
        body = read(await _body(request), DetokenizeBody)
        parts = self._joined()
        parts.check_tokens(body.tokens, "tokens")
        return json_response({"prompt": parts.text.decode(body.tokens, special=True)})

    async def chat(self, request: Request) -> Response:
        """An answer to a chat."""
        body = read(await _body(request), ChatBody)
        parts = self._serving(body.model)
        text = parts.text
        chat = forms.chat(body, knows_tools=text.knows_tools, marks_calls=text.marks_calls)
        goes_on = bool(body.continue_final_message)
        prompt = await asyncio.to_thread(
            text.prompt,
            chat.messages,
            chat.tools,
            add_generation_prompt=body.add_generation_prompt is not False and not goes_on,
            continue_final_message=goes_on,
        )
        return self._answer(parts, body, prompt, chat.grammar, chat)

    async def completion(self, request: Request) -> Response:
        """A text gone on with."""
        body = read(await _body(request), CompletionBody)
        parts = self._serving(body.model)
        prompt = body.one_prompt()
        if isinstance(prompt, str):
            prompt = await asyncio.to_thread(parts.text.encode, prompt)
        else:
            parts.check_tokens(prompt, "prompt")
        return self._answer(parts, body, prompt, forms.form(*body.form), None)

    def _answer(
        self,
        parts: Parts,
        body: ChatBody | CompletionBody,
        prompt: list[int],
        grammar: str | None,
        chat: forms.Chat | None,
    ) -> Response:
        room = self._settings.context_tokens - len(prompt)
        if not prompt:
            raise BadRequestError("The prompt is empty.", "Send a text.", param="prompt")
        if room < 1:
            raise BadRequestError(
                f"The prompt has {len(prompt)} tokens, and question and answer together may have "
                f"{self._settings.context_tokens}.",
                "Shorten the conversation, or raise the gateway's context_tokens.",
                param="messages" if chat else "prompt",
                code="context_length_exceeded",
            )
        job = Job(
            prompt=tuple(prompt),
            max_tokens=min(room, body.limit or room),
            sampling=body.sampling(),
            stops=body.stops,
            ends=frozenset(body.stop_token_ids or ()),
            ignore_eos=bool(body.ignore_eos),
            choices=body.n or 1,
            grammar=grammar,
            special=body.skip_special_tokens is False,
        )
        asked = Asked(
            kind="chat" if chat else "completion",
            model=self._settings.model_id,
            prompt=job.prompt,
            include_usage=body.include_usage,
            token_ids=bool(body.return_token_ids),
            tops=body.tops,
            calls=chat.calls if chat else (),
        )
        answer = Answer(asked, lambda token: parts.text.decode([token], special=True))
        pieces: AsyncGenerator[Piece, None] = parts.engine.answer(job)
        return Stream(answer, pieces) if body.stream else Whole(answer, pieces)

    def _joined(self) -> Parts:
        """Raises SwarmUnreachableError while the swarm has not been joined."""
        if self.parts is None:
            raise SwarmUnreachableError(self.stage, "Try again in a moment.")
        return self.parts

    def _serving(self, model: str | None) -> Parts:
        """Raises UnknownModelError, MissingLayersError, SwarmUnreachableError."""
        if model is not None and model != self._settings.model_id:
            raise faults.UnknownModelError(
                "The swarm serves another model.", f"Ask for {self._settings.model_id}."
            )
        parts = self._joined()
        parts.coverage.check(patient=True)
        return parts


async def _body(request: Request) -> bytes:
    """Raises TooLargeError."""
    raw = bytearray()
    async for piece in request.stream():
        raw += piece
        if len(raw) > _MAX_BODY_BYTES:
            raise faults.TooLargeError(
                f"The request is longer than {_MAX_BODY_BYTES} bytes.", "Send less."
            )
    return bytes(raw)


async def _told(request: Request, error: Any) -> Response:
    return error_response(error)


async def _no_route(request: Request, error: Any) -> Response:
    told = faults.UnknownRouteError(f"{request.method} here: {error.detail}.")
    told.status = error.status_code
    return error_response(told)


async def _failed(request: Request, error: Exception) -> Response:
    return error_response(internal(error))
