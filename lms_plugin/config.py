"""Settings (`NENGLI_*`): the only reader of the environment; wrong values stop the start."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from lms_plugin.net import Network, networks_of


class Settings(BaseSettings):
    """What an installation may set.

    `public_url` is where browsers reach the tool; hosts know its `launch_url`, `login_url` and `jwks_url`.
    `secret_key` (≥ 32 characters) encrypts private keys and tokens at rest: losing it means new keys.
    `key_days`: after so many days another signing key takes over, announced a day ahead (0 = only by command).
    `host_rate`: how many requests a second one course platform gets from all workers at most (0 = no limit).
    `log_days`: how long the launch log is kept.
    `keep_removed_days`: how long a file that its author took out of every draft can still be used again.
    `smtp_host`: the mail server by which messages also leave as letters ("" = none do); `smtp_from`: their sender.
    `allow_networks`: private networks that course platforms stand in, by commas: 10.2.0.0/16.
    `allow_loopback` admits http and loopback hosts: demo and tests only, said loudly at start.
    """

    model_config = SettingsConfigDict(env_prefix="NENGLI_", env_file=None, extra="forbid")

    database_url: str = "sqlite:///var/nengli.sqlite3"
    data_dir: Path = Path("var")
    secret_key: SecretStr
    public_url: str
    product_name: str = "教师能力点考核"
    product_name_en: str = "Teacher competency points"
    allow_loopback: bool = False
    allow_networks: str = ""
    demo: bool = False
    session_hours: int = 8
    upload_max_mb: int = 2048
    proxies: int = 0
    key_days: int = 90
    host_rate: int = 5
    log_days: int = Field(default=90, ge=1)
    keep_removed_days: int = Field(default=30, ge=1)
    smtp_host: str = ""
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_user: str = ""
    smtp_password: SecretStr = SecretStr("")
    smtp_from: str = ""
    letters_from: int = Field(default=7, ge=0, le=23)
    letters_until: int = Field(default=22, ge=1, le=24)

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value()) < 32:
            raise ValueError("NENGLI_SECRET_KEY needs at least 32 characters / 至少 32 个字符")
        return value

    @field_validator("allow_networks")
    @classmethod
    def _private(cls, value: str) -> str:
        try:
            networks_of(value)
        except ValueError as error:
            raise ValueError(f"NENGLI_ALLOW_NETWORKS: {error} / 只能写内网网段，例如 10.2.0.0/16") from error
        return value

    @field_validator("public_url")
    @classmethod
    def _no_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @model_validator(mode="after")
    def _https(self) -> "Settings":
        parts = urlsplit(self.public_url)
        if parts.scheme not in {"https", "http"} or not parts.hostname:
            raise ValueError("NENGLI_PUBLIC_URL must be the full address of the tool / 必须是完整网址")
        if parts.scheme == "http" and not self.allow_loopback:
            raise ValueError("NENGLI_PUBLIC_URL must be https (http only with NENGLI_ALLOW_LOOPBACK=1) / 必须是 https")
        if bool(self.smtp_host) != bool(self.smtp_from):
            raise ValueError("NENGLI_SMTP_HOST and NENGLI_SMTP_FROM go together / 要么都填，要么都不填")
        if self.smtp_from and (self.smtp_from.count("@") != 1 or not self.smtp_from.isascii()):
            raise ValueError("NENGLI_SMTP_FROM must be an address such as nengli@example.org / 必须是邮箱地址")
        if self.letters_from >= self.letters_until:
            raise ValueError("NENGLI_LETTERS_FROM comes before NENGLI_LETTERS_UNTIL / 发信的钟点要先从后到")
        if self.demo and not self.allow_loopback:
            raise ValueError("NENGLI_DEMO is for loopback only / 演示模式只能在本机使用")
        return self

    @property
    def networks(self) -> tuple[Network, ...]:
        """The private networks that requests may go to."""
        return networks_of(self.allow_networks)

    @property
    def launch_url(self) -> str:
        """Where hosts send launches."""
        return f"{self.public_url}/lti/launch"

    @property
    def login_url(self) -> str:
        """Where hosts begin a login."""
        return f"{self.public_url}/lti/login"

    @property
    def jwks_url(self) -> str:
        """Where hosts fetch our public keys."""
        return f"{self.public_url}/.well-known/jwks.json"

    @property
    def archive_dir(self) -> Path:
        """Where archives of districts wait to be fetched."""
        return self.data_dir / "archives"

    @property
    def storage_dir(self) -> Path:
        """Where evidence bytes lie."""
        return self.data_dir / "evidence"


def environment_with(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with settings laid over it: for the processes that the demo starts."""
    return {**os.environ, **settings}
