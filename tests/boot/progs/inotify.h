/* What the tests of inotify have in common: folders to watch, and events as text. */
#pragma once

#include "thread.h"

#include <dirent.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#define EVENT_MAX (sizeof(struct inotify_event) + 256)

static char folder_name[64];

static void remove_all(const char *path)
{
	struct dirent *e;
	char name[600];
	DIR *d;

	if (unlink(path) == 0 || rmdir(path) == 0 || !(d = opendir(path)))
		return;
	while ((e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		remove_all(name);
	}
	closedir(d);
	rmdir(path);
}

/* Each test has a folder of its own to be in, and takes it away again. */
static void enter_folder(void)
{
	strcpy(folder_name, "/tmp/inotify.XXXXXX");
	REQUIRE(mkdtemp(folder_name));
	REQUIRE(chmod(folder_name, 0755) == 0);
	REQUIRE(chdir(folder_name) == 0);
	umask(0);
}

static void leave_folder(void)
{
	REQUIRE(chdir("/") == 0);
	remove_all(folder_name);
}

static int instance(void)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	REQUIRE(fd >= 0);
	return fd;
}

static int watch(int fd, const char *path, uint32_t mask)
{
	int wd = inotify_add_watch(fd, path, mask);

	CHECK(wd > 0);
	return wd;
}

static void make_file(const char *name)
{
	int fd = open(name, O_CREAT | O_WRONLY | O_EXCL, 0644);

	REQUIRE(fd >= 0);
	close(fd);
}

/* ---- events as text ---- */

static const char *const event_names[32] = {
    "ACCESS",	      "MODIFY",
    "ATTRIB",	      "CLOSE_WRITE",
    "CLOSE_NOWRITE",  "OPEN",
    "MOVED_FROM",     "MOVED_TO",
    "CREATE",	      "DELETE",
    "DELETE_SELF",    "MOVE_SELF",
    [13] = "UNMOUNT", [14] = "Q_OVERFLOW",
    [15] = "IGNORED", [30] = "ISDIR",
};

static char events_text[8192];
static uint32_t cookies_seen[16];

/* Cookies are numbered in the order in which they are met, from 1. */
static int cookie_number(uint32_t cookie)
{
	for (int i = 0; i < 16; i++) {
		if (cookies_seen[i] == cookie)
			return i + 1;
		if (!cookies_seen[i]) {
			cookies_seen[i] = cookie;
			return i + 1;
		}
	}
	return 99;
}

/* "wd:EVENT|EVENT name #cookie, " */
static char *write_event(char *at, const struct inotify_event *e)
{
	const char *between = "";

	at += sprintf(at, "%s%d:", at == events_text ? "" : ", ", e->wd);
	for (int bit = 0; bit < 32; bit++) {
		if (!(e->mask >> bit & 1))
			continue;
		at += sprintf(at, "%s%s", between, event_names[bit] ? event_names[bit] : "?");
		between = "|";
	}
	if (e->len)
		at += sprintf(at, " %s", e->name);
	if (e->cookie)
		at += sprintf(at, " #%d", cookie_number(e->cookie));
	return at;
}

/* All events that fd has now, which is not to be waited for. */
static const char *told(int fd)
{
	static char buf[16384] __attribute__((aligned(8)));
	char *at = events_text;
	ssize_t n;

	*at = 0;
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (char *p = buf; p < buf + n;) {
			const struct inotify_event *e = (const struct inotify_event *)p;

			if (at < events_text + sizeof(events_text) - 400)
				at = write_event(at, e);
			p += sizeof(*e) + e->len;
		}
	}
	EQ(errno, EAGAIN);
	return events_text;
}

#define TELLS(fd, want)                                                                           \
	({                                                                                        \
		const char *t_ = told(fd), *w_ = (want);                                          \
		bool same_ = !strcmp(t_, w_);                                                     \
		if (!same_) {                                                                     \
			tap_failed = 1;                                                           \
			say("# %s:%d: told \"%s\", not \"%s\"", __FILE_NAME__, __LINE__, t_, w_); \
		}                                                                                 \
		same_;                                                                            \
	})
