/* Settings of /proc/sys that belong to no room's own header. */
#pragma once

/* 0: addresses are the same at every exec; 1: stack, mappings and PIE are random; 2: the heap too.
 */
extern int randomize_va_space;
