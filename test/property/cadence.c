/*
 * cadence.c: the property test of the Cadence Coordinator: rounds of random histories, judged by an oracle.
 *
 * usage: cadence seconds seed [stop]
 *
 * Connects as PGHOST, PGUSER and PGDATABASE say, to a database that holds kam and audit.sql.  Each round adds leads,
 * lets 16 sessions work on them and on those of the round before, drains the queue, and has the oracle replay what the
 * audit triggers noted.  Exits with 1 when anything was wrong; with `stop`, as soon as a round shows something.
 */
#include "property.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* More is no help to whoever reads them. */
#define SHOWN_VIOLATIONS	25

World		world;

static pthread_mutex_t said = PTHREAD_MUTEX_INITIALIZER;
static int	violation_count;

/* ---- random numbers, text, messages ---- */

/* splitmix64 */
uint64_t
rng_next(Rng *rng)
{
	uint64_t	z = (rng->state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

int
rng_below(Rng *rng, int n)
{
	return (int) (rng_next(rng) % (uint64_t) n);
}

bool
rng_chance(Rng *rng, int percent)
{
	return rng_below(rng, 100) < percent;
}

void
text_reset(Text *text)
{
	text->used = 0;
	if (text->data != NULL)
		text->data[0] = '\0';
}

void
text_add(Text *text, const char *format,...)
{
	va_list		arguments;
	int			length;

	for (;;)
	{
		va_start(arguments, format);
		length = vsnprintf(text->data ? text->data + text->used : NULL, text->size - text->used, format, arguments);
		va_end(arguments);
		if ((size_t) length < text->size - text->used)
			break;
		text->size = (text->size + (size_t) length + 1) * 2;
		text->data = realloc(text->data, text->size);
		if (text->data == NULL)
			die("out of memory");
	}
	text->used += (size_t) length;
}

/* A time as SQL reads it, with its microseconds. */
void
text_time(Text *text, int64_t at)
{
	time_t		seconds = (time_t) (at / 1000000);
	struct tm	utc;

	gmtime_r(&seconds, &utc);
	text_add(text, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday,
			 utc.tm_hour, utc.tm_min, utc.tm_sec, (int) (at % 1000000));
}

void
die(const char *format,...)
{
	va_list		arguments;

	va_start(arguments, format);
	fputs("property: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	_exit(3);
}

void
violation(const char *format,...)
{
	va_list		arguments;

	pthread_mutex_lock(&said);
	if (violation_count++ < SHOWN_VIOLATIONS)
	{
		va_start(arguments, format);
		fputs("VIOLATION ", stdout);
		vfprintf(stdout, format, arguments);
		fputc('\n', stdout);
		fflush(stdout);
		va_end(arguments);
	}
	pthread_mutex_unlock(&said);
}

int
violations(void)
{
	int			count;

	pthread_mutex_lock(&said);
	count = violation_count;
	pthread_mutex_unlock(&said);
	return count;
}

/* ---- the server ---- */

static void
swallow_notice(void *unused, const PGresult *result)
{
}

PGconn *
connect_server(const char *name)
{
	char		options[64];
	PGconn	   *connection;

	snprintf(options, sizeof(options), "application_name='%s'", name);
	connection = PQconnectdb(options);
	if (PQstatus(connection) != CONNECTION_OK)
		die("%s", PQerrorMessage(connection));
	PQsetNoticeReceiver(connection, swallow_notice, NULL);
	return connection;
}

PGresult *
run_sql(PGconn *connection, const char *sql)
{
	PGresult   *result = PQexec(connection, sql);

	if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
		die("%s%s", PQerrorMessage(connection), sql);
	return result;
}

/* ---- the moving clock ---- */

int64_t
world_now(void)
{
	return __atomic_load_n(&world.clock, __ATOMIC_SEQ_CST);
}

int64_t
world_advance(int64_t by)
{
	return __atomic_add_fetch(&world.clock, by, __ATOMIC_SEQ_CST);
}

void
world_reach(int64_t at)
{
	int64_t		now = world_now();

	while (now < at && !__atomic_compare_exchange_n(&world.clock, &now, at, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
}

/* ---- rounds ---- */

static double
seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

/* Lets the schedules catch up until a pass changes nothing: no release that is due may be left. */
static void
drain(PGconn *connection)
{
	Text		sql = {0};
	int			pass;

	for (pass = 0; pass < 50; pass++)
	{
		PGresult   *result;
		bool		idle;

		text_reset(&sql);
		text_add(&sql, "SELECT kam.kam_tick('");
		text_time(&sql, world_now());
		text_add(&sql, "')");
		result = PQexec(connection, sql.data);
		if (PQresultStatus(result) != PGRES_TUPLES_OK)
		{
			violation("kam_tick while nothing else ran: %s", PQerrorMessage(connection));
			PQclear(result);
			break;
		}
		PQclear(result);
		text_reset(&sql);
		text_add(&sql, "SELECT count(*) FROM kam.CadenceQueue, (SELECT timestamptz '");
		text_time(&sql, world_now());
		text_add(&sql, "' AS now) AS c WHERE state = 'waiting' AND (release_at <= now OR expires_at <= now)");
		result = run_sql(connection, sql.data);
		idle = strcmp(PQgetvalue(result, 0, 0), "0") == 0;
		PQclear(result);
		if (idle && pass > 0)
			break;
	}
	if (pass == 50)
		violation("fifty passes of kam_tick leave due requests waiting (I7)");
	free(sql.data);
}

static void
run_round(PGconn *connection, pthread_t *threads, Rng *rngs, double length)
{
	double		until = seconds_now() + length;
	int			i;

	world.stop = false;
	for (i = 0; i < SESSIONS; i++)
		if (pthread_create(&threads[i], NULL, session_main, &rngs[i]) != 0)
			die("no thread");
	while (seconds_now() < until && violations() == 0)
		nanosleep(&(struct timespec) {.tv_nsec = 20000000}, NULL);
	world.stop = true;
	for (i = 0; i < SESSIONS; i++)
		pthread_join(threads[i], NULL);
	drain(connection);
	oracle_replay(connection);
	oracle_settled(connection, world_now());
	world_advance(1 + rngs[0].state % HOUR);
}

int
main(int argc, char **argv)
{
	PGconn	   *connection;
	pthread_t	threads[SESSIONS];
	Rng			rngs[SESSIONS],
				seed;
	double		started = seconds_now(),
				limit;
	bool		stop;
	int			i;

	if (argc < 3)
		die("usage: cadence seconds seed [stop]");
	limit = atof(argv[1]);
	seed.state = strtoull(argv[2], NULL, 10);
	stop = argc > 3;
	for (i = 0; i < SESSIONS; i++)
		rngs[i].state = rng_next(&seed);
	/* A Sunday in March: both ways of summer time come by within weeks. */
	world.clock = INT64_C(1772359200000000);
	connection = connect_server("property");
	while (seconds_now() - started < limit)
	{
		make_leads(connection, &seed, ++world.round);
		run_round(connection, threads, rngs, world.round == 1 ? 1.0 : 3.0);
		if (violations() > 0 && (stop || violations() > SHOWN_VIOLATIONS))
			break;
	}
	printf("%d rounds in %.0f s: %lld transactions committed, %lld rolled back, %lld retried, %lld duplicates\n", world.round, seconds_now() - started,
		   (long long) world.committed, (long long) world.rolled_back, (long long) world.retried, (long long) world.refused);
	oracle_report();
	printf("%d violations\n", violations());
	PQfinish(connection);
	return violations() > 0;
}
