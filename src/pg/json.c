/*
 * pg/json.c: the bridge between jsonb and jansson, without a detour over text.
 *
 * Runs in every backend and in the worker.  What is stored is always the
 * caller's own jsonb, never a value that went over this bridge: numbers beyond
 * double would not come back as they were.
 */
#include "postgres.h"

#include <errno.h>

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

/* after the server's headers */
#include "pg/json.h"
#include "pg/memory.h"

/* ---- jsonb to jansson -------------------------------------------------- */

static json_t *
need(json_t *value)
{
	if (value == NULL)
		kam_out_of_memory();
	return value;
}

/*
 * A number as int64 or double where it fits, else its text.  The text forms
 * are told apart by the numeric's own output, which knows no exponent.
 */
static json_t *
json_from_numeric(Numeric number)
{
	char	   *text;
	char	   *end;
	json_t	   *value = NULL;

	text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(number)));
	errno = 0;
	if (strpbrk(text, ".N") == NULL)
	{
		long long	integer = strtoll(text, &end, 10);

		if (errno == 0 && *end == '\0')
			value = json_integer(integer);
		else
			value = json_string_nocheck(text);
	}
	else
	{
		double		real = strtod(text, &end);

		/* json_real refuses what JSON cannot say; ERANGE is also underflow. */
		if (errno == 0 && *end == '\0')
			value = json_real(real);
		if (value == NULL)
			value = json_string_nocheck(text);
	}
	pfree(text);
	return need(value);
}

static json_t *
json_from_scalar(const JsonbValue *scalar)
{
	switch (scalar->type)
	{
		case jbvString:
			/* jsonb text is valid in the database's encoding, which is UTF-8. */
			return need(json_stringn_nocheck(scalar->val.string.val, scalar->val.string.len));
		case jbvNumeric:
			return json_from_numeric(scalar->val.numeric);
		case jbvBool:
			return scalar->val.boolean ? json_true() : json_false();
		case jbvNull:
		case jbvBinary:			/* a container beyond the depth kept */
			return json_null();
		default:
			elog(ERROR, "unexpected jsonb value of type %d", (int) scalar->type);
			return NULL;		/* not reached */
	}
}

json_t *
kam_json_from_jsonb(const Jsonb *value)
{
	json_t	   *open[KAM_JSON_DEPTH + 1];	/* the containers being filled, outermost first */
	int			depth = 0;		/* how many */
	json_t	   *root = NULL;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	item;
	StringInfoData key;
	uint32		events = 0;
	bool		scalar = JB_ROOT_IS_SCALAR(value);

	initStringInfo(&key);
	it = JsonbIteratorInit((JsonbContainer *) &value->root);
	while ((token = JsonbIteratorNext(&it, &item, depth >= KAM_JSON_DEPTH)) != WJB_DONE)
	{
		json_t	   *made = NULL;

		if ((++events & 0xfff) == 0)
			CHECK_FOR_INTERRUPTS();
		switch (token)
		{
			case WJB_KEY:
				resetStringInfo(&key);
				appendBinaryStringInfo(&key, item.val.string.val, item.val.string.len);
				continue;
			case WJB_BEGIN_OBJECT:
				made = kam_object();
				break;
			case WJB_BEGIN_ARRAY:
				if (scalar)
					continue;	/* jsonb wraps a lone scalar */
				made = kam_array();
				break;
			case WJB_VALUE:
			case WJB_ELEM:
				made = json_from_scalar(&item);
				break;
			case WJB_END_ARRAY:
			case WJB_END_OBJECT:
				depth -= scalar ? 0 : 1;
				continue;
			default:
				continue;
		}

		/* Attached at once: from here on the root frees it, whatever happens. */
		if (root == NULL)
			root = kam_pg_own(made);
		else if (json_is_array(open[depth - 1]))
		{
			if (json_array_append_new(open[depth - 1], made) != 0)
				kam_out_of_memory();
		}
		else if (json_object_set_new_nocheck(open[depth - 1], key.data, made) != 0)
			kam_out_of_memory();
		if (token == WJB_BEGIN_OBJECT || token == WJB_BEGIN_ARRAY)
			open[depth++] = made;
	}
	pfree(key.data);
	return root;
}

/* ---- jansson to jsonb -------------------------------------------------- */

/* Texts made of pieces of others must not reach a table half a character short. */
static void
string_value(JsonbValue *out, const char *text, size_t len)
{
	if (memchr(text, '\0', len) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
				 errmsg("unsupported Unicode escape sequence"),
				 errdetail("\\u0000 cannot be converted to text.")));
	pg_verify_mbstr(PG_UTF8, text, (int) len, false);
	out->type = jbvString;
	out->val.string.val = (char *) text;
	out->val.string.len = (int) len;
}

static void
scalar_value(JsonbValue *out, const json_t *value)
{
	switch (value->type)
	{
		case JSON_STRING:
			string_value(out, json_string_value(value), json_string_length(value));
			break;
		case JSON_INTEGER:
			out->type = jbvNumeric;
			out->val.numeric = int64_to_numeric(json_integer_value(value));
			break;
		case JSON_REAL:
			out->type = jbvNumeric;
			out->val.numeric = DatumGetNumeric(DirectFunctionCall1(float8_numeric, Float8GetDatum(json_real_value(value))));
			break;
		case JSON_TRUE:
		case JSON_FALSE:
			out->type = jbvBool;
			out->val.boolean = value->type == JSON_TRUE;
			break;
		default:
			out->type = jbvNull;
			break;
	}
}

static JsonbValue *push_value(JsonbParseState **state, const json_t *value, JsonbIteratorToken as);

static JsonbValue *
push_object(JsonbParseState **state, const json_t *object)
{
	const char *key;
	json_t	   *member;

	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	json_object_foreach((json_t *) object, key, member)
	{
		JsonbValue	name;

		string_value(&name, key, strlen(key));
		pushJsonbValue(state, WJB_KEY, &name);
		push_value(state, member, WJB_VALUE);
	}
	return pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

static JsonbValue *
push_array(JsonbParseState **state, const json_t *array)
{
	size_t		count = json_array_size(array);

	pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	for (size_t i = 0; i < count; i++)
		push_value(state, json_array_get(array, i), WJB_ELEM);
	return pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

/* Returns the finished root when the value closes it. */
static JsonbValue *
push_value(JsonbParseState **state, const json_t *value, JsonbIteratorToken as)
{
	JsonbValue	item;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	if (json_is_object(value))
		return push_object(state, value);
	if (json_is_array(value))
		return push_array(state, value);
	scalar_value(&item, value);
	return pushJsonbValue(state, as, &item);
}

Jsonb *
kam_jsonb_from_json(const json_t *value)
{
	JsonbParseState *state = NULL;

	if (!json_is_object(value) && !json_is_array(value))
	{
		JsonbValue	item;

		scalar_value(&item, value);
		return JsonbValueToJsonb(&item);
	}
	return JsonbValueToJsonb(push_value(&state, value, WJB_VALUE));
}
