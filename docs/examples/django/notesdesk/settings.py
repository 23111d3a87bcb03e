"""Django's settings. What differs between users lies in the data directory, not here."""

from __future__ import annotations

import secrets
from pathlib import Path

from notesdesk.paths import data_directory

PACKAGE = Path(__file__).resolve().parent


def secret_key() -> str:
    """This installation's own key, which the server makes on its first start."""
    path = data_directory() / "secret-key"
    # Without one, such as while static files are collected, sessions end with the process.
    return path.read_text("ascii") if path.exists() else secrets.token_urlsafe(50)


SECRET_KEY = secret_key()
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]"]

INSTALLED_APPS = [
    "django.contrib.staticfiles",
    "notesdesk.notes",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "notesdesk.urls"
WSGI_APPLICATION = "notesdesk.wsgi.application"
TEMPLATES = [
    {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": data_directory() / "notes.db",
        # Writers wait for each other instead of failing.
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 10},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

STATIC_URL = "static/"
STATIC_ROOT = PACKAGE / "collected"  # filled while the package is built, by setup.py
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

LANGUAGE_CODE = "en"
USE_TZ = True
