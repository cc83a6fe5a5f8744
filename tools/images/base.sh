#!/bin/sh
# Makes a base image where no registry of images is reached: Debian by debootstrap and its own Python, nothing else.
#
#   tools/images/base.sh NAME FOLDER    images NAME (to run) and NAME-build (with venv), roots below FOLDER
#
# Needs root, debootstrap and buildah. MIRROR and SUITE may be given; FOLDER is kept, a second call uses its roots again.
set -eu
name=${1:?say the name of the image}
folder=${2:?say a folder for the roots}
suite=${SUITE:-bookworm}
mirror=${MIRROR:-http://deb.debian.org/debian}
here=$(dirname "$0")

# What Debian's own slim image leaves out too: documentation (copyrights stay), languages, caches, logs.
slim() {
    find "$1/usr/share/doc" -type f ! -name copyright -delete
    find "$1/usr/share/doc" -depth -type d -empty -delete
    find "$1/usr/share/doc" -type l -delete
    rm -rf "$1"/usr/share/man/* "$1"/usr/share/info/* "$1"/usr/share/locale/* "$1"/usr/share/i18n "$1"/usr/share/lintian \
        "$1"/usr/share/zoneinfo/right "$1"/usr/share/zoneinfo/posix \
        "$1"/var/cache/apt/* "$1"/var/cache/debconf/*-old "$1"/var/lib/apt/lists/* "$1"/var/log/* "$1"/var/cache/ldconfig/aux-cache
}

mkdir -p "$folder"
if [ ! -e "$folder/run.made" ]; then
    rm -rf "$folder/run"
    debootstrap --variant=minbase --include=python3,ca-certificates,tzdata "$suite" "$folder/run" "$mirror" >"$folder/debootstrap.log" 2>&1 ||
        { tail -n 5 "$folder/debootstrap.log" >&2; exit 1; }
    touch "$folder/run.made"
fi
if [ ! -e "$folder/build.made" ]; then
    rm -rf "$folder/build"
    cp -a "$folder/run" "$folder/build"
    cp -L /etc/resolv.conf "$folder/build/etc/resolv.conf"
    # Keys of what debootstrap fetched are inside; the lists are fetched anew because the other root has lost its own.
    chroot "$folder/build" sh -ec 'apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends python3-venv >/dev/null 2>&1'
    touch "$folder/build.made"
fi
for kind in run build; do
    slim "$folder/$kind"
    suffix=$([ $kind = run ] || echo -build)
    buildah bud --quiet --isolation chroot --format docker --file "$here/base.Dockerfile" --tag "$name$suffix" "$folder/$kind" >/dev/null
done
