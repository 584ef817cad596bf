/*
 * core/agents/channel.c: channel_selector: the working channels, best first.
 */
#include "core/agents/agents_internal.h"

json_t *
kam_agent_channel(const KamEnv *env, const KamInputs *in)
{
	KamArena   *arena = env->arena;
	KamChannelRank rank[KAM_CHANNELS];
	int			n = kam_rank_channels(env, in->contact, in->facts, in->plan, rank);
	json_t	   *out = kam_object(),
			   *ranking = kam_array();
	const char *reason;

	for (int i = 0; i < n; i++)
	{
		json_t	   *row = kam_object();

		kam_put(row, "channel", kam_string(kam_channel_name(rank[i].channel)));
		kam_put(row, "score", kam_rounded(rank[i].score));
		kam_put(row, "answers", kam_integer(rank[i].answers));
		kam_put(row, "attempts", kam_integer(rank[i].attempts));
		kam_put(row, "reason", kam_string(rank[i].reason));
		kam_push(ranking, row);
	}
	if (n == 0)
		reason = "No working channel is left.";
	else if (n == 1)
		reason = kam_printf(arena, "%s It is the only working channel.", rank[0].reason);
	else
		reason = kam_printf(arena, "%s %s is the backup.", rank[0].reason, kam_channel_name(rank[1].channel));
	kam_put(out, "primary_channel", n > 0 ? kam_string(kam_channel_name(rank[0].channel)) : json_null());
	kam_put(out, "backup_channel", n > 1 ? kam_string(kam_channel_name(rank[1].channel)) : json_null());
	kam_put(out, "confidence", kam_rounded(n > 0 ? rank[0].score : 0));
	kam_put(out, "reasoning", kam_string(reason));
	kam_put(out, "ranking", ranking);
	return out;
}
