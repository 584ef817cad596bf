/*
 * api/address.c: core/address.h for SQL.  Immutable: indexes and checks of
 * the tables stand on these.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "core/address.h"
#include "pg/compat.h"

PG_FUNCTION_INFO_V1(kam_api_address);
PG_FUNCTION_INFO_V1(kam_api_address_kind);
PG_FUNCTION_INFO_V1(kam_api_address_domain);

/* Normalises argument 0. */
static KamAddressKind
arg_address(FunctionCallInfo fcinfo, char *out)
{
	text	   *arg = PG_GETARG_TEXT_PP(0);
	KamAddressKind kind = kam_address(VARDATA_ANY(arg), VARSIZE_ANY_EXHDR(arg), out);

	PG_FREE_IF_COPY(arg, 0);
	return kind;
}

/* _address(text) */
Datum
kam_api_address(PG_FUNCTION_ARGS)
{
	char		out[KAM_ADDRESS_MAX + 1];

	if (arg_address(fcinfo, out) == KAM_ADDRESS_NONE)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(out));
}

/* _address_kind(text) */
Datum
kam_api_address_kind(PG_FUNCTION_ARGS)
{
	char		out[KAM_ADDRESS_MAX + 1];
	const char *name = kam_address_kind_name(arg_address(fcinfo, out));

	if (name == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(name));
}

/* _address_domain(text) */
Datum
kam_api_address_domain(PG_FUNCTION_ARGS)
{
	char		out[KAM_ADDRESS_MAX + 1];
	const char *domain = kam_address_domain(arg_address(fcinfo, out), out);

	if (domain == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(domain));
}
