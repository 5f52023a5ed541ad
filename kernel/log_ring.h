/* The log's ring, for syslog(2) and the panic; kernel/log.h is for everybody else. */
#pragma once

#include "kernel/lib/types.h"

/* Bytes that went into the ring since boot, each line with its <level> in front. */
u64 log_written(void);
/* From now on the log takes no lock: whoever holds it will not run again. */
void log_panic(void);
