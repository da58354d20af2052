#!/bin/sh
# Lays out the root of the image around a binary. Usage: ci/images/root.sh BINARY FOLDER
set -eu
binary=$1
root=$2

mkdir -p "$root/etc/ssl/certs" "$root/tmp"
# debug lines go, the list of dependencies (section .dep-v0) stays
strip --strip-all --keep-section=.dep-v0 -o "$root/windtunnel" "$binary"
chmod 755 "$root/windtunnel"
# The public roots for upstreams are compiled in. The file is for a kubeconfig that names no CA of its own.
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
printf 'windtunnel:x:65532:65532::/:/windtunnel\n' >"$root/etc/passwd"
printf 'windtunnel:x:65532:\n' >"$root/etc/group"
# glibc would otherwise ask services that a static program cannot load
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
chmod 644 "$root/etc/passwd" "$root/etc/group" "$root/etc/nsswitch.conf" "$root/etc/ssl/certs/ca-certificates.crt"
chmod 1777 "$root/tmp"
