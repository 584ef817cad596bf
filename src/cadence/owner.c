/*
 * cadence/owner.c: the identity under which the triggers work.  SECURITY
 * DEFINER with SET would cost a twentieth of each touch.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/rel.h"

#include "cadence/owner.h"

#define RESTORE_ROLE "kam_restore"

void
kam_owner_begin(KamOwner *saved, Relation relation)
{
	GetUserIdAndSecContext(&saved->user, &saved->context);
	SetUserIdAndSecContext(relation->rd_rel->relowner, saved->context | SECURITY_LOCAL_USERID_CHANGE);
}

void
kam_owner_end(const KamOwner *saved)
{
	SetUserIdAndSecContext(saved->user, saved->context);
}

bool
kam_owner_restores(const KamLogRow *row)
{
	Oid			role;

	if (kam_log_is_null(row, KAM_LOG_EVENT_AT) || kam_log_is_null(row, KAM_LOG_GATE_VERSION))
		return false;
	if (superuser())
		return true;
	role = get_role_oid(RESTORE_ROLE, true);
	return OidIsValid(role) && is_member_of_role(GetUserId(), role);
}
