#!/bin/sh
# Create the virtual environment in folder $1, unless a usable one is there.
# $2 is the interpreter; without it, the first one that is new enough is taken.
set -eu

folder=$1
chosen=${2:-}

fail() {
    echo "$1" >&2
    exit 1
}

# The interpreter is run, not looked up: a version manager's stand-in may lead nowhere.
is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

if is_new_enough "$folder/bin/python" && "$folder/bin/python" -m pip --version >/dev/null 2>&1; then
    exit 0
fi

python=
for candidate in ${chosen:-python3 python3.14 python3.13 python3.12 python3.11}; do
    if is_new_enough "$candidate"; then
        python=$candidate
        break
    fi
done

if [ -z "$python" ] && [ -n "$chosen" ]; then
    fail "$chosen is not a Python 3.11 or newer; choose another with PYTHON=..."
elif [ -z "$python" ]; then
    fail "No Python 3.11 or newer was found; install one, or name it with PYTHON=/path/to/python3."
elif ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    fail "$python cannot create virtual environments; install its venv module (on Debian and Ubuntu: apt-get install python3-venv)."
fi

echo "Creating a virtual environment in $folder with $("$python" --version)."
"$python" -m venv --clear "$folder"
