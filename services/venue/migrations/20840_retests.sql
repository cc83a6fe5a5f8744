-- migrate:up
-- A positive result is dismissed with a negative one of a sample that was taken later; that the result came later is not enough.
-- So a decision carries the ordinal of the retest's sample too.

ALTER TABLE lot_samples ADD CONSTRAINT lot_samples_ordinal_key UNIQUE (sample_id, lot_id, ordinal);
ALTER TABLE recall_decisions ADD COLUMN retest_sample_ordinal integer;

UPDATE recall_decisions d SET retest_sample_ordinal = s.ordinal FROM lot_samples s WHERE s.sample_id = d.retest_id;
SET CONSTRAINTS ALL IMMEDIATE;

-- The version before does not write it. It is what the sample's own row says, whoever writes.
CREATE FUNCTION note_retest() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    NEW.retest_sample_ordinal := (SELECT s.ordinal FROM lot_samples s WHERE s.sample_id = NEW.retest_id);
    RETURN NEW;
END $$;
CREATE TRIGGER recall_decisions_retest BEFORE INSERT ON recall_decisions FOR EACH ROW
    WHEN (NEW.retest_id IS NOT NULL AND NEW.retest_sample_ordinal IS NULL) EXECUTE FUNCTION note_retest();

-- NOT VALID: what was decided before this rule stays decided.
ALTER TABLE recall_decisions
    DROP CONSTRAINT recall_decisions_retest_check,
    ADD CONSTRAINT recall_decisions_retest_check CHECK (
        frees AND (retest_id IS NULL) = (retest_ordinal IS NULL) AND (retest_id IS NULL) = (retest_sample_ordinal IS NULL)
        AND CASE WHEN decision = 2 AND proposal_kind = 4
                 THEN retest_id IS NOT NULL AND retest_ordinal > proposal_ordinal AND retest_sample_ordinal > proposal_ordinal
                 ELSE retest_id IS NULL END
    ) NOT VALID,
    ADD CONSTRAINT recall_decisions_retest_sample_fkey FOREIGN KEY (retest_id, lot_id, retest_sample_ordinal)
        REFERENCES lot_samples (sample_id, lot_id, ordinal);

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
