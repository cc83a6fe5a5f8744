-- migrate:up

-- Evidence is kept until the restriction's end + 30 days (product X5), the end being the lift if there was one; what led to no
-- restriction, as long after the day until which it could have. What is removed is the sealed content; the row stays,
-- because restrictions refer to it, and the log goes on saying what its hash was. The service may insert evidence and not change
-- it, so this is a function of the owner, and all it can do is forget what is due.
CREATE FUNCTION purge_evidence(moment timestamptz, most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    purged integer;
BEGIN
    WITH due AS (
        SELECT e.evidence_id, k.contact_id
        FROM evidence e JOIN contacts k ON k.case_id = e.case_id AND k.resident_id = e.resident_id
        WHERE e.sealed <> '' AND moment - interval '30 days' > coalesce(
            (SELECT max(coalesce(l.lifted_at, r.ends_at)) FROM restrictions r LEFT JOIN lifts l USING (restriction_id)
             WHERE r.resident_id = e.resident_id AND r.case_id = e.case_id),
            k.restrict_until)
        LIMIT most FOR UPDATE OF e SKIP LOCKED
    ), forgotten AS (
        UPDATE interview_tasks t SET statement = NULL FROM due
        WHERE t.contact_id = due.contact_id AND t.statement IS NOT NULL
    )
    UPDATE evidence e SET sealed = '' FROM due WHERE e.evidence_id = due.evidence_id;
    GET DIAGNOSTICS purged = ROW_COUNT;
    RETURN purged;
END
$$;

-- A definer's function must not find tables of the caller's choosing, so its search path is fixed.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION purge_evidence(timestamptz, integer) SET search_path = %I, pg_temp', current_schema());
    REVOKE ALL ON FUNCTION purge_evidence(timestamptz, integer) FROM PUBLIC;
    EXECUTE format('GRANT EXECUTE ON FUNCTION purge_evidence(timestamptz, integer) TO %I', current_schema());
END
$$;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
