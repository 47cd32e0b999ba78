"""What hosts print beside the fields of a registration, so that nobody has to guess which value goes where.

Chinese labels are given where a host prints them (Moodle's zh_cn language pack); the others are shown in English there.
"""

from dataclasses import dataclass

LAUNCH, LAUNCHES, LOGIN, JWKS, DOMAIN, NAME = "launch", "launches", "login", "jwks", "domain", "name"
# How hosts name themselves in launches and registrations, where it is not our own word for them.
FAMILIES = {"desire2learn": "brightspace", "blackboardlearn": "blackboard", "edx": "openedx", "open-edx": "openedx"}


@dataclass(frozen=True)
class Label:
    """One field of a host's form. `value`: which of our addresses goes there; otherwise what to choose, in Chinese
    and English as the host prints it."""

    en: str
    zh: str = ""
    value: str = ""
    choose: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class Product:
    """A product's name, where its form is found (menu path as printed), its fields, and what its pages call the values
    that are to be brought back."""

    name: str
    where: tuple[str, str]
    fields: tuple[Label, ...]
    back: dict[str, tuple[str, str]]  # our field → the host's label (en, zh)


_MEMBERS = "Use this service to retrieve members' information as per privacy settings"

PRODUCTS: dict[str, Product] = {
    "moodle": Product(
        "Moodle",
        (
            "Site administration → Plugins → External tool → Manage tools → configure a tool manually",
            "网站管理 → 插件 → 活动模块 → 外部工具 → 管理工具 → 手动配置一个工具",
        ),
        (
            Label("Tool name", "工具名", NAME),
            Label("Tool URL", "工具URL", LAUNCH),
            Label("LTI version", "LTI 版本", choose=("LTI 1.3", "LTI 1.3")),
            Label("Public key type", "公钥类型", choose=("密钥集 URL", "Keyset URL")),
            Label("Public keyset", "公钥集", JWKS),
            Label("Initiate login URL", "初始化登录网址", LOGIN),
            Label("Redirection URI(s)", "重定向的URI", LAUNCH),
            Label(
                "Tool configuration usage",
                "工具配置使用",
                choose=(
                    "作为一个预配置工具显示在活动选择器里",
                    "Show in activity chooser and as a preconfigured tool",
                ),
            ),
            Label("Supports Deep Linking (Content-Item Message)", choose=("勾选", "ticked")),
            Label("Content Selection URL", "", LAUNCH),
            Label(
                "IMS LTI Assignment and Grade Services",
                "IMS LTI作业和成绩服务",
                choose=("将此服务用于成绩同步和列管理", "Use this service for grade sync and column management"),
            ),
            Label("IMS LTI Names and Role Provisioning", choose=(_MEMBERS, _MEMBERS)),
            Label("Share launcher's name with tool", "与工具共享启动者的名字", choose=("总是", "Always")),
            Label("Accept grades from the tool", "接受此工具的成绩", choose=("总是", "Always")),
        ),
        {
            "site": ("Platform ID", "平台ID"),
            "client_id": ("Client ID", "客户端ID"),
            "deployment": ("Deployment ID", "部署ID"),
        },
    ),
    "openedx": Product(
        "Open edX",
        ("Studio → LTI Consumer → Edit", ""),
        (
            Label("LTI Version", choose=("LTI 1.3", "LTI 1.3")),
            Label("Launch URL, Tool Launch URL", "", LAUNCH),
            Label("Tool Initiate Login URL (OIDC)", "", LOGIN),
            Label("Registered Redirect URIs", "", LAUNCHES),
            Label("Tool Public Key Mode", choose=("Keyset URL", "Keyset URL")),
            Label("Tool Keyset URL", "", JWKS),
            Label("Names & Roles (NRPS), Enable LTI NRPS", choose=("True", "True")),
            Label("Deep linking", choose=("True", "True")),
            Label("Deep Linking Launch URL", "", LAUNCH),
            Label("Assignment and Grades", choose=("Programmatic", "Programmatic")),
            Label("Open tool in", choose=("New Window", "New Window")),
        ),
        {
            "site": ("the LMS's root address", "LMS 的根地址"),
            "client_id": ("Client ID", ""),
            "keyset": ("Keyset URL", ""),
        },
    ),
    "canvas": Product(
        "Canvas",
        ("Admin → Developer Keys → + Developer Key → + LTI Key → Manual Entry", ""),
        (
            Label("Title", "", NAME),
            Label("Redirect URIs", "", LAUNCH),
            Label("Target Link URI", "", LAUNCH),
            Label("OpenID Connect Initiation Url", "", LOGIN),
            Label("JWK Method", choose=("Public JWK URL", "Public JWK URL")),
            Label("Public JWK URL", "", JWKS),
        ),
        {
            "site": ("the address of your Canvas", "贵校 Canvas 的网址"),
            "client_id": ("Details (the number of the developer key)", ""),
            "deployment": ("Deployment Id", ""),
        },
    ),
    "brightspace": Product(
        "Brightspace",
        ("Admin Tools → Manage Extensibility → LTI Advantage → Register Tool → Standard", ""),
        (
            Label("Name", "", NAME),
            Label("Domain", "", DOMAIN),
            Label("Redirect URLs", "", LAUNCH),
            Label("OpenID Connect Login URL", "", LOGIN),
            Label("Target Link URI", "", LAUNCH),
            Label("Keyset URL", "", JWKS),
            Label(
                "Extensions",
                choose=(
                    "Assignment and Grade Services · Deep Linking · Names and Role Provisioning Services",
                    "Assignment and Grade Services · Deep Linking · Names and Role Provisioning Services",
                ),
            ),
        ),
        {
            "site": ("Issuer", ""),
            "client_id": ("Client Id", ""),
            "deployment": ("Deployment Id", ""),
        },
    ),
    "blackboard": Product(
        "Blackboard",
        ("developer.anthology.com → My Integrations; Admin → LTI Tool Providers → Register LTI 1.3/Advantage Tool", ""),
        (
            Label("Application name", "", NAME),
            Label("Domain(s)", "", DOMAIN),
            Label("Login Initiation URL", "", LOGIN),
            Label("Tool Redirect URL(s)", "", LAUNCH),
            Label("Tool JWKS URL", "", JWKS),
            Label("Signing Algorithm", choose=("RS256", "RS256")),
        ),
        {
            "client_id": ("Application ID / Client ID", ""),
            "deployment": ("Deployment ID", ""),
        },
    ),
    "other": Product(
        "LTI 1.3",
        ("", ""),
        (
            Label("Tool name", "", NAME),
            Label("Target link URI, launch URL", "", LAUNCH),
            Label("OpenID Connect (OIDC) login initiation URL", "", LOGIN),
            Label("Redirect URIs", "", LAUNCH),
            Label("Public keyset (JWKS) URL", "", JWKS),
            Label("Domain", "", DOMAIN),
        ),
        {
            "issuer": ("Issuer, Platform ID", ""),
            "client_id": ("Client ID", ""),
            "auth_url": ("Authentication request URL, authorization endpoint", ""),
            "token_url": ("Access token URL, token endpoint", ""),
            "jwks_url": ("Public keyset (JWKS) URL", ""),
            "audience": ("Audience", ""),
            "deployment": ("Deployment ID", ""),
        },
    ),
}
