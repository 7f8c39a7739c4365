"""The connection to a language model: one question with data, one validated reply, within one time limit.

LlamaIndex speaks to any OpenAI-compatible server (vLLM, Ollama, llama.cpp, ...); it is imported here only, at the first
call. What goes out is the instructions and the data given, to the configured address and nowhere else.
"""

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.conf import settings
from pydantic import BaseModel, ConfigDict, ValidationError

log = logging.getLogger(__name__)

MOST_TOKENS = 2_048
"""Longest reply. Plans and grades take a tenth of it; a model that thinks aloud first takes more."""
TRIES = 2
"""A reply that does not fit is sent back once, with what is wrong with it."""

HEADERS = {"host", "accept", "accept-encoding", "connection", "content-type", "content-length", "user-agent"}
"""All that a request carries, beside our own key. The library would add what it knows of this machine, and keys and
headers for other services that it finds in the environment."""

Json = Mapping[str, Any]  # Any: JSON values


class ModelFailed(RuntimeError):
    """The model could not be asked or gave nothing usable.

    The message is a phrase that fits into brackets and holds no word of the reply, which may quote documents.
    """


class Reply(BaseModel):
    """What a model is to reply with. Fields without defaults: servers that enforce a schema want all of them required."""

    model_config = ConfigDict(extra="ignore", json_schema_extra={"additionalProperties": False})


R = TypeVar("R", bound=Reply)


@dataclass(frozen=True)
class Connection:
    """Where the model is, what it is called there, the key to send, and the seconds one consultation may take."""

    url: str
    name: str
    api_key: str = field(repr=False)
    seconds: float

    @classmethod
    def configured(cls) -> "Connection":
        """Return the connection of the settings. Raises ModelFailed when no model is configured."""
        if not settings.MODEL_URL or not settings.MODEL_NAME:
            raise ModelFailed(
                "no language model is configured: set FOOTNOTE_MODEL_URL and FOOTNOTE_MODEL_NAME"
            )
        return cls(settings.MODEL_URL, settings.MODEL_NAME, settings.MODEL_API_KEY, settings.MODEL_SECONDS)

    def ask(self, shape: type[R], instructions: str, data: Json, context: Json | None = None) -> R:
        """Return the model's reply to the instructions on the data, as a validated value of the given shape.

        `context` is handed to the shape's validators. Raises ModelFailed when no such reply came within `seconds`.
        Call it from a thread without a running event loop, and outside of database transactions: it can take long.
        """
        # Before the clock starts: loading it takes seconds, once.
        import llama_index.llms.openai_like  # noqa: F401

        return asyncio.run(self._ask_in_time(shape, instructions, data, context))

    async def _ask_in_time(self, shape: type[R], instructions: str, data: Json, context: Json | None) -> R:
        import httpx
        import openai

        too_late = f"no answer within {self.seconds:g} seconds"
        try:
            # One limit for everything: a server that sends a byte now and then would pass every limit on single reads.
            async with asyncio.timeout(self.seconds):
                return await self._ask(shape, instructions, data, context)
        except (TimeoutError, openai.APITimeoutError) as error:
            raise ModelFailed(too_late) from error
        except openai.APIStatusError as error:
            raise ModelFailed(f"its server answered with status {error.status_code}") from error
        except (openai.APIConnectionError, httpx.InvalidURL) as error:
            raise ModelFailed("its server could not be reached") from error
        except openai.OpenAIError as error:
            raise ModelFailed("its server's answer could not be read") from error

    async def _ask(self, shape: type[R], instructions: str, data: Json, context: Json | None) -> R:
        import httpx
        from llama_index.core.llms import ChatMessage
        from llama_index.llms.openai_like import OpenAILike

        schema = shape.model_json_schema()
        messages = [
            ChatMessage(role="system", content=f"{instructions}\n{_form(schema)}"),
            ChatMessage(role="user", content=as_data(data)),
        ]

        async def strip(request: httpx.Request) -> None:
            for name in set(request.headers) - HEADERS:
                del request.headers[name]
            if self.api_key:
                request.headers["Authorization"] = f"Bearer {self.api_key}"

        # Redirects are not followed: what is sent goes to the configured address or nowhere.
        async with httpx.AsyncClient(
            follow_redirects=False, timeout=self.seconds, event_hooks={"request": [strip]}
        ) as client:
            llm = OpenAILike(
                model=self.name,
                api_base=self.url,
                api_key="set by the hook above",  # an empty one would be read from the environment
                is_chat_model=True,
                temperature=0.0,
                max_tokens=MOST_TOKENS,
                max_retries=0,
                timeout=self.seconds,
                async_http_client=client,
            )
            for number in range(1, TRIES + 1):
                text = await _text_of(llm, messages, schema)
                try:
                    return shape.model_validate_json(_json_in(text), context=context)
                except ValidationError as error:
                    log.info("A reply of %s did not fit (try %d of %d).", self.name, number, TRIES)
                    messages += [
                        ChatMessage(role="assistant", content=text),
                        ChatMessage(role="user", content=_what_is_wrong(error)),
                    ]
        raise ModelFailed("it did not answer in the form asked for")


async def _text_of(llm: Any, messages: Sequence[Any], schema: Json) -> str:  # Any: LlamaIndex's own types
    import openai

    form = {"name": "reply", "schema": schema, "strict": True}
    try:
        try:
            response = await llm.achat(messages, response_format={"type": "json_schema", "json_schema": form})
        except (openai.BadRequestError, openai.UnprocessableEntityError):
            # Servers that cannot enforce a schema say so like this; the instructions ask for the same form in words.
            response = await llm.achat(messages)
        refusal = getattr(response.raw.choices[0].message, "refusal", None)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ModelFailed("its server's answer is no chat completion") from error
    if refusal:
        raise ModelFailed("it refused")
    text = str(response.message.content or "").strip()
    if not text:
        raise ModelFailed("it answered with nothing")
    return text


def as_data(data: Json) -> str:
    """Return data as the one fenced JSON object that every prompt speaks of. Nothing in it can close the fence."""
    return f"<data>\n{json.dumps(data, ensure_ascii=False).replace('<', chr(92) + 'u003c')}\n</data>"


def _form(schema: Json) -> str:
    return f"Reply with one JSON object of this schema and nothing else:\n{json.dumps(schema)}"


def _json_in(text: str) -> str:
    """Return the JSON object in a reply that may think aloud first or put a fence around it; the text where there is none."""
    spoken = text.rpartition("</think>")[2]
    start, end = spoken.find("{"), spoken.rfind("}")
    return spoken[start : end + 1] if 0 <= start < end else spoken


def _what_is_wrong(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    lines = [f"- {'.'.join(str(part) for part in one['loc']) or 'reply'}: {one['msg']}" for one in found[:10]]
    return "\n".join(["That does not fit:", *lines, "Reply again, with the JSON object alone."])
