/*
 * worker/config_overlay.c: configurations of single runs: with the prompts a
 * run began with, and what a replay is asked with instead.
 *
 * An overlay is made once for all runs that ask for the same and lives within
 * the configuration it departs from: whoever uses it is a user of that one.
 * Resources, practices and the prompts' common part are shared.
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "kam.h"
#include "worker/config.h"
/* after the server's headers */
#include "pg/memory.h"

/* With more of them the next claim begins with a fresh configuration, and this one goes with the last run that uses it. */
#define OVERLAYS_MOST 16

static KamConfig *
make_overlay(KamConfig *root, const char *key, Jsonb *settings, Jsonb *prompts)
{
	MemoryContext context = AllocSetContextCreate(root->context, "kam overlay", ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	KamConfig  *overlay = palloc0(sizeof(KamConfig));

	overlay->context = context;
	overlay->root = root;
	overlay->key = pstrdup(key);
	overlay->version = root->version;
	overlay->day = root->day;
	overlay->resources = root->resources;
	overlay->practices = root->practices;
	PG_TRY();
	{
		kam_config_read_agents(overlay, settings, prompts);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(old);
		MemoryContextDelete(context);
		PG_RE_THROW();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	return overlay;
}

static char *
text_of(Jsonb *jsonb)
{
	return jsonb == NULL ? "" : JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
}

KamConfig *
kam_config_for(KamConfig *root, Jsonb *settings, Jsonb *prompts)
{
	char	   *pinned = text_of(prompts);
	char	   *key;
	KamConfig  *overlay;

	root->users++;
	if (settings == NULL && (prompts == NULL || strcmp(pinned, root->key) == 0))
		return root;
	key = psprintf("%s %s", text_of(settings), pinned);
	for (overlay = root->overlays; overlay != NULL; overlay = overlay->next)
		if (strcmp(overlay->key, key) == 0)
			return overlay;
	root->users--;
	overlay = make_overlay(root, key, settings, prompts);
	root->users++;
	overlay->next = root->overlays;
	root->overlays = overlay;
	if (++root->noverlays == OVERLAYS_MOST)
		kam_config_forget();
	return overlay;
}
