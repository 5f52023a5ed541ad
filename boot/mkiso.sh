#!/bin/sh
# Makes an ISO that boots by BIOS and by UEFI.
# usage: boot/mkiso.sh <iso> <kernel> <initrd or ""> <kernel command line>
set -eu

iso=$1 kernel=$2 initrd=$3 cmdline=$4

# GRUB's script language would take $, quotes, ; and the like for its own.
quote() {
	printf '%s' "$1" | sed 's/[^A-Za-z0-9 _.,\/=:+@%-]/\\&/g'
}

tree=$(mktemp -d "${TMPDIR:-/tmp}/calf-iso.XXXXXX")
trap 'rm -rf "$tree"' EXIT INT TERM

mkdir -p "$tree/boot/grub" "$(dirname "$iso")"
cp "$kernel" "$tree/boot/calf"
module=
if [ -n "$initrd" ]; then
	cp "$initrd" "$tree/boot/initrd"
	module="module2 --nounzip /boot/initrd initrd"
fi
CMDLINE=$(quote "$cmdline") MODULE=$module awk '
	function put(line, mark, text,    at) {
		at = index(line, mark)
		return at ? substr(line, 1, at - 1) text substr(line, at + length(mark)) : line
	}
	/^#/ { next }
	{ print put(put($0, "@CMDLINE@", ENVIRON["CMDLINE"]), "@MODULE@", ENVIRON["MODULE"]) }
' "$(dirname "$0")/grub.cfg" >"$tree/boot/grub/grub.cfg"

if ! grub-mkrescue -o "$iso.part" "$tree" >"$tree.log" 2>&1; then
	cat "$tree.log" >&2
	rm -f "$tree.log" "$iso.part"
	exit 1
fi
rm -f "$tree.log"
mv "$iso.part" "$iso"
