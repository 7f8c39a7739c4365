"""What every page needs to draw its header."""

from django.http import HttpRequest

from accounts.models import User


def desks(request: HttpRequest) -> dict[str, object]:
    """Return the desks this person may open, for the header. The pages themselves check again."""
    user = getattr(request, "user", None)
    return {
        "can_administer": isinstance(user, User) and user.is_admin,
        "can_audit": isinstance(user, User) and user.is_auditor,
    }
