/*
 * worker/outbox.c: see outbox.h.
 *
 * A turn looks which endpoints have something due, takes it in one transaction
 * that says "on its way", and hands it to the courier (net/courier.c) when that
 * has committed; what came of deliveries is written in one transaction too.
 * Nothing waits: a receiver that does not answer holds its own few deliveries
 * and nobody else's.  Rules stand in sql/75_outbox.sql.
 *
 * Keys are read for each delivery, so that one that was exchanged counts at
 * once, and wiped after it.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "kam.h"
#include "pg/sign.h"
#include "store/store.h"
#include "worker/network.h"
#include "worker/outbox.h"
/* after the server's headers */
#include "net/courier.h"
#include "net/secret.h"

#define DELIVERER 1				/* the slot whose worker delivers */
#define MOST_ON_THEIR_WAY 256
#define ALWAYS_PER_ENDPOINT 4	/* whatever others have on their way: receivers that hang must not use up everybody's room */
#define MOST_AT_ONCE 64			/* taken in one transaction of one endpoint */

#define LOOK_APART_MS 20		/* between two looks, however often it is woken */
#define LOOK_IDLE_MS 1000		/* news may be written without a wake */
#define LOOK_LOCKED_MS 200		/* something is due that could not be taken, or settled */
#define TROUBLE_PAUSE_MS 5000	/* after a transaction that failed */

#define ANSWER_KEPT 1000		/* bytes of an answer */
#define SHEET_MOST (10 * 1024 * 1024)
#define SHEET_TIMEOUT_S 60
#define MOST_SHEETS 4
#define KEY_PREFIX "endpoint."

/* A delivery under way or ended, in a memory context of its own. */
typedef struct Parcel
{
	struct Parcel *next;
	MemoryContext context;
	int64		id;				/* notification_id or import_id */
	bool		sheet;
	char	   *endpoint;
	char	   *secret;			/* that stands in the URL, to strike it out of what comes back; NULL: none */
	KamDelivery *delivery;		/* NULL when it never began */
	bool		ended;
	KamSettlement result;
	bool		settled;
} Parcel;

/* What is kept of an endpoint from look to look: its pace. */
typedef struct Pace
{
	struct Pace *next;
	TimestampTz begin_at;		/* the next one not before */
	char		endpoint[FLEXIBLE_ARRAY_MEMBER];
} Pace;

static MemoryContext outbox_context = NULL;
static Parcel *parcels = NULL;
static Pace *paces = NULL;
static bool recovered = false;
static bool any_endpoint = true;	/* until a look shows that there is none */
static bool wanted = false;		/* woken since the last look */
static TimestampTz last_look = 0;
static TimestampTz next_look = 0;
static TimestampTz settle_at = 0;	/* not before */

/* ---- small things ------------------------------------------------------------------- */

static TimestampTz
in_ms(TimestampTz from, int64 ms)
{
	return TimestampTzPlusMilliseconds(from, ms);
}

static void
look_not_after(TimestampTz at)
{
	if (at < next_look)
		next_look = at;
}

/* Deliveries to an endpoint; NULL: all of them, sheets included. */
static int
on_their_way(const char *endpoint)
{
	int			count = 0;

	for (const Parcel *parcel = parcels; parcel; parcel = parcel->next)
		count += endpoint == NULL || (!parcel->sheet && strcmp(parcel->endpoint, endpoint) == 0);
	return count;
}

static int
sheets_on_their_way(void)
{
	int			count = 0;

	for (const Parcel *parcel = parcels; parcel; parcel = parcel->next)
		count += parcel->sheet;
	return count;
}

static Pace *
pace_of(const char *endpoint)
{
	Pace	   *pace;

	for (pace = paces; pace; pace = pace->next)
		if (strcmp(pace->endpoint, endpoint) == 0)
			return pace;
	pace = MemoryContextAllocZero(outbox_context, offsetof(Pace, endpoint) + strlen(endpoint) + 1);
	strcpy(pace->endpoint, endpoint);
	pace->next = paces;
	paces = pace;
	return pace;
}

static Parcel *
new_parcel(int64 id, const char *endpoint, bool sheet)
{
	MemoryContext context = AllocSetContextCreate(outbox_context, "kam parcel", ALLOCSET_SMALL_SIZES);
	Parcel	   *parcel = MemoryContextAllocZero(context, sizeof(Parcel));

	parcel->context = context;
	parcel->id = parcel->result.id = id;
	parcel->endpoint = MemoryContextStrdup(context, endpoint);
	parcel->sheet = sheet;
	parcel->result.retry_after_s = -1;
	parcel->next = parcels;
	parcels = parcel;
	return parcel;
}

static void
free_parcel(Parcel *parcel)
{
	kam_delivery_free(parcel->delivery);
	if (parcel->secret != NULL)
		kam_secret_wipe(parcel->secret, strlen(parcel->secret));
	MemoryContextDelete(parcel->context);
}

void
kam_outbox_drop(void)
{
	while (parcels != NULL)
	{
		Parcel	   *parcel = parcels;

		parcels = parcel->next;
		free_parcel(parcel);
	}
	recovered = false;
	next_look = settle_at = 0;
}

typedef struct Unsent
{
	int64	   *id;
	int			count;
} Unsent;

static void
give_back_work(void *arg)
{
	Unsent	   *unsent = arg;

	kam_store_outbox_give_back(unsent->id, unsent->count);
}

void
kam_outbox_give_back(void)
{
	Unsent		unsent = {.id = palloc_array(int64, on_their_way(NULL) + 1)};
	uint32		held = InterruptHoldoffCount;
	ErrorData  *error;

	for (Parcel *parcel = parcels; parcel; parcel = parcel->next)
	{
		if (parcel->sheet || parcel->ended || parcel->delivery == NULL || kam_delivery_handed_over(parcel->delivery))
			continue;
		/* First broken off, then said to be. */
		kam_delivery_free(parcel->delivery);
		parcel->delivery = NULL;
		parcel->ended = true;
		unsent.id[unsent.count++] = parcel->id;
	}
	if (unsent.count == 0)
		return;
	/* The order to go would end this transaction too.  It waits for no row: what it cannot do at once stays in doubt. */
	InterruptHoldoffCount++;
	if (kam_unit_run("outbox", give_back_work, &unsent, CurrentMemoryContext, &error) == KAM_UNIT_FAILED)
		FreeErrorData(error);
	InterruptHoldoffCount = held;
}

void
kam_outbox_hurry(void)
{
	if (any_endpoint)
		look_not_after(in_ms(last_look, LOOK_APART_MS));
}

void
kam_outbox_reload(void)
{
	next_look = 0;
}

/* ---- how it ended ------------------------------------------------------------------------ */

/* What the receiver or libcurl said, as text that can be stored. */
static char *
storable(MemoryContext context, const char *text, size_t len)
{
	char	   *copy;
	int			at = 0;

	len = Min(len, ANSWER_KEPT);
	copy = MemoryContextAlloc(context, len + 1);
	for (size_t i = 0; i < len;)
	{
		int			width = pg_utf_mblen((const unsigned char *) text + i);

		if (i + width <= len && text[i] != '\0' && pg_utf8_islegal((const unsigned char *) text + i, width))
		{
			memcpy(copy + at, text + i, width);
			at += width;
			i += width;
		}
		else
		{
			copy[at++] = '?';
			i++;
		}
	}
	copy[at] = '\0';
	return copy;
}

/* Receivers quote what they were asked: no key of a URL is stored. */
static char *
strike_out(const Parcel *parcel, char *text)
{
	char	   *found;

	while (parcel->secret != NULL && *parcel->secret != '\0' && (found = strstr(text, parcel->secret)) != NULL)
	{
		size_t		len = strlen(parcel->secret);

		memmove(found + 1, found + len, strlen(found + len) + 1);
		*found = '*';
	}
	return text;
}

static void
end_parcel(Parcel *parcel, const char *loss, const char *words)
{
	parcel->ended = true;
	parcel->result.loss = loss;
	parcel->result.words = MemoryContextStrdup(parcel->context, words);
	settle_at = 0;
}

static void
take_receipt(Parcel *parcel)
{
	const KamReceipt *receipt = kam_delivery_receipt(parcel->delivery);
	bool		answered = receipt->loss == KAM_LOST_NOTHING && *receipt->words == '\0';

	parcel->ended = true;
	parcel->result.loss = kam_loss_name(receipt->loss);
	parcel->result.status = receipt->status;
	parcel->result.in_doubt = receipt->in_doubt;
	parcel->result.retry_after_s = receipt->retry_after_s;
	parcel->result.words = strike_out(parcel, answered ? storable(parcel->context, receipt->answer, receipt->answer_len)
									  : storable(parcel->context, receipt->words, strlen(receipt->words)));
	settle_at = 0;
}

/* ---- keys ------------------------------------------------------------------------------------ */

/* The endpoint's key, or its former one, into buffer; false when there is none. */
static bool
read_key(const char *endpoint, const char *suffix, char *buffer, bool *found, char *why, size_t why_size)
{
	char	   *name = psprintf(KEY_PREFIX "%s%s", endpoint, suffix);

	return kam_secret_read(kam_key_directory, name, buffer, KAM_KEY_LENGTH, found, why, why_size);
}

/*
 * The header with the signatures of the key, and of the one it took the place
 * of (NAME.previous), so that receivers may change theirs at leisure.  False
 * with *why when the key cannot be used, or a webhook has none.
 */
static bool
add_signatures(const KamEndpointRow *endpoint, const KamParcelRow *row, int64 now, StringInfo header, char *why, size_t why_size)
{
	static const char *const suffix[] = {"", ".previous"};
	char		key[KAM_KEY_LENGTH];
	char		signature[KAM_SIGNATURE_LENGTH];
	int			signatures = 0;

	appendStringInfoString(header, "webhook-signature: ");
	for (int i = 0; i < lengthof(suffix); i++)
	{
		bool		found;
		bool		ok;

		if (!read_key(endpoint->endpoint, suffix[i], key, &found, why, why_size))
		{
			if (found || (i == 0 && strcmp(endpoint->kind, "webhook") == 0))
				return false;
			continue;
		}
		ok = kam_sign_webhook(key, row->webhook_id, now, row->body, strlen(row->body), signature);
		kam_secret_wipe(key, sizeof(key));
		if (!ok)
		{
			snprintf(why, why_size, "the key is no secret of Standard Webhooks: whsec_ and 24 to 64 bytes in base64");
			return false;
		}
		appendStringInfo(header, "%s%s", signatures++ > 0 ? " " : "", signature);
	}
	if (signatures == 0)
		resetStringInfo(header);
	return true;
}

/* The URL with {key} filled in, the key kept for a while in the parcel; NULL with *why. */
static char *
fill_url(const KamEndpointRow *endpoint, Parcel *parcel, char *why, size_t why_size)
{
	const char *place = strstr(endpoint->url, "{key}");
	char		key[KAM_KEY_LENGTH];
	char	   *url;
	bool		found;

	if (place == NULL)
		return pstrdup(endpoint->url);
	if (!read_key(endpoint->endpoint, "", key, &found, why, why_size))
		return NULL;
	url = psprintf("%.*s%s%s", (int) (place - endpoint->url), endpoint->url, key, place + strlen("{key}"));
	parcel->secret = MemoryContextStrdup(parcel->context, key);
	kam_secret_wipe(key, sizeof(key));
	return url;
}

/* ---- sending --------------------------------------------------------------------------------------- */

/* Makes the courier's parcel; false with *why when it cannot be. */
static bool
pack(const KamEndpointRow *endpoint, const KamParcelRow *row, Parcel *parcel, KamParcel *out, char *password, char *why, size_t why_size)
{
	bool		mail = strcmp(endpoint->kind, "smtp") == 0;
	int64		now = kam_network_now() / USECS_PER_SEC;
	const char **header = palloc0_array(const char *, row->nheaders + 3);
	StringInfoData signatures;
	int			n = 0;
	bool		found;

	*out = (KamParcel) {
		.kind = mail ? KAM_PARCEL_MAIL : KAM_PARCEL_POST,
		.headers = header, .body = row->body, .body_len = strlen(row->body), .mail_from = row->mail_from, .mail_to = row->mail_to,
		.allow_private = endpoint->allow_private, .timeout_s = endpoint->timeout_s, .max_answer = ANSWER_KEPT,
	};
	out->url = fill_url(endpoint, parcel, why, why_size);
	if (out->url == NULL)
		return false;
	if (mail)
	{
		out->user = endpoint->username;
		out->password = password;
		return endpoint->username == NULL || read_key(endpoint->endpoint, "", password, &found, why, why_size);
	}
	for (int i = 0; i < row->nheaders; i++)
		header[n++] = row->header[i];
	header[n++] = psprintf("webhook-timestamp: " INT64_FORMAT, now);
	initStringInfo(&signatures);
	/* A key of an address that holds it is none to sign with; Slack asks for no signature. */
	if (strcmp(endpoint->kind, "slack") != 0 && strstr(endpoint->url, "{key}") == NULL &&
		!add_signatures(endpoint, row, now, &signatures, why, why_size))
		return false;
	if (signatures.len > 0)
		header[n++] = signatures.data;
	return true;
}

static void
send_parcel(const KamEndpointRow *endpoint, KamParcelRow *row)
{
	Parcel	   *parcel = new_parcel(row->notification_id, endpoint->endpoint, false);
	char		password[KAM_KEY_LENGTH] = "";
	char		why[512] = "";
	const char *fault = NULL;
	KamParcel	packed;

	/* libcurl reads it as it goes. */
	row->body = MemoryContextStrdup(parcel->context, row->body);
	if (!pack(endpoint, row, parcel, &packed, password, why, sizeof(why)))
		end_parcel(parcel, "key", why);
	else if ((parcel->delivery = kam_courier_start(kam_network_courier(), &packed, parcel, &fault)) == NULL)
		end_parcel(parcel, kam_loss_name(KAM_LOST_INTERNAL), fault);
	if (parcel->secret != NULL && packed.url != NULL)
		kam_secret_wipe(unconstify(char *, packed.url), strlen(packed.url));
	kam_secret_wipe(password, sizeof(password));
}

static void
fetch_sheet(const KamSheetRow *row)
{
	Parcel	   *parcel = new_parcel(row->import_id, "", true);
	const char *fault = NULL;
	KamParcel	packed = {
		.kind = KAM_PARCEL_FETCH, .url = row->url, .allow_private = row->allow_private, .timeout_s = SHEET_TIMEOUT_S, .max_answer = SHEET_MOST,
	};

	parcel->delivery = kam_courier_start(kam_network_courier(), &packed, parcel, &fault);
	if (parcel->delivery == NULL)
		end_parcel(parcel, kam_loss_name(KAM_LOST_INTERNAL), fault);
}

/* ---- the transactions ---------------------------------------------------------------------------------- */

typedef struct Look
{
	KamEndpointRow *endpoint;
	int			count;
	KamParcelRow **row;			/* of each endpoint */
	int		   *rows;
	int		   *asked;
	KamSheetRow *sheet;
	int			sheets;
	MemoryContext context;
} Look;

/* How many may begin there now; so many of others were taken in this look. */
static int
room_at(const KamEndpointRow *endpoint, int taken, TimestampTz now)
{
	const Pace *pace = pace_of(endpoint->endpoint);
	int			own = on_their_way(endpoint->endpoint);
	int			room = Min(endpoint->room - own, MOST_AT_ONCE);

	room = Min(room, Max(MOST_ON_THEIR_WAY - on_their_way(NULL) - taken, ALWAYS_PER_ENDPOINT - own));
	if (endpoint->pause_us > 0)
		room = pace->begin_at > now ? 0 : Min(room, 1);
	return Max(room, 0);
}

static void
look_work(void *arg)
{
	Look	   *look = arg;
	TimestampTz now = GetCurrentTimestamp();
	int			taken = 0;

	if (!recovered)
		(void) kam_store_outbox_recover();
	look->count = kam_store_endpoints(look->context, &look->endpoint);
	look->row = MemoryContextAllocZero(look->context, sizeof(KamParcelRow *) * Max(look->count, 1));
	look->rows = MemoryContextAllocZero(look->context, sizeof(int) * Max(look->count, 1));
	look->asked = MemoryContextAllocZero(look->context, sizeof(int) * Max(look->count, 1));
	for (int i = 0; i < look->count; i++)
	{
		const KamEndpointRow *endpoint = &look->endpoint[i];

		look->asked[i] = endpoint->due ? room_at(endpoint, taken, now) : 0;
		if (look->asked[i] > 0)
			look->rows[i] = kam_store_outbox_take(endpoint->endpoint, look->asked[i], look->context, &look->row[i]);
		taken += look->rows[i];
	}
	/* Whatever deliveries hang. */
	if (sheets_on_their_way() < MOST_SHEETS)
		look->sheets = kam_store_sheets_take(look->context, &look->sheet);
}

/* When to look again for this endpoint. */
static void
plan_look(const KamEndpointRow *endpoint, int asked, int taken, TimestampTz now)
{
	Pace	   *pace = pace_of(endpoint->endpoint);

	if (taken > 0 && endpoint->pause_us > 0)
		pace->begin_at = Max(pace->begin_at, now) + endpoint->pause_us;
	if (endpoint->due && taken == asked && asked > 0)
		look_not_after(Max(in_ms(now, LOOK_APART_MS), pace->begin_at));
	else if (endpoint->due && asked == 0)
		look_not_after(Max(in_ms(now, LOOK_LOCKED_MS), pace->begin_at));	/* as many as may be are on their way: the end of one looks sooner */
	else if (endpoint->due)
		look_not_after(in_ms(now, LOOK_LOCKED_MS));
	else if (endpoint->next_at != 0)
		look_not_after(Max(in_ms(now, LOOK_APART_MS), endpoint->next_at));
}

static KamUnitResult
look_round(KamWorkerSlot *entry)
{
	Look		look = {.context = CurrentMemoryContext};
	TimestampTz now = GetCurrentTimestamp();
	ErrorData  *error;
	KamUnitResult result;

	last_look = now;
	next_look = in_ms(now, LOOK_IDLE_MS);
	wanted = false;
	result = kam_unit_run("outbox", look_work, &look, CurrentMemoryContext, &error);
	if (result == KAM_UNIT_FAILED)
	{
		ereport(LOG, (errcode(error->sqlerrcode), errmsg("kam worker: outbox: %s", error->message),
					  error->context ? errcontext("%s", error->context) : 0));
		kam_slot_set_error(entry, error->message);
		FreeErrorData(error);
		next_look = in_ms(now, TROUBLE_PAUSE_MS);
	}
	if (result != KAM_UNIT_DONE)
		return result;
	recovered = true;
	any_endpoint = look.count > 0;
	for (int i = 0; i < look.count; i++)
	{
		for (int j = 0; j < look.rows[i]; j++)
			send_parcel(&look.endpoint[i], &look.row[i][j]);
		plan_look(&look.endpoint[i], look.asked[i], look.rows[i], now);
	}
	for (int i = 0; i < look.sheets; i++)
		fetch_sheet(&look.sheet[i]);
	return result;
}

typedef struct Settle
{
	Parcel	  **parcel;
	KamSettlement *result;
	bool	   *later;
	int			count;
	Parcel	   *sheet;			/* one at a time: its rows are written with it */
} Settle;

static void
settle_work(void *arg)
{
	Settle	   *settle = arg;

	if (settle->count > 0)
		kam_store_outbox_settle(settle->result, settle->count, settle->later);
	if (settle->sheet != NULL)
	{
		const KamReceipt *receipt = settle->sheet->delivery != NULL ? kam_delivery_receipt(settle->sheet->delivery) : NULL;
		bool		whole = receipt != NULL && receipt->loss == KAM_LOST_NOTHING;

		kam_store_sheet_settle(&settle->sheet->result, whole ? receipt->answer : NULL, whole ? receipt->answer_len : 0);
	}
}

static void
forget_settled(void)
{
	for (Parcel **at = &parcels; *at != NULL;)
	{
		Parcel	   *parcel = *at;

		if (!parcel->settled)
		{
			at = &parcel->next;
			continue;
		}
		*at = parcel->next;
		free_parcel(parcel);
	}
}

static KamUnitResult
settle_round(KamWorkerSlot *entry)
{
	int			most = on_their_way(NULL);
	Settle		settle = {
		.parcel = palloc0_array(Parcel *, most + 1), .result = palloc0_array(KamSettlement, most + 1), .later = palloc0_array(bool, most + 1),
	};
	TimestampTz now = GetCurrentTimestamp();
	ErrorData  *error;
	KamUnitResult result;

	for (Parcel *parcel = parcels; parcel; parcel = parcel->next)
	{
		if (!parcel->ended)
			continue;
		if (parcel->sheet)
			settle.sheet = parcel;
		else
		{
			settle.parcel[settle.count] = parcel;
			settle.result[settle.count++] = parcel->result;
		}
	}
	if (settle.count == 0 && settle.sheet == NULL)
		return KAM_UNIT_DONE;

	result = kam_unit_run("outbox", settle_work, &settle, CurrentMemoryContext, &error);
	if (result == KAM_UNIT_FAILED)
	{
		/* What came of them is not forgotten: it is told again. */
		ereport(LOG, (errcode(error->sqlerrcode), errmsg("kam worker: outbox: %s", error->message)));
		kam_slot_set_error(entry, error->message);
		FreeErrorData(error);
		settle_at = in_ms(now, TROUBLE_PAUSE_MS);
	}
	if (result != KAM_UNIT_DONE)
		return result;
	settle_at = in_ms(now, LOOK_LOCKED_MS);
	for (int i = 0; i < settle.count; i++)
		settle.parcel[i]->settled = !settle.later[i];
	if (settle.sheet != NULL)
		settle.sheet->settled = true;
	forget_settled();
	look_not_after(now);		/* there is room */
	return result;
}

/* ---- the turn ----------------------------------------------------------------------------------------------- */

/* Moves deliveries along; true when one has ended. */
static bool
listen(void)
{
	KamCourier *courier = kam_network_courier_open();
	KamDelivery *delivery;
	bool		any = false;

	if (courier == NULL)
		return false;
	kam_courier_run(courier);
	while ((delivery = kam_courier_take(courier)) != NULL)
	{
		take_receipt(kam_delivery_owner(delivery));
		any = true;
	}
	return any;
}

static bool
any_ended(void)
{
	for (const Parcel *parcel = parcels; parcel; parcel = parcel->next)
		if (parcel->ended)
			return true;
	return false;
}

KamUnitResult
kam_outbox_turn(int owner, KamWorkerSlot *entry, bool woken, bool send)
{
	KamUnitResult result = KAM_UNIT_DONE;
	static uint32 generation = 0;

	if (owner != DELIVERER)
		return result;
	if (outbox_context == NULL)
		outbox_context = AllocSetContextCreate(TopMemoryContext, "kam outbox", ALLOCSET_DEFAULT_SIZES);
	if (generation != kam_unit_generation())
	{
		/* What is on its way was another installation's. */
		kam_outbox_drop();
		generation = kam_unit_generation();
	}
	(void) listen();
	if (any_ended() && GetCurrentTimestamp() >= settle_at)
		result = settle_round(entry);
	if (!send || (result != KAM_UNIT_DONE && result != KAM_UNIT_FAILED))
		return result;
	wanted = wanted || woken;
	if (woken)
		look_not_after(in_ms(last_look, any_endpoint ? LOOK_APART_MS : LOOK_IDLE_MS));
	if (GetCurrentTimestamp() >= next_look)
		result = look_round(entry);
	return result;
}

long
kam_outbox_wait(int owner, long most)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz at = next_look;
	KamCourier *courier = kam_network_courier_open();
	long		wait;

	if (owner != DELIVERER)
		return most;
	/* Where there is no endpoint, only a wake has it look. */
	if (any_endpoint || wanted)
		most = Min(most, Max(1, TimestampDifferenceMilliseconds(now, at)));
	if (any_ended())
		most = Min(most, Max(1, TimestampDifferenceMilliseconds(now, settle_at)));
	if (courier != NULL && kam_courier_in_flight(courier) > 0)
	{
		wait = kam_courier_wait_ms(courier);
		if (wait >= 0)
			most = Min(most, Max(1, wait));
	}
	return most;
}
