/* The page tables of processes, as /proc/pid/pagetables tells them. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/*
 * Draws the tree of tables of a process: which are its own, which are shared and with whom. False
 * with errno where the process, or the file, cannot be read.
 */
bool pagetables_draw(pid_t pid);
