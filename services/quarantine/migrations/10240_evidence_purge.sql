-- migrate:up

-- Evidence is kept until the restriction's end + 30 days (product X5), the end being the lift if there was one; what led to no
-- restriction, as long after the day until which it could have. What is removed is the sealed content; the row stays,
-- because restrictions refer to it, and the log goes on saying what its hash was. The service may insert evidence and not change
-- it, so this is a function of the owner, and all it can do is forget what is due. It answers of how many contacts.
CREATE FUNCTION purge_evidence(moment timestamptz, most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    purged integer;
BEGIN
    WITH due AS (
        SELECT k.contact_id, k.case_id, k.resident_id FROM contacts k
        WHERE moment - interval '30 days' > coalesce(
                (SELECT max(coalesce(l.lifted_at, r.ends_at)) FROM restrictions r LEFT JOIN lifts l USING (restriction_id)
                 WHERE r.resident_id = k.resident_id AND r.case_id = k.case_id),
                k.restrict_until)
          -- A statement may come when the evidence is gone already, and need not be evidence.
          AND (EXISTS (SELECT FROM evidence e
                       WHERE e.case_id = k.case_id AND e.resident_id = k.resident_id AND e.sealed <> '')
               OR EXISTS (SELECT FROM interview_tasks t WHERE t.contact_id = k.contact_id AND t.statement IS NOT NULL))
        LIMIT most FOR UPDATE OF k SKIP LOCKED
    ), unsaid AS (
        UPDATE interview_tasks t SET statement = NULL FROM due
        WHERE t.contact_id = due.contact_id AND t.statement IS NOT NULL
    ), forgotten AS (
        UPDATE evidence e SET sealed = '' FROM due
        WHERE e.case_id = due.case_id AND e.resident_id = due.resident_id AND e.sealed <> ''
    )
    SELECT count(*) INTO purged FROM due;
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
