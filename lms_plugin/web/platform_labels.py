"""What hosts print beside the fields of a registration, so that nobody has to guess which value goes where.

Chinese labels are given where a host prints them and they could be read (Moodle's zh_cn language pack, Canvas's
zh-Hans.yml); the others are shown in English there.
"""

from dataclasses import dataclass

LAUNCH, LAUNCHES, LOGIN, JWKS, DOMAIN, NAME = "launch", "launches", "login", "jwks", "domain", "name"
ADDRESSES = frozenset({LAUNCH, LAUNCHES, LOGIN, JWKS, DOMAIN, NAME})
# How hosts name themselves in launches and registrations, where it is not our own word for them.
FAMILIES = {"desire2learn": "brightspace", "blackboardlearn": "blackboard", "edx": "openedx", "open-edx": "openedx"}


def family(product: str) -> str:
    """The product by our own word for it."""
    return FAMILIES.get(product, product)


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


def _printed(*lines: tuple[str, str] | tuple[str, str, str]) -> tuple[Label, ...]:
    """The fields of a host that prints English alone: its label, and which of our addresses goes there, or what to
    choose (in Chinese and English where it prints no word for that)."""
    return tuple(
        Label(en, value=said[0]) if said[0] in ADDRESSES else Label(en, choose=(said[0], said[-1]))
        for en, *said in lines
    )


def _back(**labels: str) -> dict[str, tuple[str, str]]:
    """Our field → that host's label."""
    return {field: (label, "") for field, label in labels.items()}


_ON = ("打开", "On")
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
        _printed(
            ("LTI Version", "LTI 1.3"),
            ("Launch URL, Tool Launch URL", LAUNCH),
            ("Tool Initiate Login URL (OIDC)", LOGIN),
            ("Registered Redirect URIs", LAUNCHES),
            ("Tool Public Key Mode", "Keyset URL"),
            ("Tool Keyset URL", JWKS),
            ("Names & Roles (NRPS), Enable LTI NRPS", "True"),
            ("Deep linking", "True"),
            ("Deep Linking Launch URL", LAUNCH),
            ("Assignment and Grades", "Programmatic"),
            (
                "Full name, Request user's full name",
                "True（不开，就由每人自己填姓名）",
                "True (else each person types it)",
            ),
            ("Open tool in", "New Window"),
        ),
        {
            "site": ("the LMS's root address", "LMS 的根地址"),
            **_back(client_id="Client ID", keyset="Keyset URL"),
        },
    ),
    "canvas": Product(
        "Canvas",
        (
            "Admin → Developer Keys → + Developer Key → + LTI Key → Manual Entry",
            "管理员 → 开发人员密钥 → 添加开发人员密钥 → LTI 密钥 → 手动输入",
        ),
        (
            Label("Title", "标题", NAME),
            Label("Redirect URIs", "重定向 URI", LAUNCH),
            Label("Target Link URI", "目标链接 URI", LAUNCH),
            Label("OpenID Connect Initiation Url", "OpenID Connect 启动 Url", LOGIN),
            Label("JWK Method", "JWK方法", choose=("公共 JWK URL", "Public JWK URL")),
            Label("Public JWK URL", "公共 JWK URL", JWKS),
            Label(
                "Can create and view assignment data in the gradebook associated with the tool",
                "可以在评分册中创建和查看与工具相关的作业数据",
                choose=_ON,
            ),
            Label(
                "Can view submission data for assignments associated with the tool",
                "可以查看与工具相关的作业的提交项数据",
                choose=_ON,
            ),
            Label(
                "Can create and update submission results for assignments associated with the tool",
                "可以创建和更新与工具相关的作业的提交结果",
                choose=_ON,
            ),
            Label(
                "Can retrieve user data associated with the context the tool is installed in",
                "可以提取与安装了工具的上下文相关的用户数据",
                choose=_ON,
            ),
            Label("Additional Settings → Privacy Level", "其他设置 → 隐私级别", choose=("公开", "Public")),
            Label("Placements", "安置", choose=("链接选择", "Link Selection")),
            Label("Placements", "安置", choose=("作业选项", "Assignment Selection")),
            Label("Select Message Type", "选择消息类型", choose=("LtiDeepLinkingRequest", "LtiDeepLinkingRequest")),
        ),
        {
            "site": ("the address of your Canvas", "贵校 Canvas 的网址"),
            "client_id": ("Details (the number of the developer key)", "详细信息（开发人员密钥下面的那个数）"),
            "deployment": ("Deployment Id", "部署Id"),
        },
    ),
    "brightspace": Product(
        "Brightspace",
        ("Admin Tools → Manage Extensibility → LTI Advantage → Register Tool → Standard", ""),
        _printed(
            ("Name", NAME),
            ("Domain", DOMAIN),
            ("Redirect URLs", LAUNCH),
            ("OpenID Connect Login URL", LOGIN),
            ("Target Link URI", LAUNCH),
            ("Keyset URL", JWKS),
            ("Extensions", "Assignment and Grade Services · Deep Linking · Names and Role Provisioning Services"),
        ),
        _back(site="Issuer", client_id="Client Id", deployment="Deployment Id"),
    ),
    "blackboard": Product(
        "Blackboard",
        ("developer.anthology.com → My Integrations; Admin → LTI Tool Providers → Register LTI 1.3/Advantage Tool", ""),
        _printed(
            ("Application name", NAME),
            ("Domain(s)", DOMAIN),
            ("Login Initiation URL", LOGIN),
            ("Tool Redirect URL(s)", LAUNCH),
            ("Tool JWKS URL", JWKS),
            ("Signing Algorithm", "RS256"),
            ("Tool Status", "Approved"),
            ("User Fields to Send", "勾选 Role in Course 和 Name", "Role in Course and Name ticked"),
            ("Allow grade service access", "Yes"),
            ("Allow Membership Service Access", "Yes"),
            ("Create Placement → Type", "Deep Linking content tool"),
            ("Create Placement → Target Link URI", LAUNCH),
        ),
        _back(client_id="Application ID / Client ID", deployment="Deployment ID"),
    ),
    "other": Product(
        "LTI 1.3",
        ("", ""),
        _printed(
            ("Tool name", NAME),
            ("Target link URI, launch URL", LAUNCH),
            ("OpenID Connect (OIDC) login initiation URL", LOGIN),
            ("Redirect URIs", LAUNCH),
            ("Public keyset (JWKS) URL", JWKS),
            ("Domain", DOMAIN),
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
