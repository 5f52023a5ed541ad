/* Reads and writes that do not stop half way: short counts and EINTR are taken care of. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Reads until `len` bytes or the end. Bytes read, or -1 with errno. */
ssize_t read_full(int fd, void *buf, size_t len);

/* Writes all of it. False with errno otherwise. */
bool write_full(int fd, const void *buf, size_t len);

/*
 * Reads a whole small file into buf, as a string; what does not fit is left out. Its length, or -1
 * with errno.
 */
ssize_t read_file(const char *path, char *buf, size_t size);

/* Writes a string to an existing file, such as a knob of /proc/sys. False with errno otherwise. */
bool write_file(const char *path, const char *text);
