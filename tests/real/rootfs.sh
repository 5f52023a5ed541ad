#!/bin/sh
# Packs an initrd out of Debian packages: the packages named, what they depend on, and /init.
#
# usage: rootfs.sh OUT INIT PACKAGE...
#
# OUT is a newc cpio, gzip'ed where its name ends in .gz. Packages are fetched with apt-get from
# where this machine has its own packages from, and kept in build/rootfs/; nothing is installed, and
# root is not needed. No maintainer script is run: set_up() does what these programs want of them.
# Documentation and translations are left out, as in Debian's own slim images; each file that is
# there is as Debian made it. WITHOUT, in the environment, names more to leave out: tar's patterns;
# APP names a program that becomes /app.
set -euf

[ $# -ge 3 ] || {
	sed -n '4s/^# //p' "$0" >&2
	exit 2
}
out=$1 init=$2
shift 2
cache=$PWD/build/rootfs
mkdir -p "$cache/archives/partial" "$cache/lists/partial" "$(dirname "$out")"
exec 9>"$cache/lock"
flock 9 # apt's downloads are one's at a time
stage=$(mktemp -d "$cache/stage.XXXXXX")
trap 'rm -rf "$stage" "$out.new"' EXIT INT TERM
chmod 755 "$stage"

fail() {
	echo "rootfs: $*" >&2
	exit 1
}

for tool in apt-get dpkg-deb cpio; do
	command -v $tool >/dev/null || fail "$tool is missing; Debian's packages are only to be had on Debian"
done

# apt-get on a machine where nothing is installed: what it would install is the closure.
apt() {
	apt-get -q -y -o Dir::State::status=/dev/null -o Dir::Cache::archives="$cache/archives" \
		-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o Debug::NoLocking=1 \
		-o APT::Sandbox::User="$(id -un)" -o APT::Install-Recommends=0 -o Acquire::Retries=3 "$@"
}

# The machine's own lists of packages may be missing, or name versions that have gone.
fetch() {
	log=$stage.log
	apt install --download-only "$@" >"$log" 2>&1 && return
	lists="-o Dir::State::lists=$cache/lists"
	# shellcheck disable=SC2086
	apt $lists update >>"$log" 2>&1 && apt $lists install --download-only "$@" >>"$log" 2>&1 && return
	cat "$log" >&2
	rm -f "$log"
	fail "cannot fetch these packages: $*"
}

# The files of the closure, by apt's own names for them. It names only what it would fetch, so that
# it must not see what is there.
closure() {
	mkdir -p "$cache/none/partial"
	# shellcheck disable=SC2086
	apt $lists -o Dir::Cache::archives="$cache/none" install --print-uris "$@" |
		sed -n "s/^'[^']*' \([^ ]*\.deb\) .*/\1/p"
}

without=
for pattern in ${WITHOUT:-}; do
	without="$without --exclude=./$pattern"
done

unpack() {
	# shellcheck disable=SC2086
	dpkg-deb --fsys-tarfile "$1" | tar -x -C "$stage" --keep-directory-symlink --no-same-owner \
		--exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/info/*' \
		--exclude='./usr/share/locale/*' --exclude='./usr/share/lintian/*' --exclude='./usr/share/bug/*' \
		$without
}

# What is there before any package: a merged /usr, and where the kernel's file systems go.
lay_out() {
	for dir in bin sbin lib lib64; do
		mkdir -p "$stage/usr/$dir"
		ln -s "usr/$dir" "$stage/$dir"
	done
	for dir in dev etc proc sys root run tmp var/tmp var/log; do
		mkdir -p "$stage/$dir"
	done
	chmod 1777 "$stage/tmp" "$stage/var/tmp"
}

# name, what it is called by: the alternatives that packages would set up, best first
alternatives='
awk gawk
awk mawk
vi vim.basic
vi vim.tiny
vi nvi
cc gcc
cc tcc
pager less
pager more
editor nano
editor vim.tiny
nc nc.openbsd
nc nc.traditional
'

# What the packages' maintainer scripts would do, as far as programs look for it.
set_up() {
	[ -e "$stage/usr/bin/sh" ] || ln -s "$([ -e "$stage/usr/bin/dash" ] && echo dash || echo bash)" "$stage/usr/bin/sh"
	echo "$alternatives" | while read -r name target; do
		[ -n "$name" ] && [ -e "$stage/usr/bin/$target" ] && ! [ -e "$stage/usr/bin/$name" ] &&
			ln -s "$target" "$stage/usr/bin/$name"
	done || true
	cat >"$stage/etc/passwd" <<-END
		root:x:0:0:root:/root:$([ -e "$stage/usr/bin/bash" ] && echo /bin/bash || echo /bin/sh)
		daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
		www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
		postgres:x:100:100:PostgreSQL:/var/lib/postgresql:/bin/sh
		calf:x:1000:1000:Calf:/home/calf:/bin/sh
		nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
	END
	cat >"$stage/etc/group" <<-END
		root:x:0:
		daemon:x:1:
		adm:x:4:
		tty:x:5:
		www-data:x:33:
		postgres:x:100:
		calf:x:1000:
		nogroup:x:65534:
	END
	mkdir -p "$stage/home/calf"
	echo 'hosts: files' >"$stage/etc/nsswitch.conf"
	echo '127.0.0.1 localhost' >"$stage/etc/hosts"
	echo calf >"$stage/etc/hostname"
	install -m 755 "$init" "$stage/init"
	[ -z "${APP:-}" ] || install -m 755 "$APP" "$stage/app"
}

# Names sorted, owners root, inodes renumbered: the same packages give the same bytes.
pack() {
	for file in init ${APP:+app} etc/passwd etc/group etc/hosts etc/hostname etc/nsswitch.conf; do
		touch -d @0 "$stage/$file"
	done
	find "$stage" -type d -exec touch -d @0 {} +
	find "$stage" -type l -exec touch -h -d @0 {} +
	(cd "$stage" && find . | LC_ALL=C sort |
		cpio -o -H newc --owner 0:0 --reproducible --quiet) >"$out.new"
	case $out in
	*.gz) gzip -n -9 "$out.new" && mv "$out.new.gz" "$out.new" ;;
	esac
	mv "$out.new" "$out"
}

lists=
# What terminals are: each Debian has it, so that no package asks for it.
set -- ncurses-base "$@"
fetch "$@"
rm -f "$stage.log"
debs=$(closure "$@")
exec 9>&- # others may fetch theirs while this one unpacks
lay_out
for deb in $debs; do
	unpack "$cache/archives/$deb"
done
set_up
pack
