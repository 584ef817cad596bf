/*
 * core/json.h: the one place where core/ includes jansson.
 *
 * PostgreSQL exports a function called json_object; in the loaded module a
 * call of jansson's function of that name would reach the server's and crash
 * the backend.  The name is therefore made unusable here: make objects with
 * kam_object().  Files that also see postgres.h include pg/json.h instead.
 *
 * Ownership: a json_t returned by kam_* functions is a new reference unless
 * the comment says "borrowed".
 */
#pragma once

#define json_object jansson_json_object_unusable
#include <jansson.h>
#undef json_object

#include <stdbool.h>
#include <stddef.h>

/* New values; on exhausted memory they call kam_out_of_memory (base.h). */
extern json_t *kam_object(void);
extern json_t *kam_array(void);
extern json_t *kam_string(const char *s);			/* NULL gives JSON null; invalid UTF-8 is replaced */
extern json_t *kam_stringn(const char *s, size_t len);
extern json_t *kam_number(double v);
extern json_t *kam_integer(long long v);
extern json_t *kam_rounded(double v);				/* two decimals: scores and impacts */

/* Store a new reference; the container owns it afterwards. */
extern void kam_put(json_t *object, const char *key, json_t *value);
extern void kam_push(json_t *array, json_t *value);

/* Borrowed look-ups that never fail: NULL where absent or of another type. */
extern const char *kam_get_string(const json_t *object, const char *key);
extern const json_t *kam_get_object(const json_t *object, const char *key);
extern const json_t *kam_get_array(const json_t *object, const char *key);
extern bool kam_get_true(const json_t *object, const char *key);
extern double kam_get_number(const json_t *object, const char *key, double otherwise);

/* Borrowed: the value at an RFC 6901 pointer ("" is the whole), or NULL. */
extern const json_t *kam_pointer(const json_t *root, const char *pointer);
/* Borrowed: a dotted path of plain keys, "final_decision.rationale". */
extern const json_t *kam_dig(const json_t *root, const char *dotted);
