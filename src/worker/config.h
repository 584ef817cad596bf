/*
 * worker/config.h: the agents' rows and what their calls draw on, as read from
 * the tables; kept until somebody changes one of them.
 */
#pragma once

#include "postgres.h"

#include "utils/date.h"

#include "store/store.h"
#include "worker/digest.h"
/* after the server's headers */
#include "pg/json.h"
#include "core/agents.h"
#include "llm/provider.h"
#include "llm/request.h"

/* What long requests cost. */
typedef struct KamLongPrompt
{
	int64		above;			/* a request with more tokens of input costs these prices; 0: there are none */
	int64		price[KAM_TOKEN_CLASSES];
} KamLongPrompt;

/* A model an agent may be answered by, with the prices of the configuration's day, and those that follow. */
typedef struct KamModelConfig
{
	const char *name;			/* NULL: none */
	KamTraits	traits;
	int64		price[KAM_TOKEN_CLASSES];	/* millionths of a dollar per million tokens */
	DateADT		next_from;
	int64		next_price[KAM_TOKEN_CLASSES];
	KamLongPrompt longer,
				next_longer;
} KamModelConfig;

typedef struct KamAgentConfig
{
	const char *provider;		/* NULL: no row */
	KamApi		api;
	const char *base_url;
	KamDialect	dialect;
	KamModelConfig model,
				fallback;
	bool		has_temperature;
	double		temperature;
	int			max_tokens;
	int			prompt_version;
	const char *prompt;			/* NULL: no prompt of that version */
	json_t	   *schema;			/* of its output, or NULL */
	KamPiece	envelope;		/* schema of its stage's outputs, strict; len 0 when they cannot be said that way */
	const char *fault;			/* why it cannot be asked, or NULL */
} KamAgentConfig;

typedef struct KamConfig
{
	MemoryContext context;
	int			users;			/* jobs, and the cache; the last one to go deletes the context */
	int64		version;		/* of kam._configuration */
	DateADT		day;			/* whose prices these are */
	KamAgentConfig agent[KAM_AGENTS];
	json_t	   *resources,
			   *practices;
	KamPart		common;			/* the prompts' first part; made when a model is first asked */
	bool		remote;			/* some agent is answered by a model */
	Jsonb	   *prompts;		/* {"agent": version}, as in use; not of an overlay */
	char	   *key;			/* that as text; of an overlay what tells it from others */
	struct KamConfig *root;		/* of an overlay: what it departs from and lives in */
	struct KamConfig *overlays; /* of a root */
	int			noverlays;
	struct KamConfig *next;
} KamConfig;

/* Inside a unit.  One more user; the same as before unless a table changed or the day did. */
extern KamConfig *kam_config_get(void);
extern void kam_config_release(KamConfig *config);
/* Inside a unit.  What a run is asked with that began with these prompts, a replay with its settings (or NULL); one more user. */
extern KamConfig *kam_config_for(KamConfig *root, Jsonb *settings, Jsonb *prompts);
/* For config_overlay.c: fills the agents' part. */
extern void kam_config_read_agents(KamConfig *config, Jsonb *settings, Jsonb *prompts);
/* The next kam_config_get reads the tables. */
extern void kam_config_forget(void);
/* Outside a transaction: the first part of all prompts. */
extern const KamPart *kam_config_common(KamConfig *config);

/* The day that pays what is sent now: one of kam.default_timezone, in real time whatever kam.clock says. */
extern DateADT kam_config_today(void);
/* What tokens cost that were sent on that day; told without measure, no more than a million dollars. */
extern KamMoney kam_config_cost(const KamModelConfig *model, DateADT day, const int64 *tokens);
