/* What model.c and the operations share: the model's state changes. */
#pragma once

#include "tests/unit/model/model.h"

struct mfile *mfile_new(struct file *file, u64 bytes, bool can_write);
void mfile_put(struct mfile *f);
/* Sets a slot, with a reference of its own to the file; `own` is handed over. */
void slot_set_state(struct slot_state *s, const struct slot_state *to);
void slot_clear(struct slot_state *s);
/* Gives the slot private contents: what it shows now. */
void slot_make_own(struct slot_state *s);
/* What the slot shows; NULL: zeros. */
struct content *slot_content(struct slot_state *s);
/* How an access should end. */
enum fault_result slot_predict(const struct slot_state *s, unsigned access);
/* Forgets a process whose mm is gone. */
void proc_clear(struct mproc *p);
