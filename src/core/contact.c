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

static const char *
field_path(Reader *r, const char *base, const char *key)
{
	return kam_printf(r->env->arena, "%s/%s", base, key);
}

/* A string or absent (null counts as absent; so does an empty or blank one). */
static bool
read_string(Reader *r, const json_t *object, const char *base, const char *key, const char **out)
{
	const json_t *value = json_object_get(object, key);

	*out = NULL;
	if (!value || json_is_null(value))
		return true;
	if (!json_is_string(value))
		return refuse(r, "22023", field_path(r, base, key),
					  kam_printf(r->env->arena, "%s must be a string", key), NULL);
	*out = json_string_value(value);
	if ((*out)[strspn(*out, " \t\r\n")] == '\0')
		*out = NULL;
	return true;
}

/* Like read_string, for identifiers and numbers that CRMs deliver either way. */
static bool
read_text(Reader *r, const json_t *object, const char *base, const char *key, const char **out)
{
	const json_t *value = json_object_get(object, key);

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
	return read_string(r, object, base, key, out);
}

/* An optional time: what does not parse is a warning. */
static bool
read_time(Reader *r, const json_t *object, const char *base, const char *key, KamTime *out)
{
	const char *text;

	*out = KAM_NO_TIME;
	if (!read_string(r, object, base, key, &text))
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
		if (!read_string(r, info, "/contact_info", keys[i], &name))
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
		bool		(*read) (Reader *, const json_t *, const char *, const char *, const char **);
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
	const char *language;

	if (!read_zone(r, info))
		return false;
	for (size_t i = 0; i < KAM_LENGTHOF(fields); i++)
		if (!fields[i].read(r, info, "/contact_info", fields[i].key, fields[i].out))
			return false;
	if (!c->linkedin && !read_string(r, info, "/contact_info", "linkedin_urn", &c->linkedin))
		return false;
	if (!c->full_name && !read_string(r, info, "/contact_info", "name", &c->full_name))
		return false;
	if (!c->job_title && !read_string(r, info, "/contact_info", "job", &c->job_title))
		return false;
	if (!read_string(r, info, "/contact_info", "language", &language))
		return false;
	if (language)
		c->language = strncasecmp(language, "fr", 2) == 0 ? "fr" : strncasecmp(language, "en", 2) == 0 ? "en" : NULL;

	if (!c->first_name)
		c->first_name = first_word(r, c->full_name);
	if (!c->full_name && (c->first_name || c->last_name))
		c->full_name = c->first_name && c->last_name
			? kam_printf(r->env->arena, "%s %s", c->first_name, c->last_name)
			: c->first_name ? c->first_name : c->last_name;
	c->whatsapp = kam_get_true(info, "whatsapp");

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

static bool
read_activity(Reader *r, const json_t *json, int index, KamActivity *a)
{
	char		base[40];
	const json_t *recorded;
	const json_t *metadata;
	const char *text;
	char		metadata_base[60];

	snprintf(base, sizeof base, "/activities/%d", index);
	if (!json_is_object(json))
		return refuse(r, "22023", kam_strdup(r->env->arena, base), "an activity must be an object", NULL);
	a->index = index;

	if (!read_string(r, json, base, "activity_type", &a->type_name))
		return false;
	if (!a->type_name)
		return refuse(r, "22023", field_path(r, base, "activity_type"), "activity_type is missing",
					  "Give each activity a type such as email, call, meeting, note or linkedin_message.");
	a->type = (KamActivityType) find_name(activity_types, a->type_name);

	recorded = json_object_get(json, "recorded_on");
	if (!recorded || json_is_null(recorded))
		return refuse(r, "22023", field_path(r, base, "recorded_on"), "recorded_on is missing",
					  "Give each activity the time it was recorded, as in 2026-03-11T10:00:00+01:00.");
	if (!json_is_string(recorded) || !kam_time_parse(json_string_value(recorded), &r->contact->zone, &a->at))
		return refuse(r, "22007", field_path(r, base, "recorded_on"),
					  kam_printf(r->env->arena, "recorded_on is not an ISO 8601 time: \"%.60s\"",
								 json_is_string(recorded) ? json_string_value(recorded) : "(not a string)"),
					  "Write times as in 2026-03-11T10:00:00+01:00.");

	if (!read_string(r, json, base, "direction", &text))
		return false;
	if (text)
	{
		int			direction = find_name(directions, text);

		if (direction < 0)
			return refuse(r, "22023", field_path(r, base, "direction"),
						  kam_printf(r->env->arena, "direction is not known: \"%.60s\"", text),
						  "A direction is inbound, outbound or null.");
		a->direction = (KamDirection) direction;
	}

	a->start = a->end = KAM_NO_TIME;
	metadata = json_object_get(json, "metadata");
	if (!metadata || json_is_null(metadata))
		return true;
	if (!json_is_object(metadata))
		return refuse(r, "22023", field_path(r, base, "metadata"), "metadata must be an object", NULL);
	snprintf(metadata_base, sizeof metadata_base, "%s/metadata", base);
	if (!read_string(r, metadata, metadata_base, "subject", &a->subject) ||
		!read_string(r, metadata, metadata_base, "body", &a->body) ||
		!read_string(r, metadata, metadata_base, "owner", &a->owner) ||
		!read_string(r, metadata, metadata_base, "status", &text) ||
		!read_time(r, metadata, metadata_base, "start_time", &a->start) ||
		!read_time(r, metadata, metadata_base, "end_time", &a->end))
		return false;
	if (text)
		a->status = (KamMeetingStatus) find_name(meeting_statuses, text);
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
	char		base[40];
	const char *text;
	int			status;

	snprintf(base, sizeof base, "/deals/%d", index);
	if (!json_is_object(json))
		return refuse(r, "22023", kam_strdup(r->env->arena, base), "a deal must be an object", NULL);
	deal->index = index;
	if (!read_text(r, json, base, "deal_id", &deal->deal_id) ||
		!read_string(r, json, base, "name", &deal->name) ||
		!read_string(r, json, base, "stage", &deal->stage) ||
		!read_text(r, json, base, "amount", &deal->amount) ||
		!read_string(r, json, base, "currency", &deal->currency) ||
		!read_time(r, json, base, "created_on", &deal->created) ||
		!read_time(r, json, base, "closed_on", &deal->closed) ||
		!read_string(r, json, base, "status", &text))
		return false;
	status = text ? find_name(deal_statuses, text) : -1;
	if (status < 0)
		return refuse(r, "22023", field_path(r, base, "status"),
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
