#!/bin/sh
# Starts a container as a runtime of Kubernetes does: an image's root, its pod's volumes, not root, no capabilities, first process of
# its own. Needs root.
#
#   confined.sh PYTHON ROOT MOUNTS GROUP USER:GROUP:GROUPS MODE FOLDER PROGRAM [ARGUMENT…]
#
# PYTHON   an interpreter of this machine
# MOUNTS   a file with a line for each mount: `ro|rw SOURCE TARGET`, parents before what lies in them
# GROUP    a control group with a memory limit, or ""
# MODE     of the root: ro or rw
# FOLDER   to start in
# The environment is passed on. The process that is started here waits for the container, ends as it ends, and takes it along.
set -eu
image_path=$PATH
PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec unshare --mount --pid --fork --kill-child --propagation private sh -euc '
    enter=$1 image_path=$2 python=$3 root=$4 mounts=$5 group=$6 identity=$7 mode=$8 folder=$9
    shift 9
    [ -z "$group" ] || echo 0 >"$group/cgroup.procs"
    # Where something is to be mounted it is made, in the layer that is the container'"'"'s own.
    while read -r _ source target; do
        if [ -d "$source" ]; then mkdir -p "$root$target"; else mkdir -p "$root${target%/*}"; [ -e "$root$target" ] || : >"$root$target"; fi
    done <"$mounts"
    mount --bind "$root" "$root"
    mount -o "remount,bind,$mode" "$root"
    mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
    mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
    mount -t tmpfs -o mode=755,size=64k tmpfs "$root/dev"
    for device in null zero full random urandom; do
        : >"$root/dev/$device"
        mount --bind "/dev/$device" "$root/dev/$device"
    done
    mkdir "$root/dev/shm"
    mount -o remount,ro "$root/dev"
    mount -t tmpfs -o mode=1777,size=64m,nosuid,nodev,noexec tmpfs "$root/dev/shm"
    while read -r access source target; do
        mount --bind "$source" "$root$target"
        mount -o "remount,bind,$access,nosuid,nodev" "$root$target"
    done <"$mounts"
    exec "$python" -I "$enter" "$root" "$identity" "$folder" "$image_path" "$@"
' confined "${0%/*}/enter.py" "$image_path" "$@"
