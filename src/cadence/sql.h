/*
 * cadence/sql.h: operators for statements that run as the tables' owner under
 * the caller's search_path, where a look-alike must not be found.
 */
#pragma once

#define EQ " OPERATOR(pg_catalog.=) "
#define NE " OPERATOR(pg_catalog.<>) "
#define LT " OPERATOR(pg_catalog.<) "
#define LE " OPERATOR(pg_catalog.<=) "
#define GT " OPERATOR(pg_catalog.>) "
