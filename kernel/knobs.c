/* Settings of /proc/sys that belong to no room's own header. */
#include "kernel/knobs.h"

int randomize_va_space = 2;
