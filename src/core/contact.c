/*
 * core/contact.c: reads a contact and refuses what is not one
 * (contract section 2, "Input"; spec, "Input Validation Decision").
 *
 * Required parts and types are errors with their path.  What can be lived
 * without (an unknown zone, a deal's unreadable date) becomes a data quality
 * warning, never an error.
 */
#include "core/contact.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef struct Reader
{
	const KamEnv *env;
	KamContact *contact;
	KamError   *error;
	int			warning_room;
} Reader;

/* ---- tables of names --------------------------------------------------- */

typedef struct Name
{
	const char *name;
	int			value;
} Name;

static const Name activity_types[] = {
	{"email", KAM_EMAIL},
	{"call", KAM_CALL},
	{"meeting", KAM_MEETING},
	{"note", KAM_NOTE},
	{"linkedin_message", KAM_LINKEDIN_MESSAGE},
	{"whatsapp_message", KAM_WHATSAPP_MESSAGE},
	{"linkedin_like", KAM_LINKEDIN_LIKE},
	{"linkedin_view", KAM_LINKEDIN_VIEW},
	{"linkedin_comment", KAM_LINKEDIN_COMMENT},
	{"linkedin_share", KAM_LINKEDIN_SHARE},
	{NULL, KAM_OTHER_ACTIVITY}
};

static const Name directions[] = {
	{"inbound", KAM_INBOUND},
	{"outbound", KAM_OUTBOUND},
	{NULL, -1}
};

static const Name meeting_statuses[] = {
	{"scheduled", KAM_MEETING_SCHEDULED},
	{"held", KAM_MEETING_HELD},
	{"completed", KAM_MEETING_HELD},
	{"cancelled", KAM_MEETING_CANCELLED},
	{"canceled", KAM_MEETING_CANCELLED},
	{"no_show", KAM_MEETING_NO_SHOW},
	{NULL, KAM_MEETING_UNKNOWN}
};

static const Name deal_statuses[] = {
	{"open", KAM_DEAL_OPEN},
	{"won", KAM_DEAL_WON},
	{"closed_won", KAM_DEAL_WON},
	{"lost", KAM_DEAL_LOST},
	{"closed_lost", KAM_DEAL_LOST},
	{NULL, -1}
};

/* Indexed by KamChannel. */
static const char *const channel_names[KAM_CHANNELS] = {NULL, "LINKEDIN", "EMAIL", "PHONE", "WHATSAPP"};

/* Value of a name in any case; the table's last row says what an unknown one means. */
static int
find_name(const Name *table, const char *name)
{
	while (table->name && strcasecmp(table->name, name) != 0)
		table++;
	return table->value;
}

/* ---- errors and warnings ----------------------------------------------- */

static bool
refuse(Reader *r, const char *sqlstate, const char *path, const char *message, const char *hint)
{
	r->error->sqlstate = sqlstate;
	r->error->path = path;
	r->error->message = message;
	r->error->hint = hint;
	return false;
}

static void
warn(Reader *r, const char *text)
{
	KamContact *c = r->contact;

	if (c->nwarnings == r->warning_room)
	{
		int			room = r->warning_room ? r->warning_room * 2 : 8;
		const char **grown = KAM_NEW_ARRAY(r->env->arena, const char *, room);

		if (c->nwarnings)
			memcpy(grown, c->warnings, sizeof(char *) * (size_t) c->nwarnings);
		c->warnings = grown;
		r->warning_room = room;
	}
	c->warnings[c->nwarnings++] = text;
}

/* ---- fields ------------------------------------------------------------- */

/* Where an object stands.  Its pointer is only written out for a refusal. */
typedef struct Place
{
	const char *list;			/* "/activities"; "/contact_info", which has no index */
	int			index;			/* -1: the object is no element of a list */
	const char *below;			/* "/metadata", or "" */
} Place;

static const Place info_place = {"/contact_info", -1, ""};

static const char *
place_path(Reader *r, const Place *place)
{
	return place->index < 0 ? place->list : kam_printf(r->env->arena, "%s/%d%s", place->list, place->index, place->below);
}

static const char *
field_path(Reader *r, const Place *place, const char *key)
{
	return kam_printf(r->env->arena, "%s/%s", place_path(r, place), key);
}

/* A string or absent (null counts as absent; so does an empty or blank one). */
static bool
read_string(Reader *r, const json_t *value, const Place *place, const char *key, const char **out)
{
	*out = NULL;
	if (!value || json_is_null(value))
		return true;
	if (!json_is_string(value))
		return refuse(r, "22023", field_path(r, place, key),
					  kam_printf(r->env->arena, "%s must be a string", key), NULL);
	*out = json_string_value(value);
	if ((*out)[strspn(*out, " \t\r\n")] == '\0')
		*out = NULL;
	return true;
}

/* Like read_string, for identifiers and numbers that CRMs deliver either way. */
static bool
read_text(Reader *r, const json_t *value, const Place *place, const char *key, const char **out)
{
	if (json_is_integer(value))
	{
		*out = kam_printf(r->env->arena, "%lld", (long long) json_integer_value(value));
		return true;
	}
	if (json_is_real(value))
	{
		*out = kam_printf(r->env->arena, "%.15g", json_real_value(value));
		return true;
	}
	return read_string(r, value, place, key, out);
}

/* An optional time: what does not parse is a warning. */
static bool
read_time(Reader *r, const json_t *value, const Place *place, const char *key, KamTime *out)
{
	const char *text;

	*out = KAM_NO_TIME;
	if (!read_string(r, value, place, key, &text))
		return false;
	if (text && !kam_time_parse(text, &r->contact->zone, out))
	{
		*out = KAM_NO_TIME;
		warn(r, kam_printf(r->env->arena, "%s is not an ISO 8601 time and was ignored: \"%.60s\"", key, text));
	}
	return true;
}

/* ---- contact_info -------------------------------------------------------- */

static const char *
first_word(Reader *r, const char *name)
{
	size_t		n;

	if (!name)
		return NULL;
	name += strspn(name, " \t");
	n = strcspn(name, " \t");
	return n ? kam_strndup(r->env->arena, name, n) : NULL;
}

/* An e-mail address must at least have a part on each side of one @. */
static bool
plausible_email(const char *email)
{
	const char *at = strchr(email, '@');

	return at && at > email && at[1] && !strchr(at + 1, '@') && strchr(at + 1, '.') && !strpbrk(email, " \t\r\n,;<>");
}

static bool
plausible_phone(const char *phone)
{
	int			digits = 0;

	for (; *phone; phone++)
		digits += *phone >= '0' && *phone <= '9';
	return digits >= 6;
}

static bool
read_zone(Reader *r, const json_t *info)
{
	static const char *const keys[] = {"timezone", "time_zone"};
	KamContact *c = r->contact;
	const char *name = NULL;

	for (size_t i = 0; i < KAM_LENGTHOF(keys) && !name; i++)
		if (!read_string(r, json_object_get(info, keys[i]), &info_place, keys[i], &name))
			return false;
	if (name && kam_zone_find(r->env->zones, name, &c->zone))
		return true;
	if (!kam_zone_find(r->env->zones, r->env->default_zone, &c->zone))
		return refuse(r, "22023", NULL,
					  kam_printf(r->env->arena, "time zone \"%s\" is not known", r->env->default_zone),
					  "Set kam.default_timezone to an IANA name such as Europe/Paris.");
	if (name)
		warn(r, kam_printf(r->env->arena, "timezone is not known, %s is used: \"%.60s\"", c->zone.name, name));
	return true;
}

static bool
read_contact_info(Reader *r, const json_t *info)
{
	const struct
	{
		const char *key;
		const char **out;
		bool		(*read) (Reader *, const json_t *, const Place *, const char *, const char **);
	}			fields[] = {
		{"first_name", &r->contact->first_name, read_string},
		{"last_name", &r->contact->last_name, read_string},
		{"full_name", &r->contact->full_name, read_string},
		{"job_title", &r->contact->job_title, read_string},
		{"company", &r->contact->company, read_string},
		{"email", &r->contact->email, read_string},
		{"phone", &r->contact->phone, read_text},
		{"linkedin_url", &r->contact->linkedin, read_string},
		{"owner", &r->contact->owner, read_string},
		{"hubspot_id", &r->contact->hubspot_id, read_text},
	};
	KamContact *c = r->contact;
	const char *language,
			   *names;

	if (!read_zone(r, info))
		return false;
	for (size_t i = 0; i < KAM_LENGTHOF(fields); i++)
		if (!fields[i].read(r, json_object_get(info, fields[i].key), &info_place, fields[i].key, fields[i].out))
			return false;
	if (!c->linkedin && !read_string(r, json_object_get(info, "linkedin_urn"), &info_place, "linkedin_urn", &c->linkedin))
		return false;
	if (!c->full_name && !read_string(r, json_object_get(info, "name"), &info_place, "name", &c->full_name))
		return false;
	if (!c->job_title && !read_string(r, json_object_get(info, "job"), &info_place, "job", &c->job_title))
		return false;
	if (!read_string(r, json_object_get(info, "language"), &info_place, "language", &language))
		return false;
	if (language)
		c->language = strncasecmp(language, "fr", 2) == 0 ? "fr" : strncasecmp(language, "en", 2) == 0 ? "en" : NULL;

	if (!c->first_name)
		c->first_name = first_word(r, c->full_name);
	if (!c->full_name && (c->first_name || c->last_name))
		c->full_name = c->first_name && c->last_name
			? kam_printf(r->env->arena, "%s %s", c->first_name, c->last_name)
			: c->first_name ? c->first_name : c->last_name;
	names = kam_printf(r->env->arena, "%s %s", c->first_name ? c->first_name : "", c->last_name ? c->last_name : "");
	c->names = kam_tokenize(r->env->arena, names, strlen(names));
	c->whatsapp = kam_get_true(info, "whatsapp");
	if (!c->whatsapp && json_object_get(info, "whatsapp") && !json_is_false(json_object_get(info, "whatsapp")) &&
		!json_is_null(json_object_get(info, "whatsapp")))
		warn(r, "whatsapp is neither true nor false and was ignored");

	if (c->email && !plausible_email(c->email))
	{
		warn(r, kam_printf(r->env->arena, "email is not an address and was ignored: \"%.60s\"", c->email));
		c->email = NULL;
	}
	if (c->phone && !plausible_phone(c->phone))
	{
		warn(r, kam_printf(r->env->arena, "phone is not a number and was ignored: \"%.60s\"", c->phone));
		c->phone = NULL;
	}
	if (!c->full_name)
		warn(r, "the contact has no name");
	if (!c->owner)
		warn(r, "the contact has no owner");
	return true;
}

/* ---- activities ----------------------------------------------------------- */

enum
{
	TYPE, RECORDED_ON, DIRECTION, METADATA
};

static const char *const activity_keys[] = {
	[TYPE] = "activity_type", [RECORDED_ON] = "recorded_on", [DIRECTION] = "direction", [METADATA] = "metadata",
};

enum
{
	SUBJECT, BODY, OWNER, STATUS, START_TIME, END_TIME
};

static const char *const metadata_keys[] = {
	[SUBJECT] = "subject", [BODY] = "body", [OWNER] = "owner", [STATUS] = "status",
	[START_TIME] = "start_time", [END_TIME] = "end_time",
};

/* The values of some keys, NULL where absent: one pass over an object is cheaper than a look-up of each. */
static void
take_members(const json_t *object, const char *const *keys, size_t n, const json_t **value)
{
	const char *key;
	const json_t *member;

	memset(value, 0, n * sizeof *value);
	json_object_foreach((json_t *) object, key, member)
		for (size_t i = 0; i < n; i++)
			if (keys[i][0] == key[0] && strcmp(keys[i], key) == 0)
				value[i] = member;
}

static bool
read_activity(Reader *r, const json_t *json, int index, KamActivity *a)
{
	const Place place = {"/activities", index, ""},
				inside = {"/activities", index, "/metadata"};
	const json_t *value[KAM_LENGTHOF(activity_keys)];
	const json_t *inner[KAM_LENGTHOF(metadata_keys)];
	const json_t *recorded,
			   *metadata;
	const char *text;

	if (!json_is_object(json))
		return refuse(r, "22023", place_path(r, &place), "an activity must be an object", NULL);
	a->index = index;
	take_members(json, activity_keys, KAM_LENGTHOF(activity_keys), value);

	if (!read_string(r, value[TYPE], &place, activity_keys[TYPE], &a->type_name))
		return false;
	if (!a->type_name)
		return refuse(r, "22023", field_path(r, &place, "activity_type"), "activity_type is missing",
					  "Give each activity a type such as email, call, meeting, note or linkedin_message.");
	a->type = (KamActivityType) find_name(activity_types, a->type_name);

	recorded = value[RECORDED_ON];
	if (!recorded || json_is_null(recorded))
		return refuse(r, "22023", field_path(r, &place, "recorded_on"), "recorded_on is missing",
					  "Give each activity the time it was recorded, as in 2026-03-11T10:00:00+01:00.");
	if (!json_is_string(recorded) || !kam_time_parse(json_string_value(recorded), &r->contact->zone, &a->at))
		return refuse(r, "22007", field_path(r, &place, "recorded_on"),
					  kam_printf(r->env->arena, "recorded_on is not an ISO 8601 time: \"%.60s\"",
								 json_is_string(recorded) ? json_string_value(recorded) : "(not a string)"),
					  "Write times as in 2026-03-11T10:00:00+01:00.");

	if (!read_string(r, value[DIRECTION], &place, activity_keys[DIRECTION], &text))
		return false;
	if (text)
	{
		int			direction = find_name(directions, text);

		if (direction < 0)
			return refuse(r, "22023", field_path(r, &place, "direction"),
						  kam_printf(r->env->arena, "direction is not known: \"%.60s\"", text),
						  "A direction is inbound, outbound or null.");
		a->direction = (KamDirection) direction;
	}

	a->start = a->end = KAM_NO_TIME;
	metadata = value[METADATA];
	if (!metadata || json_is_null(metadata))
		return true;
	if (!json_is_object(metadata))
		return refuse(r, "22023", field_path(r, &place, "metadata"), "metadata must be an object", NULL);
	take_members(metadata, metadata_keys, KAM_LENGTHOF(metadata_keys), inner);
	if (!read_string(r, inner[SUBJECT], &inside, metadata_keys[SUBJECT], &a->subject) ||
		!read_string(r, inner[BODY], &inside, metadata_keys[BODY], &a->body) ||
		!read_string(r, inner[OWNER], &inside, metadata_keys[OWNER], &a->owner) ||
		!read_string(r, inner[STATUS], &inside, metadata_keys[STATUS], &text) ||
		!read_time(r, inner[START_TIME], &inside, metadata_keys[START_TIME], &a->start) ||
		!read_time(r, inner[END_TIME], &inside, metadata_keys[END_TIME], &a->end))
		return false;
	if (text)
	{
		a->status = (KamMeetingStatus) find_name(meeting_statuses, text);
		if (a->status == KAM_MEETING_UNKNOWN && a->type == KAM_MEETING)
			warn(r, kam_printf(r->env->arena, "meeting status is not known and was ignored: \"%.60s\"", text));
	}
	return true;
}

/* NULL sorts before any text. */
static int
compare_text(const char *a, const char *b)
{
	if (!a || !b)
		return (a != NULL) - (b != NULL);
	return strcmp(a, b);
}

static int
compare_time(KamTime a, KamTime b)
{
	return (a > b) - (a < b);
}

/* Time, then content: equal activities are interchangeable, so their order does not matter. */
static int
compare_activities(const void *left, const void *right)
{
	const KamActivity *a = left,
			   *b = right;
	int			order = compare_time(a->at, b->at);

	if (order == 0)
		order = compare_text(a->type_name, b->type_name);
	if (order == 0)
		order = (int) a->direction - (int) b->direction;
	if (order == 0)
		order = compare_text(a->owner, b->owner);
	if (order == 0)
		order = compare_text(a->subject, b->subject);
	if (order == 0)
		order = compare_text(a->body, b->body);
	if (order == 0)
		order = compare_time(a->start, b->start);
	if (order == 0)
		order = compare_time(a->end, b->end);
	if (order == 0)
		order = (int) a->status - (int) b->status;
	return order;
}

static bool
read_activities(Reader *r, const json_t *list)
{
	KamContact *c = r->contact;
	size_t		n = json_array_size(list);
	size_t		i;
	const json_t *item;
	int			future = 0;

	c->activities = KAM_NEW_ARRAY(r->env->arena, KamActivity, n);
	json_array_foreach((json_t *) list, i, item)
	{
		if (!read_activity(r, item, (int) i, &c->activities[i]))
			return false;
		future += c->activities[i].at > r->env->as_of && c->activities[i].type != KAM_MEETING;
	}
	c->nactivities = (int) n;
	qsort(c->activities, n, sizeof(KamActivity), compare_activities);
	if (n == 0)
		warn(r, "the contact has no activities");
	if (future)
		warn(r, kam_printf(r->env->arena, "%d activities lie in the future and were ignored", future));
	return true;
}

/* ---- deals ------------------------------------------------------------------ */

static bool
read_deal(Reader *r, const json_t *json, int index, KamDeal *deal)
{
	const Place place = {"/deals", index, ""};
	const char *text;
	int			status;

	if (!json_is_object(json))
		return refuse(r, "22023", place_path(r, &place), "a deal must be an object", NULL);
	deal->index = index;
	if (!read_text(r, json_object_get(json, "deal_id"), &place, "deal_id", &deal->deal_id) ||
		!read_string(r, json_object_get(json, "name"), &place, "name", &deal->name) ||
		!read_string(r, json_object_get(json, "stage"), &place, "stage", &deal->stage) ||
		!read_text(r, json_object_get(json, "amount"), &place, "amount", &deal->amount) ||
		!read_string(r, json_object_get(json, "currency"), &place, "currency", &deal->currency) ||
		!read_time(r, json_object_get(json, "created_on"), &place, "created_on", &deal->created) ||
		!read_time(r, json_object_get(json, "closed_on"), &place, "closed_on", &deal->closed) ||
		!read_string(r, json_object_get(json, "status"), &place, "status", &text))
		return false;
	status = text ? find_name(deal_statuses, text) : -1;
	if (status < 0)
		return refuse(r, "22023", field_path(r, &place, "status"),
					  text ? kam_printf(r->env->arena, "deal status is not known: \"%.60s\"", text)
					  : "deal status is missing",
					  "A deal's status is OPEN, WON or LOST.");
	deal->status = (KamDealStatus) status;
	return true;
}

static int
compare_deals(const void *left, const void *right)
{
	const KamDeal *a = left,
			   *b = right;
	int			order = compare_time(a->created, b->created);

	if (order == 0)
		order = compare_text(a->deal_id, b->deal_id);
	if (order == 0)
		order = compare_text(a->name, b->name);
	if (order == 0)
		order = compare_text(a->stage, b->stage);
	if (order == 0)
		order = compare_text(a->amount, b->amount);
	return order ? order : (int) a->status - (int) b->status;
}

static bool
read_deals(Reader *r, const json_t *root)
{
	KamContact *c = r->contact;
	const json_t *list = json_object_get(root, "deals");
	size_t		i;
	const json_t *item;

	if (!list || json_is_null(list))
		return true;
	if (!json_is_array(list))
		return refuse(r, "22023", "/deals", "deals must be an array", NULL);
	c->deals = KAM_NEW_ARRAY(r->env->arena, KamDeal, json_array_size(list));
	json_array_foreach((json_t *) list, i, item)
		if (!read_deal(r, item, (int) i, &c->deals[i]))
			return false;
	c->ndeals = (int) json_array_size(list);
	qsort(c->deals, (size_t) c->ndeals, sizeof(KamDeal), compare_deals);
	return true;
}

/* ---- the whole ----------------------------------------------------------------- */

bool
kam_contact_parse(const KamEnv *env, const json_t *json, KamContact *out, KamError *error)
{
	Reader		r = {env, out, error, 0};
	const json_t *info,
			   *activities,
			   *stats;

	memset(out, 0, sizeof *out);
	memset(error, 0, sizeof *error);
	out->json = json;
	out->arena = env->arena;
	out->steered = KAM_NEW(env->arena, KamSteered);
	if (!json_is_object(json))
		return refuse(&r, "22023", "", "a contact must be a JSON object",
					  "Pass {\"contact_info\": {...}, \"activities\": [...]}.");
	info = json_object_get(json, "contact_info");
	if (!json_is_object(info))
		return refuse(&r, "22023", "/contact_info",
					  info && !json_is_null(info) ? "contact_info must be an object" : "contact_info is missing",
					  "Pass {\"contact_info\": {...}, \"activities\": [...]}.");
	activities = json_object_get(json, "activities");
	if (!json_is_array(activities))
		return refuse(&r, "22023", "/activities",
					  activities && !json_is_null(activities) ? "activities must be an array" : "activities is missing",
					  "Pass an empty array when there are none.");
	stats = json_object_get(json, "stats");
	if (stats && !json_is_null(stats) && !json_is_object(stats))
		return refuse(&r, "22023", "/stats", "stats must be an object", NULL);
	return read_contact_info(&r, info) && read_activities(&r, activities) && read_deals(&r, json);
}

bool
kam_is_engagement(KamActivityType type)
{
	return type >= KAM_LINKEDIN_LIKE && type <= KAM_LINKEDIN_SHARE;
}

const char *
kam_channel_name(KamChannel channel)
{
	return channel_names[channel];
}

KamChannel
kam_channel_from_name(const char *name)
{
	for (int i = KAM_NO_CHANNEL + 1; name && i < KAM_CHANNELS; i++)
		if (strcasecmp(channel_names[i], name) == 0)
			return (KamChannel) i;
	return KAM_NO_CHANNEL;
}

KamChannel
kam_activity_channel(const KamActivity *activity)
{
	switch (activity->type)
	{
		case KAM_EMAIL:
			return KAM_EMAIL_CHANNEL;
		case KAM_CALL:
			return KAM_PHONE;
		case KAM_WHATSAPP_MESSAGE:
			return KAM_WHATSAPP;
		case KAM_LINKEDIN_MESSAGE:
		case KAM_LINKEDIN_LIKE:
		case KAM_LINKEDIN_VIEW:
		case KAM_LINKEDIN_COMMENT:
		case KAM_LINKEDIN_SHARE:
			return KAM_LINKEDIN;
		default:
			return KAM_NO_CHANNEL;
	}
}
