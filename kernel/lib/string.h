/* Memory and strings, as the C library names them. */
#pragma once

#include "kernel/lib/compiler.h"

void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *p, int byte, size_t n);
/* The first byte of [p, p+n) that is not `byte`; NULL: all are. */
void *memchr_inv(const void *p, int byte, size_t n);

size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
/* The first c of s, or its end. */
char *strchrnul(const char *s, int c);
char *strstr(const char *s, const char *what);
size_t strspn(const char *s, const char *set);
size_t strcspn(const char *s, const char *set);
/*
 * Copies as much of `from` as fits in `size` bytes with the NUL that always ends it (where size is
 * not 0). Returns strlen(from): a result >= size says that it was cut.
 */
size_t strlcpy(char *to, const char *from, size_t size);
size_t strlcat(char *to, const char *from, size_t size);
bool strstarts(const char *s, const char *prefix);
