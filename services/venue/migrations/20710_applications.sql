-- migrate:up
-- Applications of venues: submissions and decisions are added, never changed. At most one decision for each submission, by
-- somebody else than who submitted it.

CREATE TABLE applications (
    application_id uuid NOT NULL,
    applicant text NOT NULL,
    area text COLLATE "C" NOT NULL,
    -- 1 submitted, 2 returned, 3 approved; follows from the tables below and is kept for lists.
    state smallint NOT NULL,
    submission smallint NOT NULL,
    first_submitted_at timestamptz NOT NULL,
    CONSTRAINT applications_pkey PRIMARY KEY (application_id),
    CONSTRAINT applications_state_check CHECK (state BETWEEN 1 AND 3),
    CONSTRAINT applications_area_check CHECK (area ~ '^[0-9]{9,18}$')
);
CREATE INDEX applications_area_idx ON applications (area, first_submitted_at, application_id);

CREATE TABLE application_submissions (
    application_id uuid NOT NULL,
    submission smallint NOT NULL,
    -- The contract's ApplicationContent.
    content bytea NOT NULL,
    submitted_by text NOT NULL,
    submitted_at timestamptz NOT NULL,
    CONSTRAINT application_submissions_pkey PRIMARY KEY (application_id, submission),
    CONSTRAINT application_submissions_person_key UNIQUE (application_id, submission, submitted_by),
    CONSTRAINT application_submissions_application_fkey FOREIGN KEY (application_id) REFERENCES applications (application_id),
    CONSTRAINT application_submissions_number_check CHECK (submission BETWEEN 1 AND 100)
);
ALTER TABLE applications ADD CONSTRAINT applications_submission_fkey FOREIGN KEY (application_id, submission)
    REFERENCES application_submissions (application_id, submission) DEFERRABLE INITIALLY DEFERRED;

CREATE TABLE application_decisions (
    application_id uuid NOT NULL,
    submission smallint NOT NULL,
    submitted_by text NOT NULL,
    decided_by text NOT NULL,
    decided_at timestamptz NOT NULL,
    reasons text[] NOT NULL,
    -- Set when it was approved.
    venue_id uuid,
    CONSTRAINT application_decisions_pkey PRIMARY KEY (application_id, submission),
    CONSTRAINT application_decisions_submission_fkey FOREIGN KEY (application_id, submission, submitted_by)
        REFERENCES application_submissions (application_id, submission, submitted_by),
    CONSTRAINT application_decisions_venue_fkey FOREIGN KEY (venue_id) REFERENCES venues (venue_id),
    CONSTRAINT application_decisions_venue_key UNIQUE (venue_id),
    CONSTRAINT application_decisions_second_person_check CHECK (decided_by <> submitted_by),
    CONSTRAINT application_decisions_reasons_check CHECK ((venue_id IS NULL) = (cardinality(reasons) > 0))
);

DO $$
BEGIN
    EXECUTE format('GRANT SELECT, INSERT ON applications, application_submissions, application_decisions TO %I', current_schema());
    EXECUTE format('GRANT UPDATE (area, state, submission) ON applications TO %I', current_schema());
END
$$;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
