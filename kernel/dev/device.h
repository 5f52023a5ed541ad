/* The devices there are. */
#pragma once

void mem_devices_init(void);
void tty_init(void);
