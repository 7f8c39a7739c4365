"""What we hold, from where, and who may read it."""

import uuid

from django.conf import settings
from django.db import models

from ingestion.querysets import AccessPolicyQuerySet, ChunkQuerySet, DocumentQuerySet, SourceQuerySet


class AccessPolicy(models.Model):
    """One row per distinct access rule, shared by every document that has that rule.

    The rule admits a viewer who holds at least one principal of every clause and none of the denials.
    No clauses at all means nobody. The `dark` row stands for a rule that could not be read: nobody.
    Rows are interned by digest and never changed; a changed rule is another row.
    """

    id = models.BigAutoField(primary_key=True)
    digest = models.CharField(max_length=71, unique=True, help_text="sha256: of the rule as canonical JSON")
    is_dark = models.BooleanField(default=False)
    clause_count = models.PositiveSmallIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    objects = AccessPolicyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "access policies"

    def __str__(self) -> str:
        return f"policy {self.pk}"


class PolicyClause(models.Model):
    """One principal of one clause of a policy."""

    id = models.BigAutoField(primary_key=True)
    policy = models.ForeignKey(AccessPolicy, on_delete=models.CASCADE, related_name="clauses")
    number = models.PositiveSmallIntegerField()
    principal = models.CharField(max_length=80)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["policy", "number", "principal"], name="policy_clause_principal_once"
            )
        ]
        indexes = [models.Index(fields=["principal", "policy", "number"], name="policy_clause_by_principal")]

    def __str__(self) -> str:
        return f"{self.policy_id}[{self.number}] {self.principal}"


class PolicyDenial(models.Model):
    """One principal whose holders a policy keeps out, whatever else they hold."""

    id = models.BigAutoField(primary_key=True)
    policy = models.ForeignKey(AccessPolicy, on_delete=models.CASCADE, related_name="denials")
    principal = models.CharField(max_length=80)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["policy", "principal"], name="policy_denial_once")]
        indexes = [models.Index(fields=["principal", "policy"], name="policy_denial_by_principal")]

    def __str__(self) -> str:
        return f"{self.policy_id} not {self.principal}"


class Source(models.Model):
    """A place documents come from. A document is readable when its own policy and its source's policy both admit."""

    class Kind(models.TextChoices):
        UPLOAD = "upload", "Upload"
        FOLDER = "folder", "Folder"

    class Authority(models.IntegerChoices):
        INFORMAL = -1, "Informal: notes, chats, drafts"
        ORDINARY = 0, "Ordinary"
        AUTHORITATIVE = 1, "Authoritative: policies, contracts, the handbook"

    id = models.BigAutoField(primary_key=True)
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=120, unique=True)
    kind = models.CharField(max_length=20, choices=Kind)
    path = models.CharField(
        max_length=1000, blank=True, help_text="folder sources: the folder, as resolved when connected"
    )
    policy = models.ForeignKey(AccessPolicy, on_delete=models.PROTECT, related_name="sources")
    sync_minutes = models.PositiveIntegerField(
        null=True, blank=True, help_text="sync by itself this often; empty: by hand"
    )
    is_paused = models.BooleanField(default=False)
    authority = models.SmallIntegerField(
        choices=Authority,
        default=0,
        help_text="between passages that answer alike, whose word counts for more",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    removed_at = models.DateTimeField(null=True, blank=True)

    objects = SourceQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def authority_in_a_word(self) -> str:
        """Return how much the source's word counts, such as `Informal`."""
        return self.get_authority_display().partition(":")[0]


class Document(models.Model):
    """One document of a source, through all its versions. What is shown is `current_version`, once it is indexed whole."""

    id = models.BigAutoField(primary_key=True)
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    source = models.ForeignKey(Source, on_delete=models.PROTECT, related_name="documents")
    external_id = models.CharField(
        max_length=1000, help_text="its name within the source, such as a relative path"
    )
    title = models.CharField(max_length=300)
    title_key = models.CharField(
        max_length=300, db_index=True, help_text="the title in lower case, words only"
    )
    short_title_key = models.CharField(
        max_length=300, blank=True, help_text="the same without brackets at its end, if any"
    )
    author = models.CharField(max_length=200, blank=True)
    dated = models.DateField(
        null=True, blank=True, help_text="the date the document itself states, else of its file"
    )
    policy = models.ForeignKey(AccessPolicy, on_delete=models.PROTECT, related_name="documents")
    policy_note = models.CharField(
        max_length=500, blank=True, help_text="why the rule could not be read, when dark"
    )
    is_superseded = models.BooleanField(default=False, help_text="another document replaces this one")
    current_version = models.ForeignKey(
        "DocumentVersion", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    # The index still holds an older policy, source or superseded mark for this document's chunks. The gate decides by
    # the database meanwhile; the outbox delivers the change.
    needs_index_update = models.BooleanField(default=False, db_index=True)
    created_at = models.DateTimeField(auto_now_add=True)
    removed_at = models.DateTimeField(
        null=True, blank=True, db_index=True, help_text="tombstone: gone for every reader"
    )

    objects = DocumentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "external_id"], name="document_once_per_source")
        ]
        indexes = [
            models.Index(fields=["policy", "source"], name="document_by_policy_source"),
            # Most titles end without brackets; an index full of nothing would never be taken for a good one.
            models.Index(
                fields=["short_title_key"],
                name="document_by_short_title",
                condition=models.Q(short_title_key__gt=""),
            ),
        ]

    def __str__(self) -> str:
        return self.title


class DocumentVersion(models.Model):
    """The text of a document at one time. Immutable but for where it stands on its way through the index."""

    class State(models.TextChoices):
        PENDING = "pending", "waiting to be indexed"
        INDEXED = "indexed", "in the index"
        RETIRING = "retiring", "to be taken out of the index"
        RETIRED = "retired", "no longer in the index"

    id = models.BigAutoField(primary_key=True)
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    content_digest = models.CharField(max_length=71, help_text="sha256: of the file's bytes")
    text_digest = models.CharField(max_length=71, help_text="sha256: of the text as UTF-8")
    text = models.TextField()
    sections = models.JSONField(
        default=list, help_text="[start, end, page or null, [headings]] over the text"
    )
    media_type = models.CharField(max_length=120)
    size = models.PositiveBigIntegerField(help_text="bytes of the file")
    file = models.CharField(
        max_length=300, help_text="where the raw file is kept, relative to the file storage"
    )
    page_count = models.PositiveIntegerField(null=True, blank=True)
    # What this version says about itself. The document takes it over at the moment the version is shown.
    title = models.CharField(max_length=300, blank=True)
    author = models.CharField(max_length=200, blank=True)
    dated = models.DateField(null=True, blank=True)
    is_superseded = models.BooleanField(default=False)
    parser = models.CharField(max_length=80, help_text="what read the file, with its version")
    warnings = models.JSONField(default=list, help_text="sentences about what could not be read well")
    state = models.CharField(max_length=10, choices=State, default=State.PENDING, db_index=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["document", "number"]
        constraints = [models.UniqueConstraint(fields=["document", "number"], name="version_number_once")]

    def __str__(self) -> str:
        return f"{self.document_id} v{self.number}"


class Chunk(models.Model):
    """A run of whole sentences of one version; `text` is exactly `version.text[start:end]`. Its id is its index point."""

    id = models.BigAutoField(primary_key=True)
    version = models.ForeignKey(DocumentVersion, on_delete=models.CASCADE, related_name="chunks")
    ordinal = models.PositiveIntegerField()
    start = models.PositiveIntegerField(help_text="first character in the version's text")
    end = models.PositiveIntegerField(help_text="one past the last character")
    page = models.PositiveIntegerField(
        null=True, blank=True, help_text="1-based page, where the format has pages"
    )
    headings = models.JSONField(default=list, help_text="heading path, outermost first")
    table_head = models.TextField(
        blank=True, default="", help_text="first row of the table that the text begins in the middle of"
    )
    text = models.TextField()
    digest = models.CharField(max_length=71, help_text="sha256: of the text")
    # float16, so that a rebuilt index needs no model: 384 numbers are 768 bytes.
    embedding = models.BinaryField(null=True, blank=True)
    embedding_model = models.CharField(max_length=80, blank=True)
    # One row per sentence, int8 (ingestion/sentences.py): 384 bytes each. Empty where the model gives none.
    sentence_embeddings = models.BinaryField(null=True, blank=True)
    # Four bytes a word (ingestion/words.py): what is ranked by words is not read from the text for every question.
    words = models.BinaryField(null=True, blank=True)
    links = models.JSONField(
        default=list, help_text="names within the source of the documents that its words link to"
    )

    objects = ChunkQuerySet.as_manager()

    class Meta:
        ordering = ["version", "ordinal"]
        constraints = [models.UniqueConstraint(fields=["version", "ordinal"], name="chunk_ordinal_once")]

    def __str__(self) -> str:
        return f"chunk {self.pk}"


class SyncRun(models.Model):
    """One pass over a source, or over one of its documents, with true counts and a reason per item."""

    class State(models.TextChoices):
        QUEUED = "queued", "waiting to start"
        RUNNING = "running", "running"
        PAUSED = "paused", "paused"
        FINISHED = "finished", "finished"
        CANCELLED = "cancelled", "cancelled"
        FAILED = "failed", "failed"

    OPEN = (State.QUEUED, State.RUNNING, State.PAUSED)

    id = models.BigAutoField(primary_key=True)
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="runs")
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED, db_index=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    is_listed = models.BooleanField(
        default=False, help_text="the source has been listed; SyncItem rows hold what it found"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    # Proof of life: a running run whose heartbeat is old was cut off and is taken up again.
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=500, blank=True, help_text="why the run as a whole failed")
    note = models.CharField(
        max_length=500, blank=True, help_text="what an admin should know although the run did not fail"
    )
    is_partial = models.BooleanField(
        default=False, help_text="over some documents only: what it does not name is not taken as removed"
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["source"],
                condition=models.Q(state__in=["queued", "running", "paused"]),
                name="one_open_run_per_source",
            )
        ]

    def __str__(self) -> str:
        return f"run {self.pk} of {self.source_id}: {self.state}"


class SyncItem(models.Model):
    """What became of one document in one run."""

    class Outcome(models.TextChoices):
        WAITING = "waiting", "waiting"
        DONE = "done", "read and indexed"
        UNCHANGED = "unchanged", "unchanged"
        SKIPPED = "skipped", "skipped"
        FAILED = "failed", "failed"
        REMOVED = "removed", "removed"

    id = models.BigAutoField(primary_key=True)
    run = models.ForeignKey(SyncRun, on_delete=models.CASCADE, related_name="items")
    external_id = models.CharField(max_length=1000)
    outcome = models.CharField(max_length=10, choices=Outcome, default=Outcome.WAITING)
    code = models.CharField(
        max_length=40, blank=True, help_text="the kind of reason, such as encrypted or too_large"
    )
    reason = models.CharField(
        max_length=500, blank=True, help_text="a sentence: why it was skipped or failed, or is dark"
    )
    document = models.ForeignKey(Document, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    attempts = models.PositiveSmallIntegerField(default=0)
    finished_at = models.DateTimeField(null=True, blank=True)
    # What the listing found, kept here so that a run that was cut off goes on without listing again.
    policy = models.ForeignKey(
        AccessPolicy, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    policy_note = models.CharField(max_length=500, blank=True, help_text="why the policy is dark, when it is")
    modified_at = models.DateTimeField(null=True, blank=True)
    file = models.CharField(
        max_length=300,
        blank=True,
        help_text="uploads: where the raw file waits, relative to the file storage",
    )
    # Set when the item has been read; the item is done once this version is in the index.
    version = models.ForeignKey(
        DocumentVersion, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["run", "external_id"], name="sync_item_once_per_run")]
        indexes = [models.Index(fields=["run", "outcome"], name="sync_item_by_outcome")]

    def __str__(self) -> str:
        return f"{self.external_id}: {self.outcome}"
