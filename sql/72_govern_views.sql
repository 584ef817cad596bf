-- The Coordinator for people to look at.

CREATE VIEW suppression_audit AS
SELECT e.lead_id,
       e.event_id,
       e.event_at,
       e.event_type,
       e.requested_event_type,
       e.coordinator_action,
       CASE e.suppressed_reason
           WHEN 'compliance_block' THEN 1
           WHEN 'abm_active_suppression' THEN 2
           WHEN 'touch_cap_exceeded' THEN 3
           WHEN 'conflict_resolved_queued' THEN 4
           WHEN 'routing_error' THEN 4
           WHEN 'illegal_transition' THEN 5
       END::smallint AS gate,
       e.suppressed_reason,
       e.resolution,
       e.compliance_status,
       e.touch_cap_at_event AS touch_count,
       e.originating_agent,
       e.sequence_id,
       e.sequence_type,
       e.enrolment_no,
       e.step,
       e.channel,
       e.play_id,
       e.originating_proposal_id,
       e.parent_event_id,
       CASE WHEN e.coordinator_action = 'blocked' THEN 'refused'
            WHEN e.event_type IN ('cancelled', 'expired') THEN 'given up'
            ELSE coalesce(q.state, 'waiting') END AS outcome,
       CASE WHEN q.state = 'cancelled' THEN q.end_reason END AS outcome_reason,
       coalesce(q.ended_at, CASE WHEN e.coordinator_action NOT IN ('held', 'queued') THEN e.event_at END) AS outcome_at,
       CASE WHEN q.state = 'released' THEN (
           SELECT r.event_id FROM CadenceEventLog r
            WHERE r.lead_id = e.lead_id AND r.parent_event_id = e.event_id AND r.coordinator_action = 'executed') END AS released_event_id,
       CASE WHEN q.state = 'waiting' THEN q.release_at END AS next_allowed_at
  FROM CadenceEventLog e
  LEFT JOIN CadenceQueue q ON q.lead_id = e.lead_id AND q.event_id = e.event_id
 WHERE e.coordinator_action IN ('blocked', 'held', 'queued') OR e.event_type IN ('cancelled', 'expired');
COMMENT ON VIEW suppression_audit IS 'Every request that was not let through at once, and every hold that was given up: who asked, which gate refused and why, and what became of it. Example: SELECT * FROM kam.suppression_audit WHERE lead_id = ''lead-1'' ORDER BY event_id DESC;';
COMMENT ON COLUMN suppression_audit.lead_id IS 'The lead.';
COMMENT ON COLUMN suppression_audit.event_id IS 'The row of CadenceEventLog.';
COMMENT ON COLUMN suppression_audit.event_at IS 'When it was decided.';
COMMENT ON COLUMN suppression_audit.event_type IS 'suppressed, held, deferred, rejected; cancelled and expired end a hold.';
COMMENT ON COLUMN suppression_audit.requested_event_type IS 'What was asked.';
COMMENT ON COLUMN suppression_audit.coordinator_action IS 'blocked, held, queued; recorded for the end of a hold.';
COMMENT ON COLUMN suppression_audit.gate IS '1 compliance, 2 ABM, 3 touch cap, 4 conflict, 5 transition; NULL for the end of a hold.';
COMMENT ON COLUMN suppression_audit.suppressed_reason IS 'As in CadenceEventLog.';
COMMENT ON COLUMN suppression_audit.resolution IS 'The row of the conflict matrix, what was illegal, or why the hold ended.';
COMMENT ON COLUMN suppression_audit.compliance_status IS 'clear, unsubscribed, opted_out, suppressed.';
COMMENT ON COLUMN suppression_audit.touch_count IS 'Counted touches within the window before it.';
COMMENT ON COLUMN suppression_audit.originating_agent IS 'Who asked.';
COMMENT ON COLUMN suppression_audit.sequence_id IS 'The sequence.';
COMMENT ON COLUMN suppression_audit.sequence_type IS 'Its type.';
COMMENT ON COLUMN suppression_audit.enrolment_no IS 'The enrolment.';
COMMENT ON COLUMN suppression_audit.step IS 'The step.';
COMMENT ON COLUMN suppression_audit.channel IS 'The channel.';
COMMENT ON COLUMN suppression_audit.play_id IS 'The play.';
COMMENT ON COLUMN suppression_audit.originating_proposal_id IS 'The proposal the play derives from.';
COMMENT ON COLUMN suppression_audit.parent_event_id IS 'The request that this is a release, expiry or cancellation of.';
COMMENT ON COLUMN suppression_audit.outcome IS 'refused (for good), waiting, released (executed since), cancelled, expired; given up for the rows that say so.';
COMMENT ON COLUMN suppression_audit.outcome_reason IS 'Why it was cancelled.';
COMMENT ON COLUMN suppression_audit.outcome_at IS 'When that was settled; NULL while it waits.';
COMMENT ON COLUMN suppression_audit.released_event_id IS 'The executed row.';
COMMENT ON COLUMN suppression_audit.next_allowed_at IS 'While it waits: not before this; NULL until another sequence ends.';

CREATE VIEW touch_headroom AS
SELECT l.lead_id,
       l.account_id,
       l.owner_id,
       t.counted AS touch_count,
       s.cap AS touch_cap,
       CASE WHEN s.cap >= 0 THEN greatest(s.cap - t.counted, 0) END AS remaining,
       CASE WHEN s.cap > 0 AND t.counted >= s.cap THEN t.stamps[s.cap] + s.span END AS next_slot_at,
       t.stamps[1] AS last_touch_at
  FROM Leads l
 CROSS JOIN (SELECT kam._touch_cap() AS cap, kam._touch_window() AS span, kam._now() AS now) s
 CROSS JOIN LATERAL (
       SELECT count(*)::integer AS counted, array_agg(e.touch_at ORDER BY e.touch_at DESC) AS stamps
         FROM CadenceEventLog e
        WHERE e.lead_id = ANY (kam._lead_ids(l.lead_id)) AND e.counted AND e.touch_no IS NOT NULL AND e.touch_at > s.now - s.span) t
 WHERE NOT EXISTS (SELECT FROM lead_alias a WHERE a.lead_id = l.lead_id);
COMMENT ON VIEW touch_headroom IS 'Per lead: how many touches count now, how many are left under the cap. One lead is quick; all leads read the log lead by lead. Example: SELECT remaining, next_slot_at FROM kam.touch_headroom WHERE lead_id = ''lead-1'';';
COMMENT ON COLUMN touch_headroom.lead_id IS 'The lead; a merged one counts with the lead that stands for it.';
COMMENT ON COLUMN touch_headroom.account_id IS 'Its account.';
COMMENT ON COLUMN touch_headroom.owner_id IS 'Its rep.';
COMMENT ON COLUMN touch_headroom.touch_count IS 'Counted touches within kam.touch_window.';
COMMENT ON COLUMN touch_headroom.touch_cap IS 'kam.touch_cap; -1 is none.';
COMMENT ON COLUMN touch_headroom.remaining IS 'Touches that the cap still allows now; NULL without a cap.';
COMMENT ON COLUMN touch_headroom.next_slot_at IS 'When the next becomes free; NULL when one is free now, or with a cap of 0 none ever.';
COMMENT ON COLUMN touch_headroom.last_touch_at IS 'The latest of those counted.';

CREATE VIEW held_queue AS
SELECT q.lead_id,
       q.event_id,
       q.kind,
       q.reason,
       row_number() OVER (PARTITION BY q.lead_id, q.kind ORDER BY q.priority DESC, q.event_id)::integer AS position,
       q.priority,
       q.release_at AS next_allowed_at,
       q.rounds,
       q.queued_at,
       q.expires_at,
       CASE WHEN e.event_type = 'out_of_office' THEN 'resume' ELSE e.requested_event_type END AS requested_event_type,
       q.sequence_id,
       e.sequence_type,
       e.family,
       e.step,
       e.channel,
       e.originating_agent,
       e.play_id,
       e.originating_proposal_id,
       q.home <> kam._home() AS parked
  FROM CadenceQueue q
  JOIN CadenceEventLog e ON e.lead_id = q.lead_id AND e.event_id = q.event_id
 WHERE q.state = 'waiting';
COMMENT ON VIEW held_queue IS 'Requests that wait, in the order of their release per lead: held by the touch cap or deferred by a conflict or an absence. Give one up with kam_cancel_held(lead_id, event_id). Example: SELECT reason, position, next_allowed_at FROM kam.held_queue WHERE lead_id = ''lead-1'' ORDER BY position;';
COMMENT ON COLUMN held_queue.lead_id IS 'The lead.';
COMMENT ON COLUMN held_queue.event_id IS 'The request in CadenceEventLog.';
COMMENT ON COLUMN held_queue.kind IS 'held (a touch, by the cap), deferred (an activation or resume).';
COMMENT ON COLUMN held_queue.reason IS 'touch_cap_exceeded, the row of the conflict matrix, out_of_office.';
COMMENT ON COLUMN held_queue.position IS 'Place among the lead''s of this kind, from 1: higher priority first, then who came first.';
COMMENT ON COLUMN held_queue.priority IS 'Higher goes first.';
COMMENT ON COLUMN held_queue.next_allowed_at IS 'Looked at again then; NULL until the sequence that it waits for has ended.';
COMMENT ON COLUMN held_queue.rounds IS 'Releases that were refused.';
COMMENT ON COLUMN held_queue.queued_at IS 'Since when.';
COMMENT ON COLUMN held_queue.expires_at IS 'Given up then.';
COMMENT ON COLUMN held_queue.requested_event_type IS 'What was asked.';
COMMENT ON COLUMN held_queue.sequence_id IS 'The sequence.';
COMMENT ON COLUMN held_queue.sequence_type IS 'Its type.';
COMMENT ON COLUMN held_queue.family IS 'The type''s family.';
COMMENT ON COLUMN held_queue.step IS 'The step.';
COMMENT ON COLUMN held_queue.channel IS 'The channel.';
COMMENT ON COLUMN held_queue.originating_agent IS 'Who asked.';
COMMENT ON COLUMN held_queue.play_id IS 'The play.';
COMMENT ON COLUMN held_queue.originating_proposal_id IS 'The proposal the play derives from.';
COMMENT ON COLUMN held_queue.parked IS 'Came with a restore or a copy: waits for kam_resume() besides.';

CREATE VIEW sequence_outcomes AS
-- An answer ends an enrolment, or comes after its end and names the sequence.
WITH answer AS (
	SELECT c.sequence_type, c.sequence_id, c.play_id, c.originating_proposal_id, c.lead_id, c.enrolment_no,
	       CASE c.end_reason WHEN 'replied' THEN 'reply' ELSE 'meeting_booked' END AS what
	  FROM Cadence c
	 WHERE c.end_reason IN ('replied', 'meeting_booked')
	UNION
	SELECT c.sequence_type, c.sequence_id, c.play_id, c.originating_proposal_id, c.lead_id, c.enrolment_no, e.event_type
	  FROM CadenceEventLog e
	 CROSS JOIN LATERAL (SELECT k.* FROM Cadence k
	                      WHERE k.lead_id = e.lead_id AND k.sequence_id = e.sequence_id AND k.created_at <= e.event_at
	                      ORDER BY k.enrolment_no DESC LIMIT 1) c
	 WHERE e.event_type IN ('reply', 'meeting_booked') AND e.sequence_id IS NOT NULL),
observed AS (
	SELECT c.sequence_type, c.sequence_id, c.play_id, c.originating_proposal_id, w.what
	  FROM Cadence c
	 CROSS JOIN LATERAL (VALUES ('enrolment'), (c.state), ('ended ' || c.end_reason),
	                            (CASE WHEN c.activated_at IS NOT NULL THEN 'activated' END)) w (what)
	UNION ALL
	SELECT e.sequence_type, e.sequence_id, e.play_id, e.originating_proposal_id, w.what
	  FROM CadenceEventLog e
	 CROSS JOIN LATERAL (VALUES (CASE WHEN e.event_type = 'touch' THEN 'touch' END), (nullif(e.coordinator_action, 'queued')),
	                            (CASE WHEN e.coordinator_action = 'queued' THEN 'deferred' END), ('suppressed ' || e.suppressed_reason)) w (what)
	 WHERE e.coordinator_action <> 'recorded'
	UNION ALL
	SELECT a.sequence_type, a.sequence_id, a.play_id, a.originating_proposal_id, a.what FROM answer a
	UNION ALL
	SELECT a.sequence_type, a.sequence_id, a.play_id, a.originating_proposal_id, 'answered'
	  FROM (SELECT DISTINCT sequence_type, sequence_id, play_id, originating_proposal_id, lead_id, enrolment_no FROM answer) a),
counted AS (
	SELECT o.sequence_type, o.sequence_id, o.play_id, o.originating_proposal_id, o.what, count(*) AS n
	  FROM observed o
	 WHERE o.what IS NOT NULL
	 GROUP BY 1, 2, 3, 4, 5)
SELECT c.sequence_type,
       c.sequence_id,
       c.play_id,
       c.originating_proposal_id,
       coalesce(sum(c.n) FILTER (WHERE c.what = 'enrolment'), 0)::bigint AS enrolments,
       coalesce(sum(c.n) FILTER (WHERE c.what = 'active'), 0)::bigint AS active,
       coalesce(sum(c.n) FILTER (WHERE c.what = 'paused'), 0)::bigint AS paused,
       coalesce(sum(c.n) FILTER (WHERE c.what = 'queued'), 0)::bigint AS queued,
       coalesce(sum(c.n) FILTER (WHERE c.what = 'finished'), 0)::bigint AS finished,
       coalesce(jsonb_object_agg(substr(c.what, 7), c.n) FILTER (WHERE c.what LIKE 'ended %'), '{}') AS finished_by,
       coalesce(sum(c.n) FILTER (WHERE c.what = 'touch'), 0)::bigint AS touches,
       coalesce(sum(c.n) FILTER (WHERE c.what = 'held'), 0)::bigint AS held,
       coalesce(sum(c.n) FILTER (WHERE c.what = 'deferred'), 0)::bigint AS deferred,
       coalesce(sum(c.n) FILTER (WHERE c.what = 'blocked'), 0)::bigint AS blocked,
       coalesce(jsonb_object_agg(substr(c.what, 12), c.n) FILTER (WHERE c.what LIKE 'suppressed %'), '{}') AS suppressed_by,
       coalesce(sum(c.n) FILTER (WHERE c.what = 'reply'), 0)::bigint AS replies,
       coalesce(sum(c.n) FILTER (WHERE c.what = 'meeting_booked'), 0)::bigint AS meetings,
       round(coalesce(sum(c.n) FILTER (WHERE c.what = 'answered'), 0) / nullif(sum(c.n) FILTER (WHERE c.what = 'activated'), 0), 4) AS reply_rate
  FROM counted c
 GROUP BY 1, 2, 3, 4;
COMMENT ON VIEW sequence_outcomes IS 'What became of the enrolments of each sequence, per type, play and proposal. Reads all of the log: for sums by day, channel and step, which are kept, see cadence_intelligence. Example: SELECT sequence_type, sum(touches), sum(replies) FROM kam.sequence_outcomes GROUP BY 1;';
COMMENT ON COLUMN sequence_outcomes.sequence_type IS 'Type of the sequence.';
COMMENT ON COLUMN sequence_outcomes.sequence_id IS 'The sequence; NULL for touches that belong to none.';
COMMENT ON COLUMN sequence_outcomes.play_id IS 'The play.';
COMMENT ON COLUMN sequence_outcomes.originating_proposal_id IS 'The proposal the play derives from; NULL when no brain had part in it.';
COMMENT ON COLUMN sequence_outcomes.enrolments IS 'Rows of Cadence.';
COMMENT ON COLUMN sequence_outcomes.active IS 'Of these, active.';
COMMENT ON COLUMN sequence_outcomes.paused IS 'Of these, paused.';
COMMENT ON COLUMN sequence_outcomes.queued IS 'Of these, never active yet.';
COMMENT ON COLUMN sequence_outcomes.finished IS 'Of these, finished.';
COMMENT ON COLUMN sequence_outcomes.finished_by IS 'The finished ones by end_reason: {"replied": 2, "completed": 1}.';
COMMENT ON COLUMN sequence_outcomes.touches IS 'Touches executed.';
COMMENT ON COLUMN sequence_outcomes.held IS 'Touches held by the cap.';
COMMENT ON COLUMN sequence_outcomes.deferred IS 'Activations and resumes that a conflict deferred.';
COMMENT ON COLUMN sequence_outcomes.blocked IS 'Requests refused.';
COMMENT ON COLUMN sequence_outcomes.suppressed_by IS 'Requests not let through at once by suppressed_reason.';
COMMENT ON COLUMN sequence_outcomes.replies IS 'Enrolments that got a reply.';
COMMENT ON COLUMN sequence_outcomes.meetings IS 'Enrolments that led to a meeting.';
COMMENT ON COLUMN sequence_outcomes.reply_rate IS 'Enrolments with a reply or a meeting per enrolment that was ever active; NULL when none was.';
