/* Timers as files, as the clocks' calls see them. */
#pragma once

/* The wall clock was set: timers that go by it follow, and those that asked for it are told. */
void timerfd_clock_was_set(void);
