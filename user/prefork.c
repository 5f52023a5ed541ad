/*
 * The pre-forking web server: a parent loads its code and data once, forks its workers, and they
 * serve from what they inherited. Each reads much of the heap and writes little of it (its own
 * counters, buffers and sessions), so nearly all of it stays one copy for all of them.
 *
 * Requests and answers go through pipes. An answer is a checksum over the pages that the request
 * asked for, and the parent knows what it must be.
 */
#include "user/lib/crew.h"
#include "user/lib/io.h"
#include "user/lib/ledger.h"
#include "user/lib/options.h"
#include "user/lib/pattern.h"
#include "user/lib/units.h"

#include <err.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PAGES_A_REQUEST 8
#define IN_FLIGHT	4 /* requests a worker has at once, at most: all fit in its pipe */
#define FAULT_SLACK	16
#define LOOK_AFTER_MS	200 /* with no answer, so often: has a worker died? */

struct request {
	uint32_t number;
	uint32_t key; /* says which pages of the heap the answer is made from */
};

struct answer {
	uint32_t worker;
	uint32_t number;
	uint64_t sum;
};

enum { SERVED, FAULTS }; /* figures of a worker */

static uint64_t workers = 32, heap_size, requests = 6400, write_percent = 4, seed = 1;
static bool all_rows;

static uint64_t heap_pages, own_pages;
static uint64_t session_pages; /* that a request writes: enough for all own pages in the end */
static uint64_t *heap;
static int (*request_pipe)[2]; /* one a worker */
static int answer_pipe[2];

static const struct option_spec options[] = {
    {"workers", 'w', OPTION_COUNT, &workers, "N", "processes that serve", 1, 1000},
    {"heap", 's', OPTION_BYTES, &heap_size, "SIZE", "loaded before they are forked", MIB, 64 * GIB},
    {"requests", 'r', OPTION_COUNT, &requests, "N", "to serve", 1, 100000000},
    {"dirty", 'd', OPTION_COUNT, &write_percent, "P", "% of the heap that each writes", 0, 100},
    {"seed", 0, OPTION_COUNT, &seed, "N", "for contents and requests", 0, 0},
    {"all", 'a', OPTION_FLAG, &all_rows, NULL, "show all processes", 0, 0},
    {0},
};

static const struct program_spec program = {
    .name = "prefork",
    .summary = "A pre-forking web server: loads a heap, forks workers that share it and write\n"
	       "little of it, sends them requests through pipes and checks every answer.\n",
    .options = options,
    .notes = "  prefork --heap 128M --workers 8      larger and fewer\n"
	     "  prefork --dirty 100                  workers that write all: nothing is saved\n\n"
	     "exit status: 0 all checks hold, 1 one failed, 2 trouble\n",
};

static uint64_t *heap_page(uint64_t page)
{
	return heap + page * (PAGE_BYTES / sizeof(uint64_t));
}

/*
 * A worker's own pages are the first `own_pages` of the heap: the same addresses in each, private
 * from the first write on. Answers are made from the rest.
 */
static uint64_t answer_to(const struct request *r)
{
	uint64_t sum = r->number, span = heap_pages - own_pages;

	for (uint64_t i = 0; i < PAGES_A_REQUEST; i++) {
		uint64_t where = mix(((uint64_t)r->key << 8) + i);

		sum = mix(sum + heap_page(own_pages + where % span)[(where >> 40) % 512]);
	}
	return sum;
}

/* The session of a request: the next of the worker's own pages are written, round and round. */
static void write_session(uint64_t served, uint64_t worker)
{
	for (uint64_t i = 0; own_pages && i < session_pages; i++) {
		uint64_t page = (served * session_pages + i) % own_pages;

		pattern_fill(heap_page(page), pattern_key(seed, page, worker + 1));
	}
}

static uint64_t written_after(uint64_t served)
{
	return served * session_pages < own_pages ? served * session_pages : own_pages;
}

static bool check_heap(uint64_t worker, uint64_t served, char *complaint, size_t len)
{
	for (uint64_t page = 0; page < heap_pages; page++) {
		bool own = page < written_after(served);
		long at =
		    pattern_check(heap_page(page), pattern_key(seed, page, own ? worker + 1 : 0));

		if (at < 0)
			continue;
		snprintf(complaint, len, "page %llu of the heap is wrong at byte %ld",
			 (unsigned long long)page, at);
		return false;
	}
	return true;
}

static uint64_t serve(unsigned index)
{
	uint64_t served = 0;
	struct request r;

	while (read_full(request_pipe[index][0], &r, sizeof(r)) == sizeof(r)) {
		struct answer a = {.worker = index, .number = r.number, .sum = answer_to(&r)};

		write_session(served++, index);
		if (!write_full(answer_pipe[1], &a, sizeof(a)))
			break;
	}
	return served;
}

static int worker(struct crew *crew, unsigned index, void *arg)
{
	struct crew_slot *slot = &crew->slot[index];
	uint64_t faults;

	(void)arg;
	for (unsigned i = 0; i < crew->count; i++)
		close(request_pipe[i][1]); /* else nobody ever sees the end of the requests */
	slot->figure[SERVED] = 0;
	crew_meet(crew);
	faults = own_faults();
	slot->figure[SERVED] = serve(index);
	slot->figure[FAULTS] = own_faults() - faults;
	crew_meet(crew);
	return check_heap(index, slot->figure[SERVED], slot->complaint, sizeof(slot->complaint))
		   ? STATUS_OK
		   : STATUS_CHECK_FAILED;
}

static void send_request(uint64_t number)
{
	struct request r = {.number = (uint32_t)number, .key = (uint32_t)mix(seed + number)};
	int fd = request_pipe[number % workers][1];

	if (!write_full(fd, &r, sizeof(r)))
		err(STATUS_TROUBLE, "worker %u takes no request", (unsigned)(number % workers));
}

enum answer_state { ANSWER_RIGHT, ANSWER_WRONG, ANSWER_NONE };

/* Takes one answer. ANSWER_NONE where a worker has died: it may never come. */
static enum answer_state take_answer(void)
{
	struct pollfd pfd = {.fd = answer_pipe[0], .events = POLLIN};
	struct answer a;
	struct request r;

	while (poll(&pfd, 1, LOOK_AFTER_MS) <= 0)
		if (crew_lost_one())
			return ANSWER_NONE;
	if (read_full(answer_pipe[0], &a, sizeof(a)) != sizeof(a))
		errx(STATUS_TROUBLE, "an answer is cut off");
	r = (struct request){.number = a.number, .key = (uint32_t)mix(seed + a.number)};
	return a.worker == a.number % workers && a.sum == answer_to(&r) ? ANSWER_RIGHT
									: ANSWER_WRONG;
}

/* Sends all requests, takes all answers. Returns how many were wrong. */
static uint64_t do_requests(void)
{
	uint64_t sent = 0, wrong = 0;

	for (uint64_t taken = 0; taken < requests; taken++) {
		while (sent < requests && sent - taken < IN_FLIGHT * workers)
			send_request(sent++);
		switch (take_answer()) {
		case ANSWER_RIGHT:
			break;
		case ANSWER_WRONG:
			wrong++;
			break;
		case ANSWER_NONE:
			return wrong; /* crew_gather() will say who died, and how */
		}
	}
	for (uint64_t i = 0; i < workers; i++)
		close(request_pipe[i][1]);
	return wrong;
}

static void open_pipes(void)
{
	request_pipe = map_memory(workers * sizeof(*request_pipe), true, "pipes");
	for (uint64_t i = 0; i < workers; i++)
		if (pipe(request_pipe[i]) != 0)
			err(STATUS_TROUBLE, "no pipe for worker %u", (unsigned)i);
	if (pipe(answer_pipe) != 0)
		err(STATUS_TROUBLE, "no pipe for answers");
}

static void load_heap(void)
{
	uint64_t start = now_ns();

	heap = map_memory(heap_size, false, "the heap");
	for (uint64_t page = 0; page < heap_pages; page++)
		pattern_fill(heap_page(page), pattern_key(seed, page, 0));
	report_note("heap of %s loaded: %s", text_size(heap_size).s, text_time(now_ns() - start).s);
}

static void check_faults(const struct crew *crew)
{
	uint64_t sum = 0, foretold = 0, wrong = 0;

	for (uint64_t i = 0; i < workers; i++) {
		uint64_t n = written_after(crew->slot[i].figure[SERVED]);

		if (share_level() == 0)
			n = 0;
		sum += crew->slot[i].figure[FAULTS];
		foretold += n;
		wrong += crew->slot[i].figure[FAULTS] < n ||
			 crew->slot[i].figure[FAULTS] > n + FAULT_SLACK;
	}
	report_check(wrong == 0, "faults", "%s in the workers, predicted %s, within %u each",
		     text_count(sum).s, text_count(foretold).s, FAULT_SLACK);
}

/* The workers stand still after the last answer. */
static void show(struct crew *crew, uint64_t wrong, uint64_t ns)
{
	uint64_t rss = 0, pss = 0, served = 0;

	crew_measure(crew);
	report_usage(crew->rows, crew->started + 1, all_rows);
	report_saving(crew->rows, crew->started + 1);
	for (unsigned i = 0; i <= crew->started; i++) {
		rss += crew->rows[i].use.rss;
		pss += crew->rows[i].use.pss;
	}
	for (unsigned i = 0; i < crew->started; i++)
		served += crew->slot[i].figure[SERVED];
	report_check(served == requests && wrong == 0, "answers",
		     "%s of %s, %s wrong, %s a request", text_count(served).s,
		     text_count(requests).s, text_count(wrong).s, text_time(ns / requests).s);
	check_faults(crew);
	report_verdict("%llu workers look like %s and are %s: %s of RSS is saved by sharing",
		       (unsigned long long)workers, text_size(rss).s, text_size(pss).s,
		       text_share(rss > pss ? (double)(rss - pss) : 0, (double)rss).s);
}

static int experiment(void)
{
	uint64_t start, wrong;
	struct crew crew;

	signal(SIGPIPE, SIG_IGN);
	load_heap();
	open_pipes();
	crew_prepare(&crew, (unsigned)workers);
	if (!crew_start(&crew, worker, NULL))
		err(STATUS_TROUBLE, "cannot fork %u workers", (unsigned)workers);
	if (!crew_gather(&crew))
		return report_status();
	report_note("%u workers forked: %s each", (unsigned)workers,
		    text_time(crew.fork_ns / workers).s);
	crew_release(&crew);
	start = now_ns();
	wrong = do_requests();
	if (!crew_gather(&crew))
		return report_status();
	show(&crew, wrong, now_ns() - start);
	crew_release(&crew);
	if (crew_join(&crew))
		report_check(true, "contents", "every worker's heap, %s pages, byte by byte",
			     text_count(heap_pages * workers).s);
	crew_free(&crew);
	return report_status();
}

/* Without --heap: up to 32 MiB, as long as eager copying of it would fit. */
static void choose_size(void)
{
	if (!heap_size)
		heap_size = memory_choose(32 * MIB, MIB, workers + 1);
	heap_size &= ~(PAGE_BYTES - 1);
	heap_pages = heap_size / PAGE_BYTES;
	own_pages = heap_pages * write_percent / 100;
	if (own_pages == heap_pages)
		own_pages--; /* something must be there to answer from */
	session_pages = own_pages * workers / requests + 1;
	memory_require(heap_size + workers * (share_level() ? own_pages * PAGE_BYTES : heap_size));
}

int main(int argc, char **argv)
{
	options_parse(&program, argc, argv);
	choose_size();
	report_title(program.name, "%u workers over %s, each writes %u%%", (unsigned)workers,
		     text_size(heap_size).s, (unsigned)write_percent);
	return ledger_run(experiment);
}
