-- migrate:up

-- Recalled lots of the cold chain, as venue told of them: what a tracer has to know to ask who handled one. Nothing of people.
CREATE TABLE recalled_lots (
    lot_id uuid NOT NULL,
    drill_id text NOT NULL,
    product text NOT NULL,
    trace_code text NOT NULL,
    origin_country text NOT NULL,
    recalled_at timestamptz NOT NULL,
    CONSTRAINT recalled_lots_pkey PRIMARY KEY (lot_id)
);

-- Who handled a recalled lot is asked, once for each lot. Such a task stands on no case and no contact, has no evidence and cannot
-- get any (that takes a case), and outcome 1 is not open to it: so nothing leads from goods to a restriction.
-- lot_id does not refer to recalled_lots: venue tells of the lot and of its handlers each on its own, in any order.
ALTER TABLE interview_tasks
    ALTER COLUMN contact_id DROP NOT NULL,
    ALTER COLUMN case_id DROP NOT NULL,
    ADD COLUMN lot_id uuid,
    -- The last day on which the person handled it, as far as known.
    ADD COLUMN handled_on date,
    DROP CONSTRAINT interview_tasks_reason_check,
    DROP CONSTRAINT interview_tasks_outcome_check,
    ADD CONSTRAINT interview_tasks_reason_check CHECK (reason BETWEEN 1 AND 6 AND (reason = 6) = (lot_id IS NOT NULL)) NOT VALID,
    ADD CONSTRAINT interview_tasks_outcome_check CHECK (
        CASE WHEN lot_id IS NULL THEN outcome BETWEEN 1 AND 3 ELSE outcome BETWEEN 2 AND 4 END
    ) NOT VALID,
    ADD CONSTRAINT interview_tasks_ground_check CHECK (
        CASE WHEN lot_id IS NULL THEN num_nulls(contact_id, case_id, handled_on) = 1 AND handled_on IS NULL
             ELSE num_nonnulls(contact_id, case_id, evidence_id) = 0 AND handled_on IS NOT NULL AND NOT superseded END
    ) NOT VALID,
    ADD CONSTRAINT interview_tasks_lot_key UNIQUE (lot_id, resident_id);
CREATE INDEX interview_tasks_handled_idx ON interview_tasks (handled_on) WHERE lot_id IS NOT NULL;

-- Forgets tasks of lots whole, with what was said: 14 days during which handling could matter (as long as the tags of the day are
-- kept), and 30 more (product X5). The service may not delete; all that it can do is have this forget what is due.
CREATE FUNCTION purge_lot_interviews(today date, most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    purged integer;
BEGIN
    DELETE FROM interview_tasks WHERE task_id IN (
        SELECT task_id FROM interview_tasks WHERE lot_id IS NOT NULL AND handled_on < today - 44
        LIMIT most FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS purged = ROW_COUNT;
    RETURN purged;
END
$$;

DO $$
BEGIN
    EXECUTE format('GRANT SELECT, INSERT ON recalled_lots TO %I', current_schema());
    EXECUTE format('GRANT UPDATE (handled_on) ON interview_tasks TO %I', current_schema());
    -- A definer's function must not find tables of the caller's choosing, so its search path is fixed.
    EXECUTE format('ALTER FUNCTION purge_lot_interviews(date, integer) SET search_path = %I, pg_temp', current_schema());
    REVOKE ALL ON FUNCTION purge_lot_interviews(date, integer) FROM PUBLIC;
    EXECUTE format('GRANT EXECUTE ON FUNCTION purge_lot_interviews(date, integer) TO %I', current_schema());
END
$$;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
