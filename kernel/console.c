/* The console: what is written goes to the serial port and to the screen. */
#include "kernel/console.h"

#include "arch/screen.h"
#include "arch/serial.h"

void console_write(const char *s, size_t n)
{
	serial_write(s, n);
	screen_write(s, n);
}
