#!/bin/sh
# Try the README's two commands on a bare Debian that has python3, python3-venv, make, git and the
# certificates, and nothing else: tools/fresh.sh [COMMAND...]
#
# The commands are `make demo` and `make test` unless others are given. They run in a clone of what
# is committed here, as an ordinary user, in a root that is removed afterwards. This machine's
# network and pip settings (proxies, indexes, folders of wheels) hold there as well. Exits with 1 if
# a command fails.
#
# Needs root, debootstrap, 8 GB in $TMPDIR and about half an hour. SUITE and MIRROR choose another
# Debian; KEEP=1 leaves the root behind.
set -eu

project=$(cd "$(dirname "$0")/.." && pwd)
suite=${SUITE:-bookworm}
packages=python3,python3-venv,make,git,ca-certificates

stop() { printf 'fresh: %s\n' "$*" >&2; exit 1; }
say() { printf '\n== %s\n' "$*"; }

check() {
    [ "$(id -u)" = 0 ] || stop "a root file system needs root; run: sudo make fresh"
    for tool in debootstrap unshare git; do
        command -v "$tool" >/dev/null || stop "$tool is missing; run: apt install debootstrap util-linux git"
    done
}

# The first run starts the second one in a mount namespace of its own: however that ends, its mounts
# are gone before the root is removed.
outer() {
    root=$(mktemp -d "${TMPDIR:-/tmp}/splittool-fresh.XXXXXX")
    trap 'code=$?; [ "${KEEP:-}" ] && say "left in $root" || rm -rf --one-file-system "$root"; exit $code' EXIT
    trap 'end 130' INT
    trap 'end 143' TERM
    chmod 755 "$root"
    FRESH_ROOT=$root unshare --mount --pid --fork --kill-child --propagation private \
        sh "$project/tools/fresh.sh" "$@" &
    child=$!
    wait "$child"
}

# unshare itself ignores Ctrl-C; all that it started dies with it.
end() {
    kill -KILL "$child"
    wait "$child" 2>/dev/null || exit "$1"
}

mirror() {
    [ -z "${MIRROR:-}" ] || { echo "$MIRROR"; return; }
    found=$(apt-get indextargets --format '$(REPO_URI)' "Codename: $suite" 2>/dev/null | grep '^http' | head -n 1)
    echo "${found:-http://deb.debian.org/debian}"
}

# Every path that pip's settings name, in its files or in PIP_ variables: find-links, file:// indexes,
# constraints, certificates.
pip_files() {
    for file in /etc/pip.conf /etc/xdg/pip/pip.conf "$HOME/.config/pip/pip.conf" "$HOME/.pip/pip.conf" "${PIP_CONFIG_FILE:-}"; do
        [ -z "$file" ] || [ ! -f "$file" ] || echo "$file"
    done
}
pip_paths() {
    { pip_files | while read -r file; do cat "$file"; done; env | grep '^PIP_' || true; } |
        sed 's/#.*//; s/^[^=]*=//' | tr -s ' ,"'"'" '\n' | sed -n 's|^file://||; s|/*$||; /^\/./p' | sort -u
}

# An index's pages point to ../../files: what lies beside it belongs to it.
expose() {
    path=$1
    [ -e "$path" ] || return 0
    case $path in */simple) path=$(dirname "$path") ;; esac
    if [ -d "$path" ]; then
        mkdir -p "$root$path"
        mountpoint -q "$root$path" || mount --bind -o ro "$path" "$root$path"
    else
        mkdir -p "$root$(dirname "$path")"
        cp -L "$path" "$root$path"
    fi
}

take_settings() {
    for file in /etc/resolv.conf /etc/hosts; do
        cp -L "$file" "$root$file"
    done
    pip_files | while read -r file; do
        case $file in "$HOME"/*) copy=$root/home/newcomer/${file#"$HOME"/} ;; *) copy=$root$file ;; esac
        mkdir -p "$(dirname "$copy")"
        cp "$file" "$copy"
    done
    { pip_paths; echo "${SSL_CERT_FILE:-}"; } | while read -r path; do
        [ -z "$path" ] || expose "$path"
    done
}

mount_system() {
    mount -t proc proc "$root/proc"
    mount --rbind -o ro /sys "$root/sys"
    mount --rbind /dev "$root/dev"
}

# Run a command in the clone, as somebody whose environment holds the network's settings and no more.
newcomer() {
    env | grep -i -E '^(PIP_[A-Z_]*|[a-z]*_proxy|SSL_CERT_FILE|REQUESTS_CA_BUNDLE)=' >"$root/environment" || true
    set -- env -i HOME=/home/newcomer USER=newcomer PATH=/usr/local/bin:/usr/bin:/bin \
        sh -c 'while IFS= read -r line; do export "$line"; done </environment; cd /home/newcomer/splittool && eval "$1"' sh "$1"
    chroot --userspec=newcomer:newcomer "$root" "$@"
}

inner() {
    root=$FRESH_ROOT
    say "debian $suite with $packages"
    debootstrap --variant=minbase --include="$packages" "$suite" "$root" "$(mirror)" >"$root/debootstrap.log" 2>&1 ||
        { tail -n 20 "$root/debootstrap.log" >&2; stop "debootstrap failed"; }
    chroot "$root" useradd --create-home newcomer
    git clone --quiet --no-hardlinks "$project" "$root/home/newcomer/splittool"
    commit=$(git -C "$root/home/newcomer/splittool" rev-parse --short HEAD)
    take_settings
    mount_system
    chroot "$root" chown -R newcomer:newcomer /home/newcomer
    summary= failed=0
    for command in "$@"; do
        say "$command"
        started=$(date +%s)
        if newcomer "$command"; then verdict=ok; else verdict="FAILED with $?"; failed=1; fi
        summary="$summary
$command: $verdict after $(($(date +%s) - started)) s"
    done
    say "commit $commit, $(chroot "$root" python3 --version)$summary"
    exit "$failed"
}

check
[ $# -gt 0 ] || set -- "make demo" "make test"
if [ -n "${FRESH_ROOT:-}" ]; then inner "$@"; else outer "$@"; fi
