/*
 * The first serial port, a 16550 (National Semiconductor's PC16550D data sheet): output waits for
 * the transmitter, so that no line is lost where the reader is slow; input comes by interrupt.
 */
#include "arch/serial.h"

#include "arch/irq.h"
#include "arch/x86_64/boot.h"
#include "arch/x86_64/io.h"
#include "kernel/lock.h"

#define PORT 0x3f8
#define IRQ  4

enum {
	REG_DATA = 0, /* divisor, low, while DLAB is set */
	REG_IER = 1,  /* divisor, high */
	REG_FCR = 2,
	REG_LCR = 3,
	REG_MCR = 4,
	REG_LSR = 5,
	REG_SCRATCH = 7,
};

#define IER_RECEIVED 0x01
#define FCR_ENABLE   0x07 /* FIFOs on and emptied */
#define LCR_8N1	     0x03
#define LCR_DLAB     0x80
#define MCR_DTR_RTS  0x03
#define MCR_OUT2     0x08 /* lets the interrupt through on a PC */
#define LSR_DATA     0x01
#define LSR_ROOM     0x20 /* the transmit FIFO is empty */
#define LSR_IDLE     0x40 /* and the last byte is on the wire */
#define FIFO_BYTES   16

static spinlock_t lock = SPINLOCK_INIT(LOCK_SERIAL); /* the transmitter */
static bool present;
static bool in_panic;
static void (*receiver)(u8 byte);

void serial_init(void)
{
	outb(PORT + REG_SCRATCH, 0x5a);
	if (inb(PORT + REG_SCRATCH) != 0x5a)
		return;
	outb(PORT + REG_IER, 0);
	outb(PORT + REG_LCR, LCR_DLAB);
	outb(PORT + REG_DATA, 1); /* 115200 baud */
	outb(PORT + REG_IER, 0);
	outb(PORT + REG_LCR, LCR_8N1);
	outb(PORT + REG_FCR, FCR_ENABLE);
	outb(PORT + REG_MCR, MCR_DTR_RTS | MCR_OUT2);
	present = true;
}

/* A panic's text must come out whatever held the lock, and must not wait for a dead reader. */
void serial_panic(void)
{
	in_panic = true;
}

/* False: a panic ran out of patience. */
static bool wait_for(u8 state)
{
	u64 tries = 0;

	while (!(inb(PORT + REG_LSR) & state)) {
		cpu_relax();
		if (in_panic && ++tries > 1000000)
			return false;
	}
	return true;
}

void serial_write(const char *s, size_t n) __no_lock_analysis /* a panic does without */
{
	u64 flags = 0;

	if (!present)
		return;
	if (!in_panic)
		flags = spin_lock_irq(&lock);
	while (n) {
		size_t burst = min(n, (size_t)FIFO_BYTES);

		if (!wait_for(LSR_ROOM))
			break;
		n -= burst;
		while (burst--)
			outb(PORT + REG_DATA, (u8)*s++);
	}
	if (!in_panic)
		spin_unlock_irq(&lock, flags);
}

void serial_drain(void)
{
	if (present)
		wait_for(LSR_IDLE);
}

static void serial_interrupt(void *arg)
{
	(void)arg;
	while (inb(PORT + REG_LSR) & LSR_DATA) {
		u8 byte = inb(PORT + REG_DATA);

		if (receiver)
			receiver(byte);
	}
}

void serial_set_receiver(void (*fn)(u8 byte))
{
	static bool registered;

	receiver = fn;
	if (!present || registered)
		return;
	registered = true;
	irq_register(IRQ, serial_interrupt, NULL);
	outb(PORT + REG_IER, IER_RECEIVED);
}
