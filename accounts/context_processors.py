"""What every page needs to draw its header."""

from django.http import HttpRequest


def desks(request: HttpRequest) -> dict[str, object]:
    """Return the desks this person may open, for the header. The pages themselves check again."""
    user = getattr(request, "user", None)
    signed_in = user is not None and user.is_authenticated
    return {
        "can_administer": signed_in and user.is_admin,
        "can_audit": signed_in and user.is_auditor,
    }
