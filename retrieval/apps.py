from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, register


class RetrievalConfig(AppConfig):
    name = "retrieval"

    def ready(self) -> None:
        """Have every command say at its start that the organisation's file of synonyms cannot be used."""
        register(synonyms_can_be_read, "synonyms")


def synonyms_can_be_read(**_: object) -> list[CheckMessage]:
    """Return an error with file and line where FOOTNOTE_SYNONYMS names a file that cannot be used."""
    from retrieval.synonyms import SynonymsError, configured_synonyms

    try:
        configured_synonyms()
    except SynonymsError as error:
        return [Error(f"{error} Correct the file, or take FOOTNOTE_SYNONYMS away.", id="retrieval.E001")]
    return []
