/*
 * core/diff.h: what changed between two texts, line by line.
 */
#pragma once

#include "core/base.h"

/*
 * A unified diff with three lines of context, headed by the two names; "" when
 * the texts are the same.  Text without a newline at its end is told as diff
 * tells it.  Two texts whose differing parts are very long are shown as one
 * replaced by the other.
 */
extern const char *kam_diff(KamArena *arena, const char *from_name, const char *from, const char *to_name, const char *to);
