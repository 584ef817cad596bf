/*
 * cadence/horizon.h: numbers of the log, and who may still be using them.
 */
#pragma once

/* A decided row that was brought in: noted when its number may have been counted past. */
extern void kam_horizon_note(const char *lead_id, int64 event_id);
