"""The door: signing in, signing out, and one's own account."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import authenticate, login, logout, update_session_auth_hash
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render, resolve_url
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts.actions import set_password
from accounts.audit import By, address_of, by_request, record
from accounts.errors import PasswordRefused
from accounts.forms import OwnPasswordForm, SignInForm
from accounts.models import User
from accounts.permissions import safe_next, signed_in
from accounts.reach import groups_of
from accounts.requests import SignedInRequest
from accounts.throttle import Attempt, begin_attempt, succeeded

NO_MATCH = "This e-mail and password do not match. Check both and try again."


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Ask for e-mail and password; one sentence for every way in which they can be wrong."""
    then = safe_next(request, request.POST.get("next") or request.GET.get("next", ""))
    home = resolve_url(settings.LOGIN_REDIRECT_URL)
    if request.user.is_authenticated:
        return redirect(then or home)
    form = SignInForm(request.POST if request.method == "POST" else None)
    status = 200
    if request.method == "POST" and form.is_valid():
        status = _try_to_sign_in(request, form)
        if status == 302:
            return redirect(then or home)
    return render(request, "accounts/sign_in.html", {"form": form, "next": then}, status=status)


def _try_to_sign_in(request: HttpRequest, form: SignInForm) -> int:
    """Sign the person in and return 302; otherwise put the sentence on the form and return its status."""
    email, address = form.cleaned_data["email"], address_of(request)
    attempt = begin_attempt(email, address)
    if attempt.minutes_left:
        if attempt.is_first_refused:  # once a window: an attacker must not be able to fill the record
            _record_refusal(email, address, "too many failed attempts")
        form.add_error(None, _too_many(attempt))
        return 429
    # Django hashes a password for unknown addresses too, so the time taken tells nothing about who exists.
    user = authenticate(request, username=email, password=form.cleaned_data["password"])
    if not isinstance(user, User):
        _record_refusal(email, address, "wrong e-mail or password")
        form.add_error(None, NO_MATCH)
        return 200
    succeeded(attempt)
    with transaction.atomic():
        login(request, user)  # a new session key: one planted before sign-in is worth nothing after it
        record("session.signed_in", by=By.user(user, address), subject=user.subject, subject_label=user.email)
    return 302


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session; harmless for somebody who has none."""
    user = request.user
    if isinstance(user, User):
        record("session.signed_out", by=by_request(request), subject=user.subject, subject_label=user.email)
        logout(request)
    return redirect("accounts:sign_in")


@never_cache
@sensitive_post_parameters("current", "password", "again")
@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: SignedInRequest) -> HttpResponse:
    """Show a person their own account and let them change their password."""
    form = OwnPasswordForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid() and _change_own_password(request, form):
        messages.success(request, "Your password is changed. Everywhere else you are signed out.")
        return redirect("accounts:account")
    reaches = groups_of(request.user)
    return render(request, "accounts/account.html", {"form": form, "reaches": reaches})


def _change_own_password(request: SignedInRequest, form: OwnPasswordForm) -> bool:
    attempt = begin_attempt(request.user.email, address_of(request))
    if attempt.minutes_left:
        form.add_error(None, _too_many(attempt))
        return False
    if not request.user.check_password(form.cleaned_data["current"]):
        form.add_error("current", "This is not your current password.")
        return False
    succeeded(attempt)
    # The page's user is a lazy stand-in; the session must be re-bound to the very person that was changed.
    person = User.objects.get(pk=request.user.pk)
    try:
        set_password(by=by_request(request), person=person, password=form.cleaned_data["password"])
    except PasswordRefused as refusal:
        form.add_error("password", str(refusal))
        return False
    update_session_auth_hash(request, person)
    return True


def _too_many(attempt: Attempt) -> str:
    minutes = attempt.minutes_left
    return f"Too many failed attempts. Try again in {minutes} minute{'' if minutes == 1 else 's'}."


def _record_refusal(email: str, address: str, reason: str) -> None:
    person = User.objects.filter(email__iexact=email).first()
    subject = person.subject if person else "person:unknown"
    by = By.anonymous(address)
    record("session.refused", by=by, subject=subject, subject_label=email, reason=reason)
