/* The framebuffer's letters. */
#pragma once

#include "kernel/lib/types.h"

#define FONT_FIRST  32
#define FONT_GLYPHS 96 /* the last one is a filled cell */
#define FONT_ROWS   7
#define FONT_COLS   5

extern const u8 font[FONT_GLYPHS][FONT_ROWS];
