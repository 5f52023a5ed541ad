/* Terminal settings and requests, as Linux lays them out on x86-64 (termios(3), ioctl_tty(2)). */
#pragma once

#include "kernel/lib/types.h"

#define NCCS 19

struct termios {
	u32 iflag, oflag, cflag, lflag;
	u8 line;
	u8 cc[NCCS];
};

/* The form with speeds, of TCGETS2 and TCSETS2. */
struct termios2 {
	struct termios t;
	u32 ispeed, ospeed;
};

struct winsize {
	u16 row, col, xpixel, ypixel;
};

/* Indexes of cc. */
#define VINTR	 0
#define VQUIT	 1
#define VERASE	 2
#define VKILL	 3
#define VEOF	 4
#define VTIME	 5
#define VMIN	 6
#define VSWTC	 7
#define VSTART	 8
#define VSTOP	 9
#define VSUSP	 10
#define VEOL	 11
#define VREPRINT 12
#define VDISCARD 13
#define VWERASE	 14
#define VLNEXT	 15
#define VEOL2	 16

/* iflag */
#define IGNBRK	0000001u
#define BRKINT	0000002u
#define IGNPAR	0000004u
#define INPCK	0000020u
#define ISTRIP	0000040u
#define INLCR	0000100u
#define IGNCR	0000200u
#define ICRNL	0000400u
#define IUCLC	0001000u
#define IXON	0002000u
#define IXANY	0004000u
#define IXOFF	0010000u
#define IMAXBEL 0020000u
#define IUTF8	0040000u

/* oflag */
#define OPOST  0000001u
#define OLCUC  0000002u
#define ONLCR  0000004u
#define OCRNL  0000010u
#define ONOCR  0000020u
#define ONLRET 0000040u
#define TABDLY 0014000u
#define XTABS  0014000u

/* cflag */
#define B38400 0000017u
#define CSIZE  0000060u
#define CS8    0000060u
#define CREAD  0000200u
#define HUPCL  0002000u
#define CLOCAL 0004000u

/* lflag */
#define ISIG	0000001u
#define ICANON	0000002u
#define ECHO	0000010u
#define ECHOE	0000020u
#define ECHOK	0000040u
#define ECHONL	0000100u
#define NOFLSH	0000200u
#define TOSTOP	0000400u
#define ECHOCTL 0001000u
#define ECHOPRT 0002000u
#define ECHOKE	0004000u
#define IEXTEN	0100000u

#define TCGETS	     0x5401
#define TCSETS	     0x5402
#define TCSETSW	     0x5403
#define TCSETSF	     0x5404
#define TCGETA	     0x5405
#define TCSBRK	     0x5409
#define TCXONC	     0x540a
#define TCFLSH	     0x540b
#define TIOCEXCL     0x540c
#define TIOCNXCL     0x540d
#define TIOCSCTTY    0x540e
#define TIOCGPGRP    0x540f
#define TIOCSPGRP    0x5410
#define TIOCOUTQ     0x5411
#define TIOCSTI	     0x5412
#define TIOCGWINSZ   0x5413
#define TIOCSWINSZ   0x5414
#define TIOCMGET     0x5415
#define TIOCGSOFTCAR 0x5419
#define FIONREAD     0x541b
#define TIOCCONS     0x541d
#define TIOCNOTTY    0x5422
#define TIOCGETD     0x5424
#define TCSBRKP	     0x5425
#define TIOCGSID     0x5429
#define TIOCGPTN     0x80045430u
#define TIOCSPTLCK   0x40045431u
#define TIOCGDEV     0x80045432u
#define TIOCGPTLCK   0x80045439u
#define TIOCGPTPEER  0x5441
#define TCGETS2	     0x802c542au
#define TCSETS2	     0x402c542bu
#define TCSETSW2     0x402c542cu
#define TCSETSF2     0x402c542du
#define TIOCVHANGUP  0x5437
