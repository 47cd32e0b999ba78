"""Writes docs/licences.md: what an installation consists of besides our own code, and under which licences.

`make fix` runs it. The list is the closure of setup.cfg's runtime requirements, read from the installed packages.
"""

import configparser
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pins
from packaging.requirements import Requirement

HOUSE = Path(__file__).resolve().parent.parent
PAGE = HOUSE / "docs" / "licences.md"

# What a package's own metadata leaves unsaid, recognised by a sentence of its licence file.
BY_SENTENCE = (
    ("MIT", "Permission is hereby granted, free of charge"),
    ("Apache-2.0", "Apache License"),
    ("BSD-3-Clause", "Neither the name of"),
    ("BSD-2-Clause", "Redistribution and use in source and binary forms"),
)
# One spelling for what packages spell in many ways.
SPELLINGS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
# Packages that may be used under any one of several licences: the one by which we do.
CHOSEN = {"pyphen": "MPL-1.1"}
COPYLEFT = re.compile(r"\bA?GPL|GNU (Affero )?General Public", re.I)

HEAD = """# 第三方许可 / Third-party licences

由 `make fix` 根据已安装的包生成，请勿手工修改。本产品自身为 Apache-2.0。
Written by `make fix` from the installed packages; do not edit by hand. The product itself is Apache-2.0.

## 随产品发布的文件 / Files that we ship

| 名称 name | 许可 licence | 在哪里 where |
|---|---|---|
| htmx | Zero-Clause BSD (0BSD) | `lms_plugin/static/vendor/` |
| axe-core | MPL-2.0 | `tests/vendor/`；仅测试用，不安装 / tests only, not installed |
| UNESCO ICT-CFT v3：名称、中文译文 / names, Chinese translation | CC BY-SA 3.0 IGO | `competencies/reference_packs/` |
| DigCompEdu：名称 / names | 注明来源可再用 / reuse with source (2011/833/EU) | `competencies/reference_packs/` |
| JY/T 0646—2022：只有名称 / names only | 没有发现开放许可 / none found | `competencies/reference_packs/` |
| CASE 1.0 JSON schema (OpenSALT) | MIT | `tests/files/case/`；仅测试用，不安装 / tests only, not installed |

## 运行所需的包 / Packages at run time

由安装程序各自取得，不随本产品分发；版本固定在 `constraints.txt`。没有 GPL 或 AGPL（测试会检查）。
psycopg 和 jwcrypto 是 LGPL：作为独立的库使用，不作修改，可自行替换，因此与 Apache-2.0 相容。
Fetched by the installer, not distributed with the product; versions are fixed in `constraints.txt`. None is GPL or AGPL
(a test looks). psycopg and jwcrypto are LGPL: used unmodified, as libraries of their own that anybody may replace,
which fits Apache-2.0. pyphen 可任选 GPL、LGPL 或 MPL 1.1，这里按 MPL 1.1 使用，不作修改。
pyphen offers GPL, LGPL or MPL 1.1; it is used by the last, unmodified.

| 包 package | 版本 version | 许可 licence |
|---|---|---|
"""

TAIL = """
## 编译好的库 / Compiled libraries inside wheels

有些包的 wheel 自带编译好的库，许可文本在各包的 `*.dist-info/licenses/` 中。值得一提的：
Some wheels bring compiled libraries; their texts lie in each package's `*.dist-info/licenses/`. Worth knowing:

- **pi-heif**：libheif、libde265（LGPL，只解码 / decoding only）。同一项目的 pillow-heif 还带有
  GPL 的 x265 编码器，因此不用 ([ADR 0016](adr/0016-heic-without-gpl.md)).
  *pillow-heif of the same project also carries x265, which is GPL; that is why it is not used.*
- **psycopg-binary**：libpq（PostgreSQL License）、OpenSSL（Apache-2.0）、Kerberos（MIT）、OpenLDAP（OLDAP-2.8）等。
  正式环境也可改用系统的 libpq / *in production the system's libpq does as well*.
- **pypdfium2**：PDFium（BSD-3-Clause）；**pikepdf**：qpdf（Apache-2.0）；**pillow**：libjpeg-turbo、libtiff、
  libwebp 等 / and others, all permissive.
"""


@dataclass(frozen=True)
class Package:
    """One package of the installation: its name, the version that is installed, its licence in one spelling."""

    name: str
    version: str
    licence: str


def licence_of(package: Distribution) -> str:
    """The licence as the package says it: by expression, field, classifier, else by its licence file; "" if not."""
    if chosen := CHOSEN.get(package.name.lower()):
        return chosen
    said = package.metadata.get("License-Expression") or package.metadata.get("License") or ""
    if said and len(said) < 80 and "\n" not in said:
        return SPELLINGS.get(said, said)
    for line in package.metadata.get_all("Classifier") or []:
        if line.startswith("License ::"):
            last = line.split("::")[-1].strip()
            return SPELLINGS.get(last, last)
    for text in licence_texts(package):
        for name, sentence in BY_SENTENCE:
            if sentence in text:
                return name
    return ""


def licence_texts(package: Distribution) -> Iterator[str]:
    """The texts of the package's licence files."""
    for file in package.files or []:
        if file.name.upper().startswith(("LICENSE", "LICENCE", "COPYING")):
            yield Path(str(file.locate())).read_text(encoding="utf-8", errors="replace")


def runtime() -> list[Package]:
    """Every package that setup.cfg's runtime requirements bring, by name. Raises RuntimeError for one not installed."""
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(HOUSE / "setup.cfg", encoding="utf-8")
    found: dict[str, str] = {}
    missing: set[str] = set()
    seen: set[str] = set()
    for line in setup["options"]["install_requires"].split("\n"):
        if line.strip():
            requirement = Requirement(line)
            pins.needed(requirement.name, frozenset(requirement.extras), found, missing, seen)
    if missing:
        raise RuntimeError(f"not installed: {', '.join(sorted(missing))}")
    return [Package(name, version, licence_of(distribution(name))) for name, version in sorted(found.items())]


def page(packages: list[Package]) -> str:
    """The whole page."""
    rows = [f"| {one.name} | {one.version} | {one.licence} |" for one in packages]
    return HEAD + "\n".join(rows) + "\n" + TAIL


def main() -> int:
    """Rewrites the page when it differs."""
    text = page(runtime())
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        PAGE.write_text(text, encoding="utf-8")
        print(f"{PAGE.relative_to(HOUSE)} rewritten")
    return 0


if __name__ == "__main__":
    sys.exit(main())
