/*
 * api/meet.c: what the log of the Coordinator adds to a contact.
 *
 * Runs in backends and in the worker.  Times are compared as the decisions
 * read them: a time without a zone is the contact's.
 */
#include "postgres.h"

#include "fmgr.h"

/* after the server's headers */
#include "api/api.h"

PG_FUNCTION_INFO_V1(kam_api_new_activities);

/* What was sent once is recorded here and there at slightly different times. */
#define SAME_WITHIN KAM_MINUTE

/* Whether the contact has an activity of this type at about this time. */
static bool
has_activity(const KamContact *contact, const char *type, KamTime at)
{
	for (int i = 0; i < contact->nactivities; i++)
	{
		const KamActivity *activity = &contact->activities[i];
		KamTime		apart = activity->at > at ? activity->at - at : at - activity->at;

		if (apart <= SAME_WITHIN && strcmp(activity->type_name, type) == 0)
			return true;
	}
	return false;
}

/* _new_activities(contact, activities) */
Datum
kam_api_new_activities(PG_FUNCTION_ARGS)
{
	KamScratch		scratch = kam_scratch_begin();
	KamEnv		env = kam_pg_env(kam_time_from_timestamptz(kam_now()));
	json_t	   *activities = kam_arg_json(fcinfo, 1);
	json_t	   *news = kam_pg_own(kam_array());
	KamContact	contact;
	KamError	error = {0};
	Datum		result;

	if (kam_contact_parse(&env, kam_arg_json(fcinfo, 0), &contact, &error))
	{
		for (size_t i = 0; i < json_array_size(activities); i++)
		{
			json_t	   *activity = json_array_get(activities, i);
			const char *type = kam_get_string(activity, "activity_type");
			const char *recorded_on = kam_get_string(activity, "recorded_on");
			KamTime		at;

			if (type == NULL || recorded_on == NULL || !kam_time_parse(recorded_on, &contact.zone, &at))
				elog(ERROR, "activity without type or time");
			if (!has_activity(&contact, type, at))
				kam_push(news, json_incref(activity));
		}
	}
	result = kam_result(&scratch, news);
	kam_scratch_end(&scratch);
	PG_RETURN_DATUM(result);
}
