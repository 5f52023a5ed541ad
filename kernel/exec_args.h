/* The strings that exec hands over: argv, envp, the name executed. */
#pragma once

#include "kernel/lib/compiler.h"

/* Strings one after the other, each with its NUL: argv's, then envp's, then the name. */
struct exec_args {
	char *buf;
	size_t len, room;
	size_t limit; /* RLIMIT_STACK / 4, pointers included */
	u32 argc, envc;
	size_t env_start, name_start; /* offsets in buf */
};

/* Where argv or envp come from: a program's memory, or the kernel's. Both NULL: an empty array. */
struct string_array {
	char *const __user *const __user *user;
	const char *const *kernel;
};

/* 0; -E2BIG, -ENOMEM, -EFAULT. exec_args_free() in any case. */
int exec_args_add(struct exec_args *a, const char *s);
/* Adds all but the first `skip` strings; *count grows by how many. */
int exec_args_add_array(struct exec_args *a, const struct string_array *from, u32 skip, u32 *count);
void exec_args_free(struct exec_args *a);
