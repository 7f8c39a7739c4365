"""Every setting of Footnote, read from the environment. Each unusual value carries its reason."""

import secrets
from pathlib import Path

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from config import env
from ingestion.cores import own_cores

BASE_DIR = Path(__file__).resolve().parent.parent

# --- Where everything the product writes lives: database, index, files, the secret key. --------------------------
DATA_DIR = Path(env.text("FOOTNOTE_DATA_DIR", str(BASE_DIR / "var"))).expanduser().resolve()
try:
    DATA_DIR.mkdir(parents=True, exist_ok=True)
except OSError as error:
    raise ImproperlyConfigured(
        f"The data folder {DATA_DIR} cannot be created: {error.strerror}. Set FOOTNOTE_DATA_DIR to a folder you can write to."
    ) from error


def _secret_key() -> str:
    """Return FOOTNOTE_SECRET_KEY, or a key made once and kept in the data folder, readable by its owner only."""
    given = env.text("FOOTNOTE_SECRET_KEY")
    if given:
        return given
    path = DATA_DIR / "secret.key"
    if not path.exists():
        try:
            with path.open("x") as file:
                path.chmod(0o600)
                file.write(secrets.token_urlsafe(48))
        except FileExistsError:  # another process of the same start was faster; its key is the key
            pass
    return path.read_text().strip()


SECRET_KEY = _secret_key()
DEBUG = env.flag("FOOTNOTE_DEBUG", False)
ALLOWED_HOSTS = env.words("FOOTNOTE_HOSTS", "localhost,127.0.0.1,[::1],testserver")
CSRF_TRUSTED_ORIGINS = env.words("FOOTNOTE_ORIGINS")
# Behind a proxy that ends TLS: cookies then travel over https only, and the proxy's header is believed.
HTTPS = env.flag("FOOTNOTE_HTTPS", False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_AGE = env.number("FOOTNOTE_SESSION_SECONDS", 14 * 24 * 3600)
SESSION_COOKIE_NAME = "footnote_session"
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 31536000

INSTALLED_APPS = [
    "accounts",
    "ingestion",
    "retrieval",
    "assistant",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "template_partials",
    "lucide",
    "rest_framework",
    "drf_spectacular",
    "csp",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "accounts.middleware.ViewerMiddleware",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": False,
        "OPTIONS": {
            "loaders": [
                (
                    "template_partials.loader.Loader",
                    [
                        (
                            "django.template.loaders.cached.Loader",
                            ["django.template.loaders.filesystem.Loader"],
                        )
                    ],
                )
            ],
            "builtins": ["template_partials.templatetags.partials", "lucide.templatetags.lucide"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "accounts.context_processors.desks",
            ],
        },
    }
]

DATABASES = {"default": env.database("DATABASE_URL", DATA_DIR / "footnote.sqlite3")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "accounts:sign_in"
LOGIN_REDIRECT_URL = "assistant:ask"
LOGOUT_REDIRECT_URL = "accounts:sign_in"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]

LANGUAGE_CODE = "en-gb"
TIME_ZONE = env.text("FOOTNOTE_TIME_ZONE", "UTC")
USE_I18N = False
USE_TZ = True

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = DATA_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)  # WhiteNoise warns at every start about a folder that is not there
# Serve straight from the finders: a fresh clone needs no collectstatic step before its first page.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

MEDIA_ROOT = DATA_DIR / "files"
INDEX_DIR = DATA_DIR / "index"
FILE_UPLOAD_TEMP_DIR = None
FILE_UPLOAD_PERMISSIONS = 0o600
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024  # forms; files stream to disk and have their own limit below

MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# --- Content security: nothing inline, nothing from elsewhere. ----------------------------------------------------
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"

# --- Tasks: in this process by default; with a broker URL, Celery workers elsewhere. ------------------------------
CELERY_BROKER_URL = env.text("CELERY_BROKER_URL", "memory://")
CELERY_RESULT_BACKEND = None  # outcomes are rows of ours, never broker messages
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = TIME_ZONE
CELERY_BEAT_SCHEDULE = {
    "deliver-outbox": {"task": "ingestion.tasks.deliver_outbox", "schedule": 15.0},
    "start-due-syncs": {"task": "ingestion.tasks.start_due_syncs", "schedule": 60.0},
    "purge-tombstones": {"task": "ingestion.tasks.purge_tombstones", "schedule": 3600.0},
    "close-interrupted-questions": {"task": "assistant.tasks.close_interrupted_questions", "schedule": 60.0},
    "take-up-evaluations": {"task": "assistant.tasks.take_up_evaluations", "schedule": 60.0},
}
# `manage.py serve` starts a worker thread and beat when the broker lives in this process.
TASKS_IN_PROCESS = CELERY_BROKER_URL.startswith("memory://")
if CELERY_BROKER_URL == "memory://":
    CELERY_BROKER_URL = (
        "memory://localhost/"  # the same, named in a way that does not draw a warning per process
    )

# --- The index: Qdrant Edge in this process, or a Qdrant server. --------------------------------------------------
QDRANT_URL = env.text("QDRANT_URL")
QDRANT_API_KEY = env.text("QDRANT_API_KEY")
QDRANT_COLLECTION = env.text("QDRANT_COLLECTION", "footnote")

# --- Ingestion limits. --------------------------------------------------------------------------------------------
# Folder sources may only lie under these roots: an admin of the product is not an admin of the machine's disk.
SOURCE_ROOTS = [
    Path(root).expanduser() for root in env.words("FOOTNOTE_SOURCE_ROOTS", str(DATA_DIR / "sources"))
] + [BASE_DIR / "assistant" / "demo" / "corpus"]
MAX_FILE_BYTES = env.number("FOOTNOTE_MAX_FILE_MB", 100) * 1024 * 1024
MAX_UNPACKED_BYTES = env.number("FOOTNOTE_MAX_UNPACKED_MB", 500) * 1024 * 1024
MAX_TEXT_CHARACTERS = env.number("FOOTNOTE_MAX_TEXT_CHARACTERS", 5_000_000)
PARSE_SECONDS = env.number("FOOTNOTE_PARSE_SECONDS", 120)
PURGE_AFTER_DAYS = env.number("FOOTNOTE_PURGE_AFTER_DAYS", 30)

# --- Asking. ------------------------------------------------------------------------------------------------------
MAX_QUESTION_CHARACTERS = env.number("FOOTNOTE_MAX_QUESTION_CHARACTERS", 4000)
# `manage.py serve` answers in so many processes of their own, one core each; 0 answers in threads of the web server.
ANSWERING_PROCESSES = env.number("FOOTNOTE_ANSWERING_PROCESSES", min(own_cores(), 4))
# How retrieval works, where it differs from the defaults, such as "reranking=cross-encoder" (docs/retrieval.md).
RETRIEVAL = env.text("FOOTNOTE_RETRIEVAL")
# A file of the organisation's own words for the same thing, beside those that come with the product (docs/asking.md).
SYNONYMS = env.text("FOOTNOTE_SYNONYMS")
EMBEDDING_MODEL = env.text("FOOTNOTE_EMBEDDING_MODEL", "all-MiniLM-L6-v2")
RERANK_MODEL = env.text("FOOTNOTE_RERANK_MODEL")
# A small learned model beside the rules that choose sentences and refuse (docs/retrieval.md).
READER = env.text("FOOTNOTE_READER", "on")
if READER not in {"on", "off"} and not Path(READER).is_file():
    raise ImproperlyConfigured(
        "FOOTNOTE_READER must be on, off, or the path of a file with a reader's weights."
    )

# --- A language model, behind any OpenAI-compatible server. Without one the product works by its rules. ------------
MODEL_URL = env.text("FOOTNOTE_MODEL_URL")
MODEL_NAME = env.text("FOOTNOTE_MODEL_NAME")
MODEL_API_KEY = env.text("FOOTNOTE_MODEL_API_KEY")
MODEL_SECONDS = env.number("FOOTNOTE_MODEL_SECONDS", 20)
if bool(MODEL_URL) != bool(MODEL_NAME):
    raise ImproperlyConfigured(
        "A language model needs both FOOTNOTE_MODEL_URL (such as http://127.0.0.1:11434/v1) and FOOTNOTE_MODEL_NAME "
        "(as the server names it). Set both, or neither."
    )
if MODEL_URL and not MODEL_URL.startswith(("http://", "https://")):
    raise ImproperlyConfigured("FOOTNOTE_MODEL_URL must start with http:// or https://.")
if MODEL_SECONDS < 1:
    raise ImproperlyConfigured("FOOTNOTE_MODEL_SECONDS must be at least 1.")

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {"TITLE": "Footnote", "VERSION": "1", "SERVE_INCLUDE_SCHEMA": False}

LOG_LEVEL = env.text("FOOTNOTE_LOG_LEVEL", "INFO")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname:<7} {name}  {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        name: {"level": LOG_LEVEL} for name in ("accounts", "ingestion", "retrieval", "assistant", "config")
    },
}
