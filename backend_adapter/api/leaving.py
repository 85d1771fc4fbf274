"""Has a request pass the boundary before it leaves the site, and its answer after."""

import asyncio
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.requests import Request

from backend_adapter.api.auth import caller
from backend_adapter.api.identity import SITE
from backend_adapter.api.services import Services
from backend_adapter.chat.context import RequestContext
from backend_adapter.chat.stages import Stage
from backend_adapter.chat.tasks import READ_BY_PROGRAM
from backend_adapter.egress.guard import Body, Protected
from backend_adapter.egress.labels import NOTHING_KNOWN, Known, digest_of
from backend_adapter.egress.policy.rules import Decision, Destination, Policy, strictest
from backend_adapter.egress.receipts.record import Action, Receipt
from backend_adapter.errors import EgressError
from backend_adapter.routing.continuation import Ask
from backend_adapter.routing.replica import Replica
from backend_adapter.settings import UpstreamSettings

# To look through more than this takes milliseconds, in which no stream would go on.
_LARGE = 4 * 1024


@dataclass(frozen=True)
class About:
    """Who asks, in which chat, and what for; `names` are all that the user is known by."""

    user: str
    client: str
    names: tuple[str, ...]
    chat: str = ""
    message: str = ""
    task: str = ""

    @classmethod
    def of(cls, request: Request) -> "About":
        """What headers and keys say."""
        context, who = RequestContext.from_headers(request.headers), caller(request)
        return cls(
            who.user,
            who.client,
            who.names,
            context.chat_id or "",
            context.message_id or "",
            context.task or "",
        )

    @property
    def session(self) -> str:
        """What pseudonyms are made for: the chat, or all that a client without chats asks."""
        return self.chat or self.user


class Leaving:
    """What becomes of one request for a model: who may be asked, as what it leaves, and what is noted of it.

    Where one of those who may be asked is not run by the site itself, any of them may be the one that answers, and
    all of them get the same.
    """

    def __init__(
        self,
        given: Services,
        about: About,
        model: str,
        known: Known,
        decision: Decision | None,
        note: str = "",
    ) -> None:
        self.model = model
        # What people should know of who answers; empty where it is whom they asked.
        self.note = note
        self._policy, self._receipts = given.guard.policy, given.receipts
        self._metrics = given.telemetry.metrics
        self._about, self._known, self._decision = about, known, decision
        self._leaves = decision is not None and decision.leaves
        self._protected: Protected | None = None
        if decision is not None and decision.leaves:
            self._protected = given.guard.protect(about.session, known, decision.action)

    @classmethod
    async def decide(cls, given: Services, about: About, model: str, body: Body) -> "Leaving":
        """What the policy says about a request. Raises AdapterError, EgressError where nobody may answer."""
        replicas = given.pool.replicas(model)
        outside = [each.upstream.settings for each in replicas if not _on_site(each)]
        leaving_is_possible = any(
            each.upstream.settings.trust != "site" for each in given.pool.members.values()
        )
        policy = given.guard.policy
        if about.chat and not about.task and leaving_is_possible:
            # Tasks wait for the chat, and then know what it holds.
            if given.labels is not None:
                await given.labels.adopt(about.chat, {*_results(body, policy)})
            await given.chats.begin(about.chat)
        if not outside:
            return cls(given, about, model, NOTHING_KNOWN, None)
        early = bool(about.task) and not (about.chat and await given.chats.wait_for(about.chat))
        known = await _known(given, about, body, policy)
        if early:
            known = msgspec.structs.replace(known, early=True)
        decisions = [_decide(policy, known, each, about) for each in outside]
        leaving = [each for each in decisions if each.leaves]
        if leaving:
            return cls(given, about, model, known, strictest(leaving))
        decision = min(decisions, key=lambda each: each.action == "refuse")
        if len(outside) < len(replicas):
            # The same model answers on site.
            stays = cls(given, about, model, known, decision)
        elif decision.action == "on_site" and (instead := _on_site_model(given, policy)):
            note = f"{instead} answers on site: {_reason(known)}."
            stays = cls(given, about, instead, known, decision, note)
        else:
            stays = cls(given, about, model, known, decision)
            await stays._note_down("refuse", outside[0], None)
            raise _refused(known, decision)
        await stays._note_down("on_site", _first_on_site(given, stays.model), None)
        return stays

    def allowed(self, replicas: Sequence[Replica]) -> list[Replica]:
        """Those that may be asked; who came meanwhile, where what was decided is enough for it."""
        return [each for each in replicas if _on_site(each) or self._may_have_it(each)]

    def _may_have_it(self, replica: Replica) -> bool:
        if not self._leaves or self._decision is None:
            return False
        other = _decide(self._policy, self._known, replica.upstream.settings, self._about)
        return other.leaves and strictest([self._decision, other]).action == self._decision.action

    async def body(self, body: Body) -> Body:
        """The body that may leave. Raises EgressError."""
        if self._protected is None:
            return body
        if len(msgspec.json.encode(body)) > _LARGE:
            return await asyncio.to_thread(self._protected.outgoing, body)
        return self._protected.outgoing(body)

    async def first(self, ask: Ask) -> Ask:
        """The request that may leave. Raises EgressError."""
        return msgspec.structs.replace(ask, body=await self.body(ask.body))

    def again(self, ask: Ask) -> Ask:
        """The same for one that was made of an answer. Raises EgressError."""
        if self._protected is None:
            return ask
        return msgspec.structs.replace(ask, body=self._protected.outgoing(ask.body))

    def stages(self, ask: Ask) -> list[Stage]:
        """The steps of the answer after all others."""
        if self._protected is None:
            return []
        # A program asks with a key of its own, and what has a form must keep it, as most tasks have.
        shown = self._about.client == SITE and ask.path == "chat/completions" and not ask.formed
        return [self._protected.incoming(shown=shown and self._about.task not in READ_BY_PROGRAM)]

    async def sending(self, upstream: UpstreamSettings, sent: bytes) -> None:
        """Note down what is about to be sent; without that nothing leaves. Raises DatabaseError and EgressError."""
        if upstream.trust == "site":
            return
        if self._decision is None or not self._leaves:
            raise EgressError(
                f"The request was about to be sent to {upstream.name}, and was decided to stay.",
                "Tell whoever runs the adapter: this is a fault of it.",
            )
        send = self._decision.action == "send"
        await self._note_down("send" if send else "pseudonymise", upstream, sent)

    async def _note_down(
        self, action: Action, upstream: UpstreamSettings | None, sent: bytes | None
    ) -> None:
        if self._decision is None:
            return
        counts = dict(self._protected.counts) if self._protected else {}
        self._metrics.count_egress(upstream.name if upstream else "", action, counts)
        if self._receipts is None:
            return
        about = self._about
        await self._receipts.append(
            Receipt(
                time=datetime.now(UTC),
                user=about.user,
                client=about.client,
                chat=about.chat,
                message=about.message,
                task=about.task,
                model=self.model,
                destination=upstream.name if upstream else "",
                site=upstream.site if upstream else "",
                trust=upstream.trust if upstream else "site",
                action=action,
                policy=self._decision.line,
                data_class=self._known.data_class,
                passages=dict(self._known.passages) if sent is not None else {},
                counts=counts,
                bytes=len(sent or b""),
                body_sha256=_digest(sent),
            ),
            sent,
            self._protected.pseudonyms if self._protected else (),
        )


async def _known(given: Services, about: About, body: Body, policy: Policy) -> Known:
    """What is known of the chat that a request belongs to. Raises DatabaseError."""
    results = {*_results(body, policy)}
    if given.labels is None:
        return msgspec.structs.replace(
            NOTHING_KNOWN, data_class=policy.unlabelled, unregistered=bool(results)
        )
    return await given.labels.known(about.chat, about.message, results, policy.unlabelled)


def _results(body: Mapping[str, Any], policy: Policy) -> Iterator[str]:
    """The digests of what the site's tools returned."""
    names: dict[str, str] = {}
    for message in body.get("messages") or ():
        for call in message.get("tool_calls") or ():
            names[call["id"]] = call["function"]["name"]
        if message.get("role") == "tool" and policy.runs_on_site(
            names.get(message.get("tool_call_id", ""), "")
        ):
            text = _text(message.get("content"))
            if text.strip() and not _is_error(text):
                yield digest_of(text)


def _is_error(text: str) -> bool:
    """Whether this is how Open WebUI tells a model that a tool failed: the site's own errors hold no values."""
    if not text.lstrip().startswith("{"):
        return False
    try:
        return [*msgspec.json.decode(text, type=dict[str, str])] == ["error"]
    except (msgspec.MsgspecError, RecursionError):
        return False


def _text(content: object) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping))
    return content if isinstance(content, str) else ""


def before_rules(known: Known) -> Decision | None:
    """What decides about a chat whatever the policy's rules say; None where nothing does."""
    if known.kept:
        return Decision("on_site", "the chat's own switch")
    if known.expired:
        return Decision("on_site", "labels_days")
    if known.unregistered:
        return Decision("on_site", "unregistered results")
    if known.early:
        return Decision("on_site", "a task before its chat")
    return None


def _decide(policy: Policy, known: Known, upstream: UpstreamSettings, about: About) -> Decision:
    destination = Destination(upstream.name, upstream.trust)
    return before_rules(known) or policy.decide(known.data_class, destination, about.names)


def _reason(known: Known) -> str:
    if known.kept:
        return "this chat stays on site"
    if known.expired:
        return "this chat is so old that nobody knows any more what is protected in it"
    if known.unregistered:
        return "this chat holds results of tools of which nobody knows what is protected in them"
    if known.early:
        return "this is asked by the way in a chat of which nobody knows whether it stays on site"
    return f"this chat is {known.data_class}"


def _refused(known: Known, decision: Decision) -> EgressError:
    remedy = (
        "Ask a model that runs on site."
        if decision.action == "refuse"
        else "Have an admin run a model on site, or name one as on_site_model in the policy."
    )
    return EgressError(
        f"This model runs outside of the site, and {_reason(known)}: nothing may leave ({decision.line}).",
        remedy,
    )


def _on_site_model(given: Services, policy: Policy) -> str | None:
    """The model that answers what must stay; None where the site runs none."""
    candidates = [policy.on_site_model] if policy.on_site_model else [*given.pool.models()]
    return next(
        (model for model in candidates if any(map(_on_site, given.pool.replicas(model)))), None
    )


def _first_on_site(given: Services, model: str) -> UpstreamSettings | None:
    replicas = [each for each in given.pool.replicas(model) if _on_site(each)]
    return replicas[0].upstream.settings if replicas else None


def _on_site(replica: Replica) -> bool:
    return replica.upstream.settings.trust == "site"


def _digest(sent: bytes | None) -> str:
    return "" if sent is None else hashlib.sha256(sent).hexdigest()
