"""Writes docs/settings.md from lms_plugin/config.py: every setting, its kind, its default, and what it means."""

import sys
from pathlib import Path
from typing import Any, Literal

from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from lms_plugin.config import Settings

HOUSE = Path(__file__).resolve().parent.parent
PAGE = HOUSE / "docs" / "settings.md"
KINDS: dict[Any, str] = {
    str: "文字 text",
    bool: "0 / 1",
    int: "整数 number",
    Path: "路径 path",
    SecretStr: "密文 secret",
    Literal["starttls", "tls", "none"]: "starttls / tls / none",
}

# What each setting means; a field of Settings without a row here fails the test.
MEANINGS = {
    "smtp_host": (
        "发信的邮件服务器（SMTP）。不填 = 不发邮件，消息只在页面上看。和 `NENGLI_SMTP_FROM` 一起填；"
        "`nengli doctor` 会试连",
        "The mail server (SMTP) for letters. Empty = no letters, messages are read in the tool alone. Goes with "
        "`NENGLI_SMTP_FROM`; `nengli doctor` tries it",
    ),
    "smtp_port": ("邮件服务器的端口：STARTTLS 587，TLS 465，都不用 25", "Its port: 587 STARTTLS, 465 TLS, 25 neither"),
    "smtp_security": (
        "`starttls`、`tls`，或 `none`（不加密，只在本机或内网的转发服务器上用）",
        "`starttls`, `tls`, or `none` (nothing is secured: only for a relay on this machine or in the intranet)",
    ),
    "smtp_user": ("登录邮件服务器的用户名；不填 = 不登录", "The user at the mail server; empty = no sign-in"),
    "smtp_password": ("登录邮件服务器的密码", "The password at the mail server"),
    "smtp_from": ("发信人的邮箱地址", "The address that letters come from"),
    "letters_from": (
        "消息的信从区县时间几点起发",
        "From which full hour of the district's day on letters of messages go out",
    ),
    "letters_until": (
        "到几点为止；以后的第二天再发（验证码不限，随要随发）",
        "Until which full hour; what is later goes the next day (codes go whenever they are asked for)",
    ),
    "database_url": (
        "数据库。正式环境用 PostgreSQL：`postgresql+psycopg://用户:密码@主机/库名`",
        "The database. PostgreSQL in production: `postgresql+psycopg://user:password@host/name`",
    ),
    "data_dir": (
        "上传的材料（`evidence/`）和临时文件所在目录；网页服务和后台任务须用同一个目录。用 SQLite 时唤醒队列也在这里",
        "Where uploaded evidence (`evidence/`) and temporary files lie; web and worker share it. With SQLite the "
        "wake-up queue lies here too",
    ),
    "secret_key": (
        "至少 32 个字符，用 `nengli secret` 生成。加密私钥和令牌；丢失后须换新密钥，请与备份分开保存",
        "At least 32 characters; `nengli secret` makes one. Encrypts private keys and tokens; losing it means "
        "new keys. Keep a copy apart from the backups",
    ),
    "public_url": (
        "浏览器访问工具的完整地址，必须是 https；课程平台从这里取公钥",
        "Where browsers reach the tool, https; hosts fetch the public keys from here",
    ),
    "product_name": ("中文页面上的产品名称", "The product's name on Chinese pages"),
    "product_name_en": ("英文页面上的产品名称", "The product's name on English pages"),
    "allow_loopback": (
        "允许 http 和本机地址，只供演示和测试；启动时会警告",
        "Admits http and loopback addresses, for demo and tests only; said loudly at start",
    ),
    "allow_networks": (
        "课程平台在内网时，允许访问的内网网段，用逗号隔开，例如 `10.2.0.0/16`；仍须 https。"
        "网段里的任何机器都能被登记为平台，请写得尽量小。本机、链路本地和云主机元数据地址不会放行",
        "Private networks that course platforms stand in, by commas, e.g. `10.2.0.0/16`; https alone there too. Any "
        "machine in them can be registered as a platform, so keep them small. This machine, link-local and cloud "
        "metadata addresses are never admitted",
    ),
    "demo": ("演示模式，由 `make demo` 设置；正式环境不要用", "Demo mode, set by `make demo`; not for real use"),
    "session_hours": ("登录一次管几小时", "How many hours a sign-in lasts"),
    "upload_max_mb": ("单个文件最大多少 MB", "The largest file, in MB"),
    "proxies": (
        "前面有几层反向代理；一层 nginx 填 1，才会相信它传来的 X-Forwarded-* 头",
        "How many reverse proxies stand in front; 1 for one nginx. Only then are its X-Forwarded-* headers believed",
    ),
    "key_days": (
        "签名密钥用多少天后换下一把，提前一天公布；0 表示只用命令更换",
        "After so many days another signing key takes over, shown a day ahead; 0 = only by command",
    ),
    "host_rate": (
        "所有后台进程合起来每秒最多向同一个课程平台发几次请求；0 表示不限",
        "How many requests a second one course platform gets from all workers together at most; 0 = no limit",
    ),
    "log_days": (
        "进入记录（每次登录、打开、登记的结果）保留多少天",
        "For how many days the launch log (what became of each login, launch and registration) is kept",
    ),
    "keep_removed_days": (
        "从草稿里拿掉、哪里都不再用的文件保留多少天，之后从磁盘删除；交过的材料一直保留",
        "For how many days a file taken out of a draft and used nowhere else is kept before it is deleted from the "
        "disk; what was handed in stays",
    ),
}

HEAD = """# 设置 / Settings

由 `make fix` 根据 `lms_plugin/config.py` 生成，请勿手工修改。
Written by `make fix` from `lms_plugin/config.py`; do not edit by hand.

设置是环境变量。写错的值会让程序不启动，并说明是哪一个。不读 `.env` 文件。
Settings are environment variables. A value that does not fit stops the start and is named. No `.env` file is read.

| 变量 variable | 类型 kind | 默认 default | 含义 meaning |
|---|---|---|---|
"""


def page() -> str:
    """The whole page. Raises KeyError for a setting whose meaning nobody wrote."""
    rows = []
    for name, field in Settings.model_fields.items():
        zh, en = MEANINGS[name]
        default = field.default
        if default is PydanticUndefined:
            shown = "**必填 required**"
        elif isinstance(default, bool):
            shown = f"`{int(default)}`"
        else:
            shown = f"`{default}`"
        rows.append(f"| `NENGLI_{name.upper()}` | {KINDS[field.annotation]} | {shown} | {zh}<br>*{en}* |")
    return HEAD + "\n".join(rows) + "\n"


def main() -> int:
    """Rewrites the page when it differs."""
    text = page()
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        PAGE.write_text(text, encoding="utf-8")
        print(f"{PAGE.relative_to(HOUSE)} rewritten")
    return 0


if __name__ == "__main__":
    sys.exit(main())
