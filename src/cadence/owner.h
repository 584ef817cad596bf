/*
 * cadence/owner.h: as whom the triggers work, and who may pass them.
 */
#pragma once

#include "postgres.h"

#include "cadence/log_row.h"

typedef struct KamOwner
{
	Oid			user;
	int			context;
} KamOwner;

/* From here on as the table's owner; an error undoes it with its (sub)transaction. */
extern void kam_owner_begin(KamOwner *saved, Relation relation);
extern void kam_owner_end(const KamOwner *saved);

/* Whether the row is one of a restore: it says when and by which rules it was decided, and whoever inserts may say so. */
extern bool kam_owner_restores(const KamLogRow *row);
