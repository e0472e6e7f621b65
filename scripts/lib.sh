# Shared by the scripts of this folder, which read it with `.`; needs nothing but a POSIX shell and Python.
# shellcheck shell=sh

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
venv=$root/.venv
python=$venv/bin/python

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "$@"
    exit 1
}

# Print the newest Python from 3.11 on that is installed.
find_python() {
    for name in python3.14 python3.13 python3.12 python3.11 python3 python; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            command -v "$name"
            return 0
        fi
    done
    fail "Hamrasan needs Python 3.11 or newer, and none was found on the PATH." \
        "Debian, Ubuntu: apt-get install python3 python3-venv; Fedora: dnf install python3; macOS: brew install python"
}

make_venv() {
    base=$(find_python) || exit 1
    if ! "$base" -c 'import venv, ensurepip' >/dev/null 2>&1; then
        version=$("$base" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        fail "$base cannot make virtual environments: its modules venv and ensurepip are missing." \
            "Debian, Ubuntu: apt-get install python$version-venv   (or python3-venv)"
    fi
    say "Making a virtual environment in $venv with $base"
    "$base" -m venv --clear "$venv" || fail "The virtual environment could not be made."
}

# install_extra NAME: install Hamrasan with the extra NAME, unless that was done for this pyproject.toml in this place.
# NAME is `run` for none; `test` holds all that `run` does.
install_extra() {
    "$python" -c '' >/dev/null 2>&1 || make_venv
    wanted="$(cksum <"$root/pyproject.toml") $root"
    for done in "$venv/.installed-$1" "$venv/.installed-test"; do
        if [ -f "$done" ] && [ "$(cat "$done")" = "$wanted" ]; then
            return 0
        fi
    done
    what=$root
    [ "$1" = run ] || what="$root[$1]"
    say "Installing what Hamrasan needs into $venv"
    "$python" -m pip install --quiet --disable-pip-version-check --editable "$what" ||
        fail "Installing failed; the reason stands above."
    printf '%s\n' "$wanted" >"$venv/.installed-$1"
}
