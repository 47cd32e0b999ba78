#!/usr/bin/env bash
# Makes .venv and installs the pinned packages: `tools/venv.sh runtime` or `tools/venv.sh test`.
# Does nothing (in a few milliseconds) when what is installed is what setup.cfg and constraints.txt ask for.
# uv is used where it is on the PATH, else the system's Python with venv and pip; both honour their usual variables.
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:-runtime}
venv=.venv
stamp=$venv/installed-$what
log=var/log/install.log

wanted() { # one line that changes when anything that decides the installation changes
    { printf '%s\n' "$PWD" "$what" */__init__.py; sed -n '/^\[options/,/^\[tool/p' setup.cfg; cat constraints.txt; } | cksum
}

works() { # is this a Python of at least 3.11 that can make environments?
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    local name
    for name in ${PYTHON:-} python3.13 python3.12 python3.11 python3; do
        if works "$name"; then
            printf '%s\n' "$name"
            return
        fi
    done
    {
        echo "没有找到可用的 Python 3.11 或更高版本（需含 venv）。"
        echo "No Python of 3.11 or newer with venv was found."
        echo "  Debian / Ubuntu:  sudo apt install python3-venv"
        echo "  或 / or: 安装 uv 后重试；uv 会自行取得 Python / install uv: it fetches a Python by itself."
    } >&2
    return 1
}

usable() { "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

if usable; then
    # test includes runtime
    for done in "$stamp" "$venv/installed-test"; do
        [[ -f $done ]] || continue
        kind=${done##*-}
        if [[ "$(what=$kind wanted)" == "$(cat "$done")" ]]; then
            exit 0
        fi
    done
fi

mkdir -p "$(dirname "$log")"
: >"$log"
began=$SECONDS
target=.
[[ $what == test ]] && target='.[test]'

progress() { # a few plain lines instead of the installer's hundreds
    awk -v log_file="$log" '
        { print >> log_file; fflush(log_file) }
        /^ *(Collecting|Obtaining) / { n++; if (n % 10 == 0) { printf "      已找到 %d 个包 / %d packages found …\n", n, n; fflush() } }
        /^Installing collected packages/ { print "      正在装入 / unpacking …"; fflush() }'
}

failed() {
    {
        echo "安装没有完成，最后几行如下（全文见 $log）："
        echo "The installation did not finish; its last lines (all of it: $log):"
        tail -n 15 "$log" | sed 's/^/  | /'
        echo "网络较慢或受限时，可先设置 PIP_INDEX_URL（或 UV_INDEX_URL）为本地镜像，再运行同一命令。"
        echo "Where the network is slow or closed, set PIP_INDEX_URL (or UV_INDEX_URL) to a mirror and run the same command."
    } >&2
    exit 1
}

with_uv() {
    command -v uv >/dev/null 2>&1 || return 1
    if [[ -n ${PIP_INDEX_URL:-} && -z ${UV_INDEX_URL:-}${UV_DEFAULT_INDEX:-} ]]; then
        export UV_DEFAULT_INDEX=$PIP_INDEX_URL
    fi
    echo "[1/2] 准备 Python 环境 $venv（uv） / making $venv with uv"
    if ! usable; then
        rm -rf "$venv"
        uv venv --quiet --python "${PYTHON:-$(find_python 2>/dev/null || echo 3.12)}" "$venv" >>"$log" 2>&1 || return 1
    fi
    echo "[2/2] 安装固定版本的依赖 / installing the pinned packages"
    VIRTUAL_ENV=$PWD/$venv uv pip install --quiet --constraint constraints.txt --editable "$target" >>"$log" 2>&1
}

with_pip() {
    local python
    if ! usable || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        python=$(find_python) || exit 1
        echo "[1/2] 准备 Python 环境 $venv（$("$python" -V 2>&1)） / making $venv"
        rm -rf "$venv"
        "$python" -m venv "$venv" >>"$log" 2>&1 || failed
    else
        echo "[1/2] Python 环境 $venv 已有 / $venv is there"
    fi
    echo "[2/2] 安装固定版本的依赖（首次约一两分钟） / installing the pinned packages (a minute or two the first time)"
    "$venv/bin/python" -m pip install --disable-pip-version-check --no-input --progress-bar off \
        --constraint constraints.txt --editable "$target" 2>&1 | progress || failed
}

if ! with_uv; then
    if command -v uv >/dev/null 2>&1; then
        echo "      uv 未能完成，改用 pip / uv could not finish; using pip instead"
        tail -n 3 "$log" | sed 's/^/      | /'
    fi
    with_pip
fi
wanted >"$stamp"
echo "      安装完成，用时 $((SECONDS - began)) 秒 / installed in $((SECONDS - began)) s"
