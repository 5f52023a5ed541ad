/* The screen: VGA text or a framebuffer, whichever the boot loader left. */
#pragma once

#include "kernel/lib/types.h"

/* Shows text, with the commonest of a VT100's escape sequences. Nothing where there is no screen.
 */
void screen_write(const char *s, size_t n);
