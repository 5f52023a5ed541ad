/*
 * The screen: a grid of characters with colours, and the escape sequences that shells and editors
 * send most (ECMA-48: CUP, CUU to CUB, ED, EL, SGR). What differs from what is shown is drawn at
 * the end of each write, on VGA's text memory or, dot by dot, on a framebuffer.
 *
 * At the bottom the text moves up by a quarter of the screen at once: a framebuffer is slow, and
 * moving it line by line would make the console the bottleneck of whatever prints.
 */
#include "arch/screen.h"

#include "arch/cpu.h"
#include "arch/x86_64/boot.h"
#include "arch/x86_64/font.h"
#include "arch/x86_64/paging.h"
#include "kernel/lib/string.h"
#include "kernel/lock.h"
#include "kernel/log.h"
#include "mm/alloc.h"

#define CELL_WIDTH  8 /* pixels; the font is stretched to twice its height */
#define CELL_HEIGHT 16
#define MAX_PARAMS  8

#define GREY_ON_BLACK 0x07

typedef u16 cell_t; /* the character, and VGA's colours in the upper byte */

static spinlock_t lock = SPINLOCK_INIT(LOCK_SERIAL); /* all below */
static bool in_panic;
static struct boot_framebuffer fb;
static volatile void *video;
static cell_t *cells, *shown;
static unsigned cols, rows, col, row;
static unsigned dirty_from, dirty_to; /* rows [from, to) may differ from what is shown */
static u8 colours = GREY_ON_BLACK;
static bool reversed;

static enum { TEXT, ESCAPE, SEQUENCE } state;
static unsigned params[MAX_PARAMS], nr_params;
static u32 utf8_left, utf8;

static void touch(unsigned r)
{
	dirty_from = min(dirty_from, r);
	dirty_to = max(dirty_to, r + 1);
}

static cell_t blank(void)
{
	return (cell_t)(colours << 8 | ' ');
}

static void fill(unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		cells[i] = blank();
	if (from < to)
		for (unsigned r = from / cols; r <= (to - 1) / cols; r++)
			touch(r);
}

static void line_feed(void)
{
	unsigned up = max(rows / 4, 1u);

	if (++row < rows)
		return;
	memmove(cells, cells + up * cols, (rows - up) * cols * sizeof(cell_t));
	fill((rows - up) * cols, rows * cols);
	row -= up;
	dirty_from = 0;
	dirty_to = rows;
}

static void put(u8 c)
{
	u8 shade = reversed ? (u8)(colours << 4 | colours >> 4) : colours;

	if (col == cols) {
		col = 0;
		line_feed();
	}
	cells[row * cols + col++] = (cell_t)(shade << 8 | c);
	touch(row);
}

/* What stands for a character beyond ASCII: lines, blocks, or a question mark. */
static u8 stand_in(u32 code)
{
	if (code == 0x2500 || code == 0x2501 || code == 0x2550)
		return '-';
	if (code == 0x2502 || code == 0x2503 || code == 0x2551)
		return '|';
	if (code >= 0x2500 && code < 0x2580)
		return '+';
	if (code >= 0x2580 && code < 0x25a2)
		return 127;
	return '?';
}

static unsigned param(unsigned i, unsigned otherwise)
{
	return i < nr_params && params[i] ? params[i] : otherwise;
}

static void set_colours(void)
{
	/* ECMA-48 counts colours from red as 1, VGA from blue. */
	static const u8 vga[8] = {0, 4, 2, 6, 1, 5, 3, 7};

	for (unsigned i = 0; i < max(nr_params, 1u); i++) {
		unsigned p = i < nr_params ? params[i] : 0;

		if (p == 0) {
			colours = GREY_ON_BLACK;
			reversed = false;
		} else if (p == 1) {
			colours |= 0x08;
		} else if (p == 7 || p == 27) {
			reversed = p == 7;
		} else if (p >= 30 && p <= 37) {
			colours = (u8)((colours & 0xf8) | vga[p - 30]);
		} else if (p == 39) {
			colours = (u8)((colours & 0xf8) | 7);
		} else if (p >= 40 && p <= 47) {
			colours = (u8)((colours & 0x0f) | vga[p - 40] << 4);
		} else if (p == 49) {
			colours &= 0x0f;
		} else if (p >= 90 && p <= 97) {
			colours = (u8)((colours & 0xf0) | 8 | vga[p - 90]);
		} else if (p == 38 || p == 48) {
			break; /* 256 colours: not here */
		}
	}
}

static void erase(char kind)
{
	unsigned at = row * cols + min(col, cols - 1), how = param(0, 0);
	unsigned start = kind == 'J' ? 0 : row * cols;
	unsigned end = kind == 'J' ? rows * cols : (row + 1) * cols;

	fill(how == 0 ? at : start, how == 1 ? at + 1 : end);
}

static void end_sequence(char c)
{
	unsigned n = param(0, 1);

	switch (c) {
	case 'A':
		row -= min(row, n);
		break;
	case 'B':
		row = min(row + n, rows - 1);
		break;
	case 'C':
		col = min(col + n, cols - 1);
		break;
	case 'D':
		col -= min(col, n);
		break;
	case 'G':
		col = min(n, cols) - 1;
		break;
	case 'H':
	case 'f':
		row = min(n, rows) - 1;
		col = min(param(1, 1), cols) - 1;
		break;
	case 'J':
	case 'K':
		erase(c);
		break;
	case 'm':
		set_colours();
		break;
	default:
		break;
	}
}

static void sequence(u8 c)
{
	if (c >= '0' && c <= '9') {
		if (!nr_params)
			nr_params = 1;
		if (params[nr_params - 1] < 10000)
			params[nr_params - 1] = params[nr_params - 1] * 10 + (c - '0');
	} else if (c == ';') {
		if (nr_params < MAX_PARAMS)
			nr_params = max(nr_params, 1u) + 1;
		nr_params = min(nr_params, (unsigned)MAX_PARAMS);
	} else if (c >= 0x40 && c <= 0x7e) {
		state = TEXT;
		end_sequence((char)c);
	} /* else a private mark or an intermediate byte: of no effect here */
}

static void control(u8 c)
{
	switch (c) {
	case '\r':
		col = 0;
		break;
	case '\n':
		line_feed();
		break;
	case '\b':
		col -= col > 0;
		break;
	case '\t':
		col = min((col | 7) + 1, cols - 1);
		break;
	case 0x1b:
		state = ESCAPE;
		break;
	default:
		break;
	}
}

static void text(u8 c)
{
	if (utf8_left && (c & 0xc0) == 0x80) {
		utf8 = utf8 << 6 | (c & 0x3f);
		if (--utf8_left == 0)
			put(stand_in(utf8));
	} else if (c >= 0xc0) {
		utf8_left = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
		utf8 = c & (0x3fu >> utf8_left);
	} else if (c >= ' ' && c < 127) {
		put(c);
	} else {
		control(c);
	}
}

static void take(u8 c)
{
	switch (state) {
	case TEXT:
		text(c);
		break;
	case ESCAPE:
		state = c == '[' ? SEQUENCE : TEXT;
		memset(params, 0, sizeof(params));
		nr_params = 0;
		break;
	case SEQUENCE:
		sequence(c);
		break;
	}
}

/* One of VGA's sixteen colours as the framebuffer has it. */
static u32 pixel(u8 colour)
{
	u32 low = colour & 8 ? 0x55 : 0, high = colour & 8 ? 0xff : 0xaa;

	return (colour & 4 ? high : low) << fb.red_shift |
	       (colour & 2 ? high : low) << fb.green_shift |
	       (colour & 1 ? high : low) << fb.blue_shift;
}

static void draw_pixel(volatile u8 *at, u32 v)
{
	if (fb.bpp == 32) {
		*(volatile u32 *)(volatile void *)at = v;
		return;
	}
	at[0] = (u8)v;
	at[1] = (u8)(v >> 8);
	at[2] = (u8)(v >> 16);
}

static void draw_cell(unsigned at, cell_t cell)
{
	u8 c = (u8)cell;
	const u8 *glyph = font[c < FONT_FIRST || c > 127 ? '?' - FONT_FIRST : c - FONT_FIRST];
	u32 front = pixel((u8)(cell >> 8 & 0xf)), back = pixel((u8)(cell >> 12 & 0x7));
	unsigned bytes = fb.bpp / 8;
	volatile u8 *line = (volatile u8 *)video + (u64)(at / cols) * CELL_HEIGHT * fb.pitch +
			    (u64)(at % cols) * CELL_WIDTH * bytes;

	for (unsigned y = 0; y < CELL_HEIGHT; y++, line += fb.pitch) {
		unsigned bits = y / 2 < FONT_ROWS ? (unsigned)glyph[y / 2] << 1 : 0;

		for (unsigned x = 0; x < CELL_WIDTH; x++)
			draw_pixel(line + x * bytes, bits & (0x40u >> x) ? front : back);
	}
}

static void draw(void)
{
	for (unsigned i = dirty_from * cols; i < dirty_to * cols; i++) {
		if (cells[i] == shown[i])
			continue;
		shown[i] = cells[i];
		if (fb.text)
			((volatile cell_t *)video)[i] =
			    (u8)cells[i] == 127 ? (cell_t)((cells[i] & 0xff00) | 0xdb) : cells[i];
		else
			draw_cell(i, cells[i]);
	}
	dirty_from = rows;
	dirty_to = 0;
}

void screen_write(const char *s, size_t n) __no_lock_analysis /* a panic does without */
{
	u64 flags = 0;

	if (!video)
		return;
	if (!in_panic)
		flags = spin_lock_irq(&lock);
	while (n--)
		take((u8)*s++);
	draw();
	if (!in_panic)
		spin_unlock_irq(&lock, flags);
}

void screen_panic(void)
{
	in_panic = true;
}

static bool usable(const struct boot_framebuffer *f)
{
	if (!f->addr || !f->width || !f->height)
		return false;
	return f->text ||
	       ((f->bpp == 32 || f->bpp == 24) && f->pitch >= (u64)f->width * (f->bpp / 8));
}

void screen_init(const struct boot_framebuffer *f)
{
	size_t n;

	if (!usable(f))
		return;
	fb = *f;
	cols = fb.text ? fb.width : fb.width / CELL_WIDTH;
	rows = fb.text ? fb.height : fb.height / CELL_HEIGHT;
	if (cols < 2 || rows < 4)
		return;
	n = (size_t)cols * rows;
	cells = kmalloc(2 * n * sizeof(cell_t));
	if (!cells)
		return;
	shown = cells + n;
	memset(shown, 0xff, n * sizeof(cell_t));
	fill(0, (unsigned)n);
	video = device_map(fb.addr, fb.text ? n * sizeof(cell_t) : (u64)fb.pitch * fb.height);
	log_info("screen: %u by %u characters, %s", cols, rows,
		 fb.text ? "VGA text" : "framebuffer");
}
