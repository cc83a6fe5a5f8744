#!/bin/sh
# Runs a program in an image's root as Kubernetes would: not root, nothing writable but /tmp, no capabilities, its own mounts.
#
#   confined.sh ROOT STATE GROUP PROGRAM [ARGUMENT…]
#
# STATE is seen as /tmp/state. GROUP is a control group with a memory limit, or "". The environment is passed on. Needs root.
# The process keeps its id all the way, so a signal to it is a signal to the program.
set -eu
root=$1 state=$2 group=$3
shift 3
image_path=$PATH
PATH=/usr/sbin:/usr/bin:/sbin:/bin
[ -z "$group" ] || echo $$ >"$group/cgroup.procs"
exec unshare --mount --propagation private sh -euc '
    root=$1 state=$2 image_path=$3
    shift 3
    mount --bind "$root" "$root"
    mount -o remount,bind,ro "$root"
    mount -t tmpfs -o size=64m,mode=1777 tmpfs "$root/tmp"
    mkdir "$root/tmp/state"
    mount --bind "$state" "$root/tmp/state"
    mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
    mount -t tmpfs -o mode=755 tmpfs "$root/dev"
    for device in null zero random urandom; do
        touch "$root/dev/$device"
        mount --bind "/dev/$device" "$root/dev/$device"
    done
    mount -o remount,ro "$root/dev"
    exec chroot "$root" /usr/bin/setpriv --reuid 65532 --regid 65532 --clear-groups --no-new-privs --bounding-set=-all \
        --inh-caps=-all /usr/bin/env PATH="$image_path" "$@"
' confined "$root" "$state" "$image_path" "$@"
