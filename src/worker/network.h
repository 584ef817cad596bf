/*
 * worker/network.h: this process's ways out: the engine for calls and the
 * courier for deliveries, what was learnt of providers' limits, and their keys.
 */
#pragma once

#include "postgres.h"

/* after the server's headers */
#include "pg/json.h"
#include "llm/limits.h"
#include "net/courier.h"
#include "worker/config.h"

/* The courier of deliveries: made when the first goes out; raises when it cannot be.  Or the one there is, else NULL. */
extern KamCourier *kam_network_courier(void);
extern KamCourier *kam_network_courier_open(void);
/* Readable when a call or a delivery gets on; -1: nothing is under way. */
extern int	kam_network_fd(void);

/* Made when the first call goes out; raises when it cannot be. */
extern KamEngine *kam_network_engine(void);
/* The engine if there is one, else NULL. */
extern KamEngine *kam_network_open(void);
extern KamLane *kam_network_lane(const char *provider, const char *model);
/* NULL before the first call. */
extern const KamLimits *kam_network_limits(void);
/* After a reload: settings are taken up, keys are read again. */
extern void kam_network_reload(void);

/*
 * The header line that shows who we are, or NULL for a server that asks no key;
 * valid until the next call here.  False when there should be a key and is none
 * that may be used: *why says so.
 */
extern bool kam_network_auth(const KamAgentConfig *agent, const char **line, char **why);

/* Microseconds since 1970, the time of llm/. */
extern int64 kam_network_now(void);
