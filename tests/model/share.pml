/*
 * A page table shared between two address spaces, for Spin: every order of the steps that mm/tree.c,
 * mm/cow.c, mm/fork.c and mm/range.c take, with CPUs that cache as much and as long as they may.
 *
 * There
 *	trees	A and B. Each has one upper entry in a table of its own (its lock: upper_lock), a leaf
 *		table below that, and one page of memory.
 *	CPUs	0 and 1 run threads of A, 2 runs B. Each has a paging-structure entry (table and right)
 *		and a translation (frame and right). A walk may renew each at any time, in the
 *		kernel too; only a flush drops one, not even a fault.
 *	A	writes and faults on both CPUs, forks (sharing the table, or the frame alone) as often as
 *		B is not there, unmaps the whole subtree, exits
 *	B	writes, faults, reads and writes A's memory by way of the kernel (tree_find() in
 *		mm/access.c), exits; the next fork makes it anew
 *
 * Asserted
 *	read	what a CPU has cached leads to what its process wrote last: so no store is lost, seen by
 *		the other process, or followed by a read of something older, whoever did that store
 *	use	no CPU, and no reader in the kernel, has a table or frame that is free, or that the other
 *		process may change
 *	protect	a right to write that takes effect is over a table and a frame with one owner
 *	count	mapcounts are right, and nothing is left over, when A alone is there (at fork) and when
 *		nobody is; nothing is freed twice
 *	locks	who waits for another CPU's flush holds no spinlock
 *	end	nobody waits for ever (Spin's invalid end states: walks stop where they would find what is
 *		cached already, and so hide none)
 *
 * Left out: levels above (what holds of one shared level holds of the next, whose children are tables),
 * all entries but one, A and D, pins, running out of memory, entries that are none, streaks, the eager
 * copy of level 0, hand_over(), fork by B, and weak memory order. Only CPU 0 forks and unmaps: threads of A
 * differ by their CPU alone. Writers of mm->lock have no precedence. How a CPU is asked to flush is not
 * shown: it does so at some time, in the kernel too. Frames and tables are allocated where they are filled;
 * `spare` says whether tree_own_child_slow() has a table by then.
 *
 * Steps are as large as nobody can tell: what is done under a lock is one step where at most one thing in
 * it is seen without that lock (by walks, or as a mapcount), and so is a CPU's flush of itself with the step
 * before it.
 *
 * Each -DM_... leaves out something that is needed; tests/model/test_model.py says what.
 */
#define A      0
#define B      1
#define CPUS   3
#define FRAMES 4 /* number 0 is none */

#define MM(c)	(c / 2)
#define OTHER(p) (1 - p)

/* The upper entries: one a tree. */
byte up[2];
bit up_p[2], up_w[2], up_busy[2];

/* Tables: the leaf entry, and the table itself. */
byte leaf[FRAMES], table_count[FRAMES];
bit leaf_p[FRAMES], leaf_w[FRAMES], leaf_busy[FRAMES], table_live[FRAMES];

/* Spinlocks: who holds it, as CPU + 1. */
byte upper_lock[2], table_lock[FRAMES];

/* Frames of data. */
byte frame_count[FRAMES];
bit frame_live[FRAMES];

/*
 * What they hold: no two stores are of the same value, so it is enough whether a frame holds what the
 * process has written last.
 */
#define NEWEST(f, p) newest[2 * (f) + p]
bit newest[2 * FRAMES];
byte reading; /* the frame that kernel_access() is at */

/* mm->lock, held shared and exclusive. */
byte readers[2];
bit writer[2];

/* CPUs: whether one runs its tree, and what it has cached. */
bit on[CPUS], ps_w[CPUS], tlb_w[CPUS];
byte ps[CPUS], tlb[CPUS];

bit alive;    /* B is there, or not gone for good */
bit unmapped; /* A has no such area any more */

#define LOCK(l)	     \
	!l;          \
	l = c + 1
#define UNLOCK(l)    \
	assert(l == c + 1); \
	l = 0

/* Of the lowest number, so that what differs by its number alone is one state. */
#define ALLOC(n, live)                             \
	n = (!live[1] -> 1 : (!live[2] -> 2 : 3)); \
	assert(!live[n]);                          \
	live[n] = 1

/* --- caches ----------------------------------------------------------------------------------- */

#define FORGET(k)  \
	ps[k] = 0;   \
	ps_w[k] = 0; \
	tlb[k] = 0;  \
	tlb_w[k] = 0

/* Whether another CPU may have something of the tree cached. */
#define ELSEWHERE (p == A && on[1 - c])

/* What is left of mmu_flush_range() after FORGET(c). Who waits for others holds no spinlock. */
inline flush_elsewhere()
{
	d_step {
		if
		:: ELSEWHERE ->
			assert(upper_lock[p] != c + 1 && table_lock[1] != c + 1 &&
			       table_lock[2] != c + 1 && table_lock[3] != c + 1);
			FORGET(1 - c)
		:: else
		fi
	}
}

/* --- the tree --------------------------------------------------------------------------------- */

#define DROP_FRAME(f)                                       \
	assert(frame_live[f] && frame_count[f] > 0);        \
	frame_count[f]--;                                   \
	if                                                  \
	:: frame_count[f] == 0 -> frame_live[f] = 0; NEWEST(f, A) = 0; NEWEST(f, B) = 0 \
	:: else                                             \
	fi

/* tree_drop() of a table, and drop_table() */
inline drop(t)
{
	d_step {
		assert(table_live[t] && table_count[t] > 0);
		table_count[t]--;
		last = table_count[t] == 0
	};
	if
	:: last ->
		atomic {
#ifndef M_DROP_WITHOUT_LOCK
			!table_lock[t];
#endif
			DROP_FRAME(leaf[t]);
			leaf[t] = 0;
			leaf_p[t] = 0;
			leaf_w[t] = 0;
			assert(table_live[t] && !leaf_busy[t]);
			table_live[t] = 0;
			last = 0
		}
	:: else
	fi
}

/* share_table(), after the frame was counted once more: the original keeps no W. */
inline share_leaf(to, from)
{
#ifndef M_COPY_KEEPS_W
	leaf_w[from] = 0;
#endif
	ALLOC(to, table_live);
	leaf[to] = leaf[from];
	leaf_p[to] = 1;
	table_count[to] = 1
}

/* The end of unshare_table(): the new entry. The upper lock is free afterwards. */
#define STORE_UPPER           \
	up[p] = new;          \
	up_p[p] = 1;          \
	up_w[p] = 1;          \
	up_busy[p] = 0;       \
	new = 0;              \
	UNLOCK(upper_lock[p])

/* unshare_table() and the drop of the old table. The upper lock is held, and free afterwards. */
inline unshare()
{
	atomic {
		LOCK(table_lock[t]);
		frame_count[leaf[t]]++
	};
	d_step {
		share_leaf(new, t);
		UNLOCK(table_lock[t])
	};
#ifdef M_DROP_BEFORE_FLUSH
	drop(t);
#endif
	d_step {
#ifndef M_UPPER_NOT_BUSY
		up_p[p] = 0;
		up_w[p] = 0;
		up_busy[p] = 1;
#endif
#ifndef M_UNSHARE_WITHOUT_FLUSH
		FORGET(c);
#endif
		if
		:: ELSEWHERE ->
#ifndef M_LOCK_OVER_FLUSH
			UNLOCK(upper_lock[p]);
#endif
			far = 1
		:: else -> STORE_UPPER
		fi
	};
	if
	:: far ->
#ifndef M_UNSHARE_WITHOUT_FLUSH
		flush_elsewhere();
#endif
		atomic {
			LOCK(upper_lock[p]);
			STORE_UPPER;
			far = 0
		}
	:: else
	fi;
#ifndef M_DROP_BEFORE_FLUSH
	drop(t)
#endif
}

/* wait_while_busy() */
#ifdef M_NO_WAIT
#define BUSY(e) 0
#else
#define BUSY(e) (e)
#endif

/* tree_own_child_slow() */
inline own_table()
{
	atomic {
		!upper_lock[p] && !BUSY(up_busy[p]);
		if
		:: up_w[p] /* another thread was first */
#ifdef M_REARM_ANY
		:: !up_w[p] -> up_w[p] = 1
#else
		:: !up_w[p] && table_count[up[p]] == 1 -> up_w[p] = 1
		:: !up_w[p] && table_count[up[p]] != 1 ->
			assert(spare);
			LOCK(upper_lock[p]);
			t = up[p]
#endif
		fi;
		spare = 0
	};
	if
	:: t -> unshare(); t = 0
	:: else
	fi
}

#ifdef M_LEAF_DROPS_FIRST
#define DROP_AFTER_STORE(f)
#else
#define DROP_AFTER_STORE(f) DROP_FRAME(f)
#endif

/* Step store of mm/cow.c. The table is free afterwards. */
#define STORE_LEAF              \
	leaf[t] = new;          \
	leaf_p[t] = 1;          \
	leaf_w[t] = 1;          \
	leaf_busy[t] = 0;       \
	new = 0;                \
	DROP_AFTER_STORE(f);    \
	f = 0;                  \
	UNLOCK(table_lock[t])

/* write_one(), where the frame has several owners. The table is locked, and free afterwards. */
inline copy_leaf()
{
	d_step {
		f = leaf[t];
		assert(frame_live[f]);
		ALLOC(new, frame_live);
		NEWEST(new, A) = NEWEST(f, A);
		NEWEST(new, B) = NEWEST(f, B);
		frame_count[new] = 1;
#ifdef M_STORE_BEFORE_FLUSH
		leaf[t] = new;
		leaf_w[t] = 1;
#else
		leaf_p[t] = 0;
		leaf_w[t] = 0;
		leaf_busy[t] = 1;
#endif
#ifdef M_LEAF_DROPS_FIRST
		DROP_FRAME(f);
#endif
#ifndef M_LEAF_WITHOUT_FLUSH
		FORGET(c);
#endif
		if
		:: ELSEWHERE ->
			UNLOCK(table_lock[t]);
			far = 1
		:: else -> STORE_LEAF
		fi
	};
	if
	:: far ->
#ifndef M_LEAF_WITHOUT_FLUSH
		flush_elsewhere();
#endif
		atomic {
			LOCK(table_lock[t]);
			STORE_LEAF;
			far = 0
		}
	:: else
	fi
}

/* mm_fault(), from mm->lock on. One that only reads ends where the entry is there. */
inline fault()
{
	atomic {
		!writer[p] && !(p == A && unmapped);
		readers[p]++;
		spare = !up_w[p] && table_count[up[p]] != 1;
		slow = !up_w[p]
	};
	if
	:: slow -> slow = 0; own_table()
	:: else
	fi;
	atomic {
		!table_lock[up[p]] && !BUSY(leaf_busy[up[p]]);
		assert(up_w[p] && leaf_p[up[p]]);
		if
		:: skip /* a read, or another thread was first */
		:: !leaf_w[up[p]] ->
			t = up[p];
			if
#ifndef M_REUSE_ANY
			:: frame_count[leaf[t]] != 1 -> LOCK(table_lock[t])
			:: frame_count[leaf[t]] == 1 ->
#else
			:: skip ->
#endif
				leaf_w[t] = 1;
				t = 0
			fi
		fi
	};
	if
	:: t -> copy_leaf()
	:: else
	fi;
	d_step {
		readers[p]--;
		t = 0
	}
}

/* Through a translation, or the kernel's own mapping, that gives the right to. */
#define STORE(f, p)                                                            \
	assert(frame_live[f]);                                                 \
	/* nobody else reads it */                                             \
	assert(!up[OTHER(p)] || (p == A && !alive) || leaf[up[OTHER(p)]] != f); \
	assert(p == A || reading != f);                                        \
	NEWEST(1, p) = 0;                                                      \
	NEWEST(2, p) = 0;                                                      \
	NEWEST(3, p) = 0;                                                      \
	NEWEST(f, p) = 1;                                                      \
	NEWEST(f, OTHER(p)) = 0

/*
 * copy_page_part() with tree_find(), on A's memory: what is read was there at some time since it began,
 * and is written where that may be.
 */
inline kernel_access()
{
	atomic {
		c == 2 && !writer[A] && up[A] && !upper_lock[A];
		readers[A]++;
#ifndef M_READER_LETS_GO
		LOCK(upper_lock[A]);
#endif
		t = up[A];
		write = up_w[A]
	};
	atomic {
		LOCK(table_lock[t]);
#ifndef M_READER_LETS_GO
		UNLOCK(upper_lock[A]);
#endif
		assert(table_live[t]);
		reading = (leaf_p[t] -> leaf[t] : 0);
		seen = NEWEST(reading, A);
		write = write && leaf_p[t] && leaf_w[t]
	};
	atomic {
		assert(table_live[t]);
		assert(!reading || frame_live[reading] && (seen || NEWEST(reading, A)));
		if
		:: write -> STORE(reading, A)
		:: skip
		fi;
#ifndef M_READER_KEEPS_LOCK
		UNLOCK(table_lock[t]);
#endif
		readers[A]--;
		t = 0;
		reading = 0;
		seen = 0;
		write = 0
	}
}

/* --- what holds mm->lock exclusive: nobody else of that process has a spinlock ---------------------- */

/* A alone is there, and nothing is under way. */
inline check_alone()
{
	assert(table_live[1] + table_live[2] + table_live[3] == 1);
	assert(frame_live[1] + frame_live[2] + frame_live[3] == 1);
	assert(table_live[up[A]] && table_count[up[A]] == 1 && up_p[A] && !up_busy[A]);
	assert(frame_live[leaf[up[A]]] && frame_count[leaf[up[A]]] == 1);
	assert(leaf_p[up[A]] && !leaf_busy[up[A]])
}

/* mm_fork(), which shares the table or copies it. */
inline fork()
{
	atomic {
		c == 0 && !alive && !unmapped && !writer[A] && readers[A] == 0;
		writer[A] = 1;
		check_alone();
		if
		:: table_count[up[A]]++; t = 1  /* level 2 and up */
		:: frame_count[leaf[up[A]]]++ /* level 1 */
		fi
	};
	d_step {
		if
		:: t ->
#ifndef M_FORK_KEEPS_W
			up_w[A] = 0;
#endif
			up[B] = up[A]
		:: else ->
			share_leaf(up[B], up[A]);
			up_w[B] = 1
		fi;
		up_p[B] = 1;
		t = 0;
		FORGET(c)
	};
	d_step {
#ifndef M_FORK_WITHOUT_FLUSH
		FORGET(1 - c);
#endif
		NEWEST(1, B) = NEWEST(1, A);
		NEWEST(2, B) = NEWEST(2, A);
		NEWEST(3, B) = NEWEST(3, A);
		alive = 1;
		on[2] = 1;
		writer[A] = 0
	}
}

/* Unlinks the whole tree; exit, and the first step of mm_munmap() with zap_subtree(). */
#define UNLINK                              \
	!writer[p] && readers[p] == 0;      \
	writer[p] = 1;                      \
	t = up[p];                          \
	up[p] = 0;                          \
	up_p[p] = 0;                        \
	up_w[p] = 0

/* mm_munmap() */
inline munmap()
{
	atomic {
		c == 0 && !unmapped && !writer[A] && readers[A] == 0;
		UNLINK;
		unmapped = 1;
		FORGET(c)
	};
#ifdef M_UNMAP_DROPS_FIRST
	drop(t);
	flush_elsewhere();
#else
	flush_elsewhere();
	drop(t);
#endif
	d_step {
		writer[A] = 0;
		t = 0
	}
}

/* mm_drop_contents(), by the last thread */
inline drop_tree()
{
	atomic {
		UNLINK
	};
	if
	:: t -> drop(t)
	:: else
	fi;
	d_step {
		writer[p] = 0;
		t = 0;
		if
		:: p == B ->
			alive = 0;
			NEWEST(1, B) = 0;
			NEWEST(2, B) = 0;
			NEWEST(3, B) = 0
		:: else
		fi
	}
}

/* --- who runs --------------------------------------------------------------------------------- */

proctype thread(byte c; byte p)
{
	byte t, f, new;
	bit seen, write, last, far, slow, spare;

again:
	if
	:: p == B ->
end:		on[2]
	:: else
	fi;
	do
	:: atomic {
			tlb[c] && tlb_w[c];
			STORE(tlb[c], p)
		}
	:: fault()
	:: kernel_access()
	:: fork()
	:: munmap()
	:: atomic { /* mmu_forget() */
			on[c] = 0;
			FORGET(c);
			last = p == B || !on[1 - c];
			break
		}
	od;
	if
	:: last ->
		last = 0;
		drop_tree();
		if
		:: p == B -> goto again
		:: else
		fi
	:: else
	fi
}

/* What CPU c has is free, or another's to change, or not what its process wrote last. */
#define OWNED_BY(o, t) (up[o] == t && table_count[t] == 1)
#define BAD_TABLE(c)                                                           \
	(ps[c] && (!table_live[ps[c]] || OWNED_BY(OTHER(MM(c)), ps[c]) ||      \
		   (up_w[MM(c)] && ps_w[c] && table_count[ps[c]] != 1 && !writer[MM(c)])))
#define BAD_FRAME(c)                                                           \
	(tlb[c] && (!frame_live[tlb[c]] || !NEWEST(tlb[c], MM(c)) ||           \
		    (tlb_w[c] && frame_count[tlb[c]] != 1 && !writer[MM(c)])))

/* What a walk would find by what there is now. */
#define UPPER_DIFFERS(c) (ps[c] != up[MM(c)] || ps_w[c] != up_w[MM(c)])
#define LEAF_DIFFERS(c)  (tlb[c] != leaf[ps[c]] || tlb_w[c] != (leaf_w[ps[c]] && ps_w[c]))

#define WALKS(c)                                                               \
	:: atomic {                                                            \
			on[c] && up_p[MM(c)] && UPPER_DIFFERS(c);              \
			ps[c] = up[MM(c)];                                     \
			ps_w[c] = up_w[MM(c)]                                  \
		}                                                              \
	:: atomic {                                                            \
			on[c] && ps[c] && leaf_p[ps[c]] && LEAF_DIFFERS(c);    \
			tlb[c] = leaf[ps[c]];                                  \
			tlb_w[c] = leaf_w[ps[c]] && ps_w[c]                    \
		}                                                              \
	:: atomic {                                                            \
			BAD_TABLE(c) || BAD_FRAME(c);                          \
			assert(!BAD_TABLE(c));                                 \
			assert(!BAD_FRAME(c))                                  \
		}

/* Walks by each CPU, at any time, and the checks of what it has. */
proctype walks()
{
end:	do
	WALKS(0)
	WALKS(1)
	WALKS(2)
	od
}

init
{
	atomic {
		table_live[1] = 1;
		table_count[1] = 1;
		leaf[1] = 1;
		leaf_p[1] = 1;
		leaf_w[1] = 1;
		frame_live[1] = 1;
		frame_count[1] = 1;
		NEWEST(1, A) = 1;
		up[A] = 1;
		up_p[A] = 1;
		up_w[A] = 1;
		on[0] = 1;
		on[1] = 1;
		run thread(0, A);
		run thread(1, A);
		run thread(2, B);
		run walks()
	};
	/* Nobody is there any more. */
	atomic {
		!on[0] && !on[1] && !up[A] && !writer[A] && !alive;
		assert(table_live[1] + table_live[2] + table_live[3] == 0);
		assert(frame_live[1] + frame_live[2] + frame_live[3] == 0)
	}
}
