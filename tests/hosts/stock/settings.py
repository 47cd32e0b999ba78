"""Django settings of a bare site whose only content is the published LTI consumer. `serve.py` sets the variables."""

import os
from importlib.util import find_spec

from edx import ROOT  # the stand-ins must be there before any app is loaded

SECRET_KEY = "of a host that lives for one test run"
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
DEBUG = False
ROOT_URLCONF = "pages"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "rest_framework",
    "django_filters",
    "config_models",
    "enrolment",
    "lti_consumer",
]
if find_spec("nengli_xblock"):  # only for the tests of our block
    INSTALLED_APPS.append("nengli_xblock.apps.NengliApp")
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "edx_django_utils.cache.middleware.RequestCacheMiddleware",  # the consumer's caches live in a request
    "crum.CurrentRequestUserMiddleware",
]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["STOCK_DATABASE"],
        "ATOMIC_REQUESTS": True,  # as in edx-platform: an answer of 500 keeps nothing
        "OPTIONS": {"timeout": 120, "transaction_mode": "IMMEDIATE"},  # else two writers at once are an error
    }
}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
# As a site needs it whose authors choose content: the tool's answer is posted from another site.
SESSION_COOKIE_SAMESITE, SESSION_COOKIE_SECURE = "None", True
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # nobody signs in with one
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"lines": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["lines"], "level": "WARNING"},
}

# What the consumer reads from the settings of edx-platform.
LMS_ROOT_URL = ROOT
LMS_BASE = ROOT.partition("//")[2]
LEARNING_MICROFRONTEND_URL = f"{ROOT}/learning"
PLATFORM_NAME = "Open edX"
SERVICE_VARIANT = "lms"
USAGE_ID_PATTERN = r"(?P<usage_id>[^/]+)"
FEATURES: dict[str, bool] = {}
REST_FRAMEWORK = {"PAGE_SIZE": 10}
XBLOCK_SETTINGS: dict[str, object] = {"nengli": {"tool_url": os.environ["STOCK_TOOL"]}}
LANGUAGE_CODE = "zh-cn"
