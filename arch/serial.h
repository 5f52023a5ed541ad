/* The first serial port: a 16550 at 0x3f8. */
#pragma once

#include "kernel/lib/types.h"

/* Sends bytes as they are; waits for room in the transmitter rather than lose any. */
void serial_write(const char *s, size_t n);
/* Waits until the last byte has left: before the machine goes. */
void serial_drain(void);
/* Each byte received is handed to fn in the serial interrupt. NULL: they are dropped. */
void serial_set_receiver(void (*fn)(u8 byte));
