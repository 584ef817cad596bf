/*
 * api/import.c: kam_import_csv: rows of resource and best_practice from CSV,
 * read by the server's own COPY code.
 *
 * Runs in backends.  All or nothing: the first bad line ends the statement,
 * and the error names that line.
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/copy.h"
#include "commands/copyfrom_internal.h"
#include "commands/defrem.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "parser/parse_node.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(kam_api_import_csv);

#define MOST_COLUMNS 8

typedef enum ColumnType
{
	COLUMN_TEXT, COLUMN_LIST, COLUMN_BOOL, COLUMN_LANGUAGE
} ColumnType;

typedef struct Column
{
	const char *name;
	ColumnType	type;
	bool		required;
	const char *preset;			/* of an empty or missing field; NULL: SQL NULL */
} Column;

/* What can be imported; the first column is the key. */
typedef struct Kind
{
	const char *name;
	Column		column[MOST_COLUMNS];
	int			ncolumns;
} Kind;

static const Kind kinds[] = {
	{"resource", {
			{"resource_id", COLUMN_TEXT, true},
			{"title", COLUMN_TEXT, true},
			{"url", COLUMN_TEXT},
			{"language", COLUMN_LANGUAGE},
			{"topics", COLUMN_LIST, false, ""},
			{"match_terms", COLUMN_LIST, false, ""},
			{"body", COLUMN_TEXT},
			{"active", COLUMN_BOOL, false, "true"},
	}, 8},
	{"best_practice", {
			{"practice_id", COLUMN_TEXT, true},
			{"title", COLUMN_TEXT, true},
			{"body", COLUMN_TEXT, true},
			{"applies_to", COLUMN_LIST, false, ""},
			{"language", COLUMN_LANGUAGE},
			{"active", COLUMN_BOOL, false, "true"},
	}, 6},
};

/* ---- the source: COPY asks a callback that takes no argument of ours ------- */

static const char *source_at;
static size_t source_left;

static int
read_source(void *outbuf, int minread, int maxread)
{
	size_t		n = Min(source_left, (size_t) maxread);

	memcpy(outbuf, source_at, n);
	source_at += n;
	source_left -= n;
	return (int) n;
}

/* The separator of the first line: whichever of the three comes up most, the comma on a tie. */
static char
separator_of(const char *text, size_t len)
{
	static const char candidate[] = {',', ';', '\t'};
	int			count[lengthof(candidate)] = {0};
	int			best = 0;

	for (size_t i = 0; i < len && text[i] != '\n' && text[i] != '\r'; i++)
		for (int c = 0; c < lengthof(candidate); c++)
			count[c] += text[i] == candidate[c];
	for (int c = 1; c < lengthof(candidate); c++)
		if (count[c] > count[best])
			best = c;
	return candidate[best];
}

static CopyFromState
open_csv(Relation rel, const char *text, size_t len)
{
	ParseState *pstate = make_parsestate(NULL);
	char		separator[2] = {separator_of(text, len), '\0'};
	List	   *options = list_make2(makeDefElem("format", (Node *) makeString("csv"), -1),
									 makeDefElem("delimiter", (Node *) makeString(pstrdup(separator)), -1));

	source_at = text;
	source_left = len;
	/* Always UTF-8, like the database: a client encoding concerns the statement, not the text in it. */
	options = lappend(options, makeDefElem("encoding", (Node *) makeString("UTF8"), -1));
	return BeginCopyFrom(pstate, rel, NULL, NULL, false, read_source, NIL, options);
}

/* ---- fields ------------------------------------------------------------------ */

static char *
trim(char *text)
{
	size_t		len;

	while (*text == ' ' || *text == '\t' || *text == '\r' || *text == '\n')
		text++;
	len = strlen(text);
	while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL)
		len--;
	text[len] = '\0';
	return text;
}

static Datum
list_datum(const char *field)
{
	char	   *copy = pstrdup(field);
	ArrayBuildState *items = initArrayResult(TEXTOID, CurrentMemoryContext, false);

	for (char *item = copy, *next; item != NULL; item = next)
	{
		next = strpbrk(item, ";|");
		if (next != NULL)
			*next++ = '\0';
		item = trim(item);
		if (*item != '\0')
			accumArrayResult(items, CStringGetTextDatum(item), false, TEXTOID, CurrentMemoryContext);
	}
	return makeArrayResult(items, CurrentMemoryContext);
}

static Datum
field_datum(const Column *column, const char *field, uint64 line, char *null)
{
	bool		value;

	*null = ' ';
	if (field == NULL || *field == '\0')
	{
		if (column->required)
			ereport(ERROR,
					(errcode(ERRCODE_NOT_NULL_VIOLATION),
					 errmsg("line " UINT64_FORMAT ": \"%s\" is empty", line, column->name)));
		field = column->preset;
		if (field == NULL)
		{
			*null = 'n';
			return (Datum) 0;
		}
	}
	switch (column->type)
	{
		case COLUMN_LIST:
			return list_datum(field);
		case COLUMN_BOOL:
			if (!parse_bool(field, &value))
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
						 errmsg("line " UINT64_FORMAT ": \"%s\" is neither true nor false in \"%s\"", line, field, column->name)));
			return BoolGetDatum(value);
		case COLUMN_LANGUAGE:
			if (pg_strcasecmp(field, "fr") != 0 && pg_strcasecmp(field, "en") != 0)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("line " UINT64_FORMAT ": unknown language \"%s\"", line, field),
						 errhint("It is fr or en, or empty for any.")));
			return PointerGetDatum(cstring_to_text(pg_strcasecmp(field, "fr") == 0 ? "fr" : "en"));
		default:
			return CStringGetTextDatum(field);
	}
}

/* Which column of the kind each field is; raises for names that are none. */
static void
read_header(const Kind *kind, char **field, int nfields, uint64 line, int *field_of)
{
	for (int c = 0; c < kind->ncolumns; c++)
		field_of[c] = -1;
	for (int f = 0; f < nfields; f++)
	{
		char	   *name = trim(field[f] != NULL ? field[f] : pstrdup(""));
		int			c = 0;

		while (c < kind->ncolumns && pg_strcasecmp(kind->column[c].name, name) != 0)
			c++;
		if (c == kind->ncolumns)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("line " UINT64_FORMAT ": there is no column \"%s\" in %s", line, name, kind->name),
					 errhint("The first line names the columns.")));
		if (field_of[c] >= 0)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_COLUMN),
					 errmsg("line " UINT64_FORMAT ": column \"%s\" stands twice", line, name)));
		field_of[c] = f;
	}
	for (int c = 0; c < kind->ncolumns; c++)
		if (kind->column[c].required && field_of[c] < 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("line " UINT64_FORMAT ": column \"%s\" is missing", line, kind->column[c].name),
					 errhint("The first line names the columns.")));
}

/* ---- rows -------------------------------------------------------------------- */

static SPIPlanPtr
prepare_upsert(const Kind *kind)
{
	static const Oid type_of[] = {[COLUMN_TEXT] = TEXTOID, [COLUMN_LIST] = TEXTARRAYOID, [COLUMN_BOOL] = BOOLOID,
	[COLUMN_LANGUAGE] = TEXTOID};
	StringInfoData names,
				marks,
				sets,
				sql;
	Oid			types[MOST_COLUMNS];
	SPIPlanPtr	plan;

	initStringInfo(&names);
	initStringInfo(&marks);
	initStringInfo(&sets);
	initStringInfo(&sql);
	for (int c = 0; c < kind->ncolumns; c++)
	{
		const char *comma = c > 0 ? ", " : "";

		types[c] = type_of[kind->column[c].type];
		appendStringInfo(&names, "%s%s", comma, kind->column[c].name);
		appendStringInfo(&marks, "%s$%d", comma, c + 1);
		if (c > 0)
			appendStringInfo(&sets, "%s%s = EXCLUDED.%s", c > 1 ? ", " : "", kind->column[c].name, kind->column[c].name);
	}
	appendStringInfo(&sql, "INSERT INTO kam.%s (%s) VALUES (%s) ON CONFLICT (%s) DO UPDATE SET %s",
					 kind->name, names.data, marks.data, kind->column[0].name, sets.data);
	plan = SPI_prepare(sql.data, kind->ncolumns, types);
	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", sql.data, SPI_result_code_string(SPI_result));
	return plan;
}

/* The server's own errors, of its CSV reader and of constraints, speak without a line: add it. */
static void
add_line(void *arg)
{
	errcontext("kam_import_csv, line %llu", (unsigned long long) ((CopyFromState) arg)->cur_lineno);
}

static void
import_row(const Kind *kind, SPIPlanPtr plan, char **field, int nfields, const int *field_of, uint64 line)
{
	Datum		values[MOST_COLUMNS];
	char		nulls[MOST_COLUMNS];

	for (int c = 0; c < kind->ncolumns; c++)
	{
		char	   *text = field_of[c] >= 0 && field_of[c] < nfields ? field[field_of[c]] : NULL;

		values[c] = field_datum(&kind->column[c], text != NULL ? trim(text) : NULL, line, &nulls[c]);
	}
	if (SPI_execute_plan(plan, values, nulls, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "could not import a row");
}

static int64
import_rows(const Kind *kind, const char *text, size_t len)
{
	Relation	rel = table_open(get_relname_relid(kind->name, get_namespace_oid("kam", false)), RowExclusiveLock);
	CopyFromState csv = open_csv(rel, text, len);
	SPIPlanPtr	plan = prepare_upsert(kind);
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext, "kam import row", ALLOCSET_DEFAULT_SIZES);
	int			field_of[MOST_COLUMNS];
	int			header_fields = -1;
	int64		rows = 0;
	char	  **field;
	int			nfields;
	ErrorContextCallback callback = {.callback = add_line, .arg = csv, .previous = error_context_stack};

	error_context_stack = &callback;
	while (NextCopyFromRawFields(csv, &field, &nfields))
	{
		MemoryContext old = MemoryContextSwitchTo(row_context);

		CHECK_FOR_INTERRUPTS();
		if (header_fields < 0)
		{
			read_header(kind, field, nfields, csv->cur_lineno, field_of);
			header_fields = nfields;
		}
		else if (nfields > 1 || (field[0] != NULL && *trim(field[0]) != '\0'))	/* a blank line is none */
		{
			if (nfields != header_fields)
				ereport(ERROR,
						(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
						 errmsg("line %llu: %d fields where the first line has %d",
								(unsigned long long) csv->cur_lineno, nfields, header_fields)));
			import_row(kind, plan, field, nfields, field_of, csv->cur_lineno);
			rows++;
		}
		MemoryContextSwitchTo(old);
		MemoryContextReset(row_context);
	}
	error_context_stack = callback.previous;
	EndCopyFrom(csv);
	table_close(rel, NoLock);
	if (header_fields < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the text is empty"),
				 errhint("The first line names the columns.")));
	return rows;
}

/* kam_import_csv(kind, csv) */
Datum
kam_api_import_csv(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *csv = text_to_cstring(PG_GETARG_TEXT_PP(1));
	size_t		len = strlen(csv);
	int			k = 0;
	int64		rows;

	while (k < lengthof(kinds) && strcmp(kinds[k].name, name) != 0)
		k++;
	if (k == lengthof(kinds))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown kind \"%s\"", name),
				 errhint("It is resource or best_practice.")));
	/* Spreadsheets put a byte order mark in front. */
	if (strncmp(csv, "\xEF\xBB\xBF", 3) == 0)
	{
		csv += 3;
		len -= 3;
	}
	SPI_connect();
	rows = import_rows(&kinds[k], csv, len);
	SPI_finish();
	PG_RETURN_INT64(rows);
}
