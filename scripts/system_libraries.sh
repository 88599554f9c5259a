#!/bin/sh
# Install the system libraries that napari's window needs, where any is missing.
# With --virtual-display also a display for machines that have none.
# Knows Debian and Ubuntu; elsewhere it says what is needed and goes on.
set -eu

# libglib2.0-bin stands for the library that it depends on, whose own package
# has different names in different releases.
packages="libdbus-1-3 libegl1 libfontconfig1 libgl1 libgl1-mesa-dri libglib2.0-bin libglu1-mesa
    libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0
    libxcb-shape0 libxcb-xinerama0 libxkbcommon-x11-0"
if [ "${1:-}" = --virtual-display ]; then
    packages="$packages xauth xvfb"
fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "This is not Debian or Ubuntu: napari's window needs OpenGL, EGL and the XCB libraries of Qt 6${1:+, and the tests need xvfb-run}."
    exit 0
fi

missing=
for package in $packages; do
    if ! dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed; then
        missing="$missing $package"
    fi
done
if [ -z "$missing" ]; then
    exit 0
fi

if [ "$(id -u)" -eq 0 ]; then
    as_root=
elif command -v sudo >/dev/null; then
    as_root=sudo
else
    echo "These system libraries are missing, and installing them needs an administrator: apt-get install$missing" >&2
    exit 1
fi

echo "Installing system libraries:$missing"
install="env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120"
# shellcheck disable=SC2086
if ! { $as_root $install update && $as_root $install install --no-install-recommends $missing; }; then
    echo "The system libraries could not be installed; install them by hand and try again: apt-get install$missing" >&2
    exit 1
fi
