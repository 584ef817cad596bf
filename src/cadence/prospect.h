/*
 * cadence/prospect.h: a lead under its lock.
 *
 * All functions want an open SPI connection and work as the tables' owner.
 * What they return lives in the memory context that is current.
 */
#pragma once

#include "cadence/gates.h"
#include "utils/relcache.h"

/*
 * Locks the lead (Leads, then prospect_state), following merges, and reads it.
 * Raises 23503 when there is none.
 */
extern void kam_prospect_lock(const char *lead_id, Relation log, KamProspect *out);
/* The same without lock, and without writing a missing state; for kam_gate. */
extern void kam_prospect_look(const char *lead_id, KamProspect *out);
/* The state of a lead that is locked already, derived anew from the tables. */
extern void kam_prospect_rebuild(KamProspect *prospect);

/* Writes back: all of the state, or what a touch changes. */
extern void kam_prospect_store(const KamProspect *prospect);
extern void kam_prospect_store_touch(const KamProspect *prospect);
extern void kam_prospect_store_holding(const KamProspect *prospect);

/* Enters a touch into the ring, wherever it belongs. */
extern void kam_prospect_count(KamProspect *prospect, TimestampTz touch_at);
