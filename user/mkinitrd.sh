#!/bin/sh
# Packs an initrd: busybox under all its names, the files of user/root, and programs.
#
# usage: mkinitrd.sh OUT BUSYBOX INIT [PROGRAM...]
#
# INIT becomes /init, each PROGRAM /bin/<its name>. The same input gives the same bytes, whoever
# builds it and whenever: names are sorted, owners are root, inodes are renumbered, times are
# SOURCE_DATE_EPOCH (default 0). There are no device nodes in it, since only root could make
# them: /dev is the kernel's to fill, and init mounts it where the kernel does not.
set -eu

[ $# -ge 3 ] || { sed -n '4s/^# //p' "$0" >&2; exit 2; }
out=$1 busybox=$2 init=$3
shift 3
here=$(cd "$(dirname "$0")" && pwd)

[ -x "$busybox" ] || {
	echo "mkinitrd.sh: no $busybox: install busybox-static (or set BUSYBOX=)" >&2
	exit 1
}

stage=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$stage" "$out.new"' EXIT INT TERM
chmod 755 "$stage"

mkdir -p "$stage/bin" "$stage/usr" "$stage/dev" "$stage/proc" "$stage/sys" "$stage/root"
mkdir -m 1777 "$stage/tmp"
ln -s bin "$stage/sbin"
ln -s ../bin "$stage/usr/bin"
ln -s ../bin "$stage/usr/sbin"
cp -R "$here/root/." "$stage/"
find "$stage/etc" -type d -exec chmod 755 {} + -o -type f -exec chmod 644 {} +

install -m 755 "$busybox" "$stage/bin/busybox"
for applet in $("$busybox" --list); do
	[ "$applet" = busybox ] || ln -s busybox "$stage/bin/$applet"
done
install -m 755 "$init" "$stage/init"
for program; do
	rm -f "$stage/bin/${program##*/}"
	install -m 755 "$program" "$stage/bin/${program##*/}"
done

find "$stage" -exec touch -h -d "@${SOURCE_DATE_EPOCH:-0}" {} +
(cd "$stage" && find . | LC_ALL=C sort |
	cpio -o -H newc --owner 0:0 --reproducible --quiet) > "$out.new"
mv "$out.new" "$out"
