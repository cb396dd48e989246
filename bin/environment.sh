# Sourced by bin/tocsin and bin/check: makes a private Python environment with the pinned versions. POSIX sh.
# Needs ROOT (the checkout) and SAY (the name shown before each line).

say() { echo "$SAY: $*" >&2; }
die() { say "$*"; exit 1; }

# Install Debian packages where this account may; otherwise return 1.
debian_install() {
    command -v apt-get >/dev/null 2>&1 || return 1
    if [ "$(id -u)" = 0 ]; then as_root=""
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then as_root="sudo -n"
    else return 1; fi
    say "installing Debian packages: $*"
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null 2>&1 && return 0
    $as_root apt-get update -qq >/dev/null 2>&1
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null
}

python_ok() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

# Print the first Python that is new enough. TOCSIN_PYTHON names one.
find_python() {
    for candidate in ${TOCSIN_PYTHON:-} python3 python3.13 python3.12 python3.11 python3.14; do
        if path=$(command -v "$candidate" 2>/dev/null) && python_ok "$path"; then echo "$path"; return 0; fi
    done
    return 1
}

# The environment is made again when one of these changes, or when the checkout has moved.
fingerprint() {
    echo "$(cat "$ROOT/pyproject.toml" "$ROOT/gate/pyproject.toml" "$ROOT/simulator/pyproject.toml" "$ROOT/hatch_build.py" "$ROOT"/src/tocsin/locale/*/LC_MESSAGES/*.po | cksum) $ROOT $*"
}

# One at a time: whoever makes the folder has the lock. The lock of a process that has died is taken away.
lock() {
    waited=0
    until mkdir "$1" 2>/dev/null; do
        owner=$(cat "$1/pid" 2>/dev/null)
        if [ -n "$owner" ] && (LC_ALL=C; kill -0 "$owner") 2>&1 | grep -qi 'no such process'; then
            mv "$1" "$1.left.$$" 2>/dev/null && rm -rf "$1.left.$$"
            continue
        fi
        [ "$waited" = 0 ] && say "another command is preparing this environment; waiting for it"
        waited=$((waited + 1))
        [ "$waited" -gt 900 ] && die "waited 15 minutes; if nothing is running, remove $1"
        sleep 1
    done
    echo $$ > "$1/pid"
    trap 'rm -rf "$LOCK"' EXIT
    trap 'rm -rf "$LOCK"; exit 130' INT TERM HUP
}

unlock() { rm -rf "$LOCK"; trap - EXIT INT TERM HUP; }

# environment FOLDER GROUP...: make FOLDER hold this checkout and the dependency groups named, or do nothing if it does.
environment() {
    folder=$1; shift
    stamp=$(fingerprint "$@")
    [ "$(cat "$folder/complete" 2>/dev/null)" = "$stamp" ] && return 0
    mkdir -p "$ROOT/.tocsin" 2>/dev/null || die "cannot write to $ROOT; clone it to a folder of your own"
    LOCK="$folder.lock"
    lock "$LOCK"
    if [ "$(cat "$folder/complete" 2>/dev/null)" != "$stamp" ]; then build "$folder" "$@"; fi
    unlock
}

build() {
    folder=$1; shift
    started=$(date +%s)
    say "preparing a private Python environment in $folder (this takes a minute or two, once)"
    rm -f "$folder/complete"
    work=$(mktemp -d "${TMPDIR:-/tmp}/tocsin.XXXXXX")
    if python=$(find_python); then :
    elif command -v uv >/dev/null 2>&1; then python=3.12
    elif debian_install python3 python3-venv && python=$(find_python); then :
    else die "needs Python 3.11 or newer. Debian, Ubuntu: apt install python3 python3-venv. macOS: brew install python"; fi
    if command -v uv >/dev/null 2>&1; then
        rm -rf "$folder"
        uv venv --quiet --python "$python" "$folder" || die "uv could not make the environment"
    else
        venv_with_pip "$python" "$folder"
    fi
    "$folder/bin/python" "$ROOT/bin/pins" --list > "$work/pins" || die "pyproject.toml cannot be read"
    "$folder/bin/python" "$ROOT/bin/pins" --groups "$@" > "$work/groups"
    if command -v uv >/dev/null 2>&1; then
        uv pip install --quiet --python "$folder/bin/python" -c "$work/pins" -b "$work/pins" -r "$work/groups" -e "$ROOT/gate" -e "$ROOT/simulator" -e "$ROOT"
    else
        # Older pips take the constraints of a build from PIP_CONSTRAINT, newer ones from PIP_BUILD_CONSTRAINT.
        PIP_CONSTRAINT="$work/pins" PIP_BUILD_CONSTRAINT="$work/pins" "$folder/bin/python" -m pip install -qq \
            --disable-pip-version-check --no-compile --requirement "$work/groups" --editable "$ROOT/gate" --editable "$ROOT/simulator" --editable "$ROOT"
    fi || { rm -rf "$work"; die "the packages could not be installed (see above); the same command tries again"; }
    rm -rf "$work"
    # pip has done its work, and without it the plain installation is 20 MB smaller; the audit of a larger one needs it.
    [ $# -gt 0 ] || "$folder/bin/python" -m pip uninstall -qq -y setuptools pip >/dev/null 2>&1 || true
    [ "$(cat "$LOCK/pid" 2>/dev/null)" = $$ ] || die "another command took over; run the same command again"
    echo "$stamp" > "$folder/complete"
    say "ready after $(($(date +%s) - started)) s"
}

# Debian keeps venv's half in a package of its own.
venv_with_pip() {
    rm -rf "$2"
    if ! "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; then
        debian_install python3-venv ||
            die "$1 cannot make environments. Run: apt install python3-venv (as root), then the same command again"
    fi
    "$1" -m venv "$2" || die "$1 -m venv failed. Debian, Ubuntu: apt install python3-venv"
}
