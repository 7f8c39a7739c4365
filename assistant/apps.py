from typing import TYPE_CHECKING

from django.apps import AppConfig

if TYPE_CHECKING:
    from accounts.chain import ChainReport


class AssistantConfig(AppConfig):
    name = "assistant"

    def ready(self) -> None:
        from accounts.chain import register_verifier

        register_verifier("answer records", _verify_records)


def _verify_records() -> "ChainReport":
    from assistant.trace import verify_records

    return verify_records()
