"""People, groups and what was done: the rows that say who somebody is."""

import uuid
from collections.abc import Iterator
from typing import ClassVar

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower
from django.utils.crypto import salted_hmac

from accounts.append_only import AppendOnlyModel


class UserManager(BaseUserManager["User"]):
    """Looks people up by e-mail address without regard to case."""

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username or "")


class User(AbstractBaseUser):
    """A person who can sign in. Roles add desks; no role adds the right to read a document."""

    id = models.BigAutoField(primary_key=True)
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120)
    job_title = models.CharField(max_length=120, blank=True)
    is_active = models.BooleanField(default=True)
    is_admin = models.BooleanField(
        default=False, help_text="May connect sources and manage people and groups."
    )
    is_auditor = models.BooleanField(default=False, help_text="May see how every answer came about.")
    created_at = models.DateTimeField(auto_now_add=True)
    # Part of what every session is checked against: raising it ends them all, and none revives with the account.
    session_generation = models.PositiveIntegerField(default=0, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["name"]

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_unique_without_case")]

    def __str__(self) -> str:
        return self.email

    def get_session_auth_hash(self) -> str:
        return self._session_hash(None)

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        for secret in settings.SECRET_KEY_FALLBACKS:
            yield self._session_hash(secret)

    def _session_hash(self, secret: str | bytes | None) -> str:
        bound = f"{self.session_generation}:{self.password}"
        return salted_hmac(
            "accounts.models.User.session", bound, secret=secret, algorithm="sha256"
        ).hexdigest()

    @property
    def subject(self) -> str:
        """How the audit names this person as the subject of an event."""
        return f"person:{self.public_id}"

    @property
    def initials(self) -> str:
        words = self.name.split() or [self.email]
        return (words[0][:1] + (words[-1][:1] if len(words) > 1 else "")).upper()


class Group(models.Model):
    """A set of people and of other groups. Its members are its own people and those of its nested groups."""

    id = models.BigAutoField(primary_key=True)
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=120, unique=True)
    description = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    people = models.ManyToManyField(User, through="Membership", related_name="groups")

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(Lower("name"), name="group_name_unique_without_case")]

    def __str__(self) -> str:
        return self.name

    @property
    def subject(self) -> str:
        """How the audit names this group as the subject of an event."""
        return f"group:{self.public_id}"


class Membership(models.Model):
    """One person directly in one group."""

    id = models.BigAutoField(primary_key=True)
    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["group", "user"], name="membership_once")]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.group_id}"


class GroupNesting(models.Model):
    """`child` lies in `parent`: every member of the child is a member of the parent."""

    id = models.BigAutoField(primary_key=True)
    parent = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="nested")
    child = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="nested_in")
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["parent", "child"], name="nesting_once"),
            models.CheckConstraint(condition=~models.Q(parent=models.F("child")), name="nesting_not_itself"),
        ]

    def __str__(self) -> str:
        return f"{self.child_id} in {self.parent_id}"


class AuditEvent(AppendOnlyModel):
    """Who did what to what, when, from where and why; chained by digest, never changed.

    No foreign keys: deleting a person or a document must not touch the record of what they did.
    `position` counts from 1 without gaps, so a removed row shows even at the end of the chain (see AuditHead).
    """

    id = models.BigAutoField(primary_key=True)
    position = models.PositiveBigIntegerField(unique=True)
    at = models.DateTimeField(db_index=True)
    type = models.CharField(max_length=60, db_index=True)
    actor = models.CharField(max_length=80, db_index=True, help_text="user:<id>, system, or anonymous")
    actor_label = models.CharField(max_length=254, blank=True)
    subject = models.CharField(max_length=120, db_index=True, help_text="<kind>:<public id>")
    subject_label = models.CharField(max_length=300, blank=True)
    details = models.JSONField(default=dict)
    reason = models.CharField(max_length=500, blank=True)
    address = models.CharField(max_length=64, blank=True, help_text="network address the request came from")
    previous = models.CharField(max_length=71, help_text="digest of the event before, sha256:…")
    digest = models.CharField(max_length=71, unique=True)

    class Meta:
        ordering = ["position"]

    def __str__(self) -> str:
        return f"{self.position} {self.type} {self.subject}"

    @property
    def actor_name(self) -> str:
        """The actor's name without the address that the label adds to tell namesakes apart."""
        return self.actor_label.partition(" <")[0] or self.actor

    @property
    def subject_name(self) -> str:
        """The subject's name, likewise."""
        return self.subject_label.partition(" <")[0] or self.subject


class AuditHead(models.Model):
    """One row: where the chain ends. Locking it serialises appends; comparing with it shows a cut tail."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    position = models.PositiveBigIntegerField(default=0)
    digest = models.CharField(max_length=71)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="audit_head_is_one_row")]

    def __str__(self) -> str:
        return f"{self.position} {self.digest}"


class SignInThrottle(models.Model):
    """Failed sign-ins counted since a moment, per e-mail and network address and per network address."""

    id = models.BigAutoField(primary_key=True)
    key = models.CharField(max_length=71, unique=True, help_text="digest of what is counted")
    since = models.DateTimeField(db_index=True)
    failures = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.failures} since {self.since:%H:%M}"
