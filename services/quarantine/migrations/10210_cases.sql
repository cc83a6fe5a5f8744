-- migrate:up

CREATE TABLE lab_results (
    lab_result_id uuid NOT NULL,
    resident_id uuid NOT NULL,
    drill_id text NOT NULL,
    specimen_at timestamptz NOT NULL,
    outcome smallint NOT NULL,
    laboratory text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT lab_results_pkey PRIMARY KEY (lab_result_id),
    CONSTRAINT lab_results_evidence_key UNIQUE (lab_result_id, resident_id, outcome, laboratory),
    CONSTRAINT lab_results_outcome_check CHECK (outcome IN (1, 2)),
    CONSTRAINT lab_results_specimen_check CHECK (specimen_at <= recorded_at AND specimen_at >= recorded_at - interval '14 days'),
    CONSTRAINT lab_results_resident_fkey FOREIGN KEY (resident_id, drill_id) REFERENCES residents (resident_id, drill_id)
);

-- state: 1 suspected, 2 searching, 3 awaiting a third approval, 4 confirmed, 5 closed (the numbers of CaseState).
CREATE TABLE cases (
    case_id uuid NOT NULL,
    resident_id uuid NOT NULL,
    drill_id text NOT NULL,
    area text NOT NULL,
    state smallint NOT NULL,
    opened_by text NOT NULL,
    opened_at timestamptz NOT NULL,
    -- Fixed by the first approval, so that search, preview and restrictions follow one and the same edition.
    policy_version integer,
    lab_result_id uuid,
    specimen_at timestamptz,
    infectious_from timestamptz,
    confirmed_at timestamptz,
    closed_at timestamptz,
    closed_by text,
    CONSTRAINT cases_pkey PRIMARY KEY (case_id),
    CONSTRAINT cases_id_resident_key UNIQUE (case_id, resident_id),
    CONSTRAINT cases_id_drill_key UNIQUE (case_id, drill_id),
    CONSTRAINT cases_state_check CHECK (state BETWEEN 1 AND 5),
    CONSTRAINT cases_grounds_check CHECK (
        state IN (1, 5)
        OR (policy_version IS NOT NULL AND lab_result_id IS NOT NULL AND specimen_at IS NOT NULL AND infectious_from IS NOT NULL)
    ),
    CONSTRAINT cases_confirmed_check CHECK (state <> 4 OR confirmed_at IS NOT NULL),
    CONSTRAINT cases_closed_check CHECK ((state = 5) = (closed_at IS NOT NULL AND closed_by IS NOT NULL)),
    CONSTRAINT cases_resident_fkey FOREIGN KEY (resident_id, drill_id) REFERENCES residents (resident_id, drill_id),
    CONSTRAINT cases_policy_fkey FOREIGN KEY (policy_version) REFERENCES policy_versions (version),
    CONSTRAINT cases_lab_result_fkey FOREIGN KEY (lab_result_id) REFERENCES lab_results (lab_result_id)
);
CREATE UNIQUE INDEX cases_one_open_idx ON cases (resident_id) WHERE state <> 5;
CREATE INDEX cases_area_idx ON cases (area text_pattern_ops, case_id);
CREATE INDEX cases_confirmed_idx ON cases (case_id) WHERE state = 4;

-- The laboratory's account stands in the row, so that "not the laboratory" is a check of the database and not of the code.
CREATE TABLE case_approvals (
    case_id uuid NOT NULL,
    resident_id uuid NOT NULL,
    ordinal smallint NOT NULL,
    approver text NOT NULL,
    lab_result_id uuid NOT NULL,
    outcome smallint NOT NULL,
    laboratory text NOT NULL,
    approved_at timestamptz NOT NULL,
    CONSTRAINT case_approvals_pkey PRIMARY KEY (case_id, ordinal),
    CONSTRAINT case_approvals_approver_key UNIQUE (case_id, approver),
    CONSTRAINT case_approvals_grounds_key UNIQUE (case_id, approver, lab_result_id, laboratory),
    CONSTRAINT case_approvals_ordinal_check CHECK (ordinal BETWEEN 1 AND 3),
    CONSTRAINT case_approvals_laboratory_check CHECK (approver <> laboratory),
    CONSTRAINT case_approvals_positive_check CHECK (outcome = 1),
    CONSTRAINT case_approvals_case_fkey FOREIGN KEY (case_id, resident_id) REFERENCES cases (case_id, resident_id),
    CONSTRAINT case_approvals_lab_result_fkey FOREIGN KEY (lab_result_id, resident_id, outcome, laboratory)
        REFERENCES lab_results (lab_result_id, resident_id, outcome, laboratory)
);

-- The decision that restrictions of a case rest on: both approvals, on the same laboratory result.
CREATE TABLE case_confirmations (
    case_id uuid NOT NULL,
    policy_version integer NOT NULL,
    lab_result_id uuid NOT NULL,
    laboratory text NOT NULL,
    first_approver text NOT NULL,
    second_approver text NOT NULL,
    confirmed_at timestamptz NOT NULL,
    CONSTRAINT case_confirmations_pkey PRIMARY KEY (case_id),
    CONSTRAINT case_confirmations_decision_key UNIQUE (case_id, first_approver, second_approver, policy_version),
    CONSTRAINT case_confirmations_approvers_check CHECK (first_approver <> second_approver),
    CONSTRAINT case_confirmations_laboratory_check CHECK (laboratory NOT IN (first_approver, second_approver)),
    CONSTRAINT case_confirmations_policy_fkey FOREIGN KEY (policy_version) REFERENCES policy_versions (version),
    CONSTRAINT case_confirmations_first_fkey FOREIGN KEY (case_id, first_approver, lab_result_id, laboratory)
        REFERENCES case_approvals (case_id, approver, lab_result_id, laboratory),
    CONSTRAINT case_confirmations_second_fkey FOREIGN KEY (case_id, second_approver, lab_result_id, laboratory)
        REFERENCES case_approvals (case_id, approver, lab_result_id, laboratory)
);

-- One per case and day, under a random id. The tag that is searched for is not stored: it follows from the day's key.
CREATE TABLE searches (
    search_id bytea NOT NULL,
    case_id uuid NOT NULL,
    drill_id text NOT NULL,
    day date NOT NULL,
    CONSTRAINT searches_pkey PRIMARY KEY (search_id),
    CONSTRAINT searches_case_day_key UNIQUE (case_id, day),
    CONSTRAINT searches_id_check CHECK (octet_length(search_id) = 16),
    CONSTRAINT searches_case_fkey FOREIGN KEY (case_id, drill_id) REFERENCES cases (case_id, drill_id)
);

-- Parts of answers that came in; source 1 venue, 2 checkpoint. What comes after the first answer is part 0 of 0 and not kept here.
CREATE TABLE search_answers (
    search_id bytea NOT NULL,
    source smallint NOT NULL,
    part integer NOT NULL,
    parts integer NOT NULL,
    CONSTRAINT search_answers_pkey PRIMARY KEY (search_id, source, part),
    CONSTRAINT search_answers_source_check CHECK (source IN (1, 2)),
    CONSTRAINT search_answers_part_check CHECK (part BETWEEN 1 AND parts),
    CONSTRAINT search_answers_search_fkey FOREIGN KEY (search_id) REFERENCES searches (search_id)
);

-- Sealed under the person's own key. Types 1 to 4 are those of EvidenceType, grounds for a restriction; 10 (weak presence) and
-- 11 (a passage) are leads for a tracer, and nothing can be restricted on them because restrictions refer to the type as well.
CREATE TABLE evidence (
    evidence_id uuid NOT NULL,
    resident_id uuid NOT NULL,
    drill_id text NOT NULL,
    case_id uuid NOT NULL,
    type smallint NOT NULL,
    sealed bytea NOT NULL,
    CONSTRAINT evidence_pkey PRIMARY KEY (evidence_id),
    CONSTRAINT evidence_grounds_key UNIQUE (evidence_id, resident_id, case_id, type),
    CONSTRAINT evidence_type_check CHECK (type IN (1, 2, 3, 4, 10, 11)),
    CONSTRAINT evidence_case_fkey FOREIGN KEY (case_id, drill_id) REFERENCES cases (case_id, drill_id),
    CONSTRAINT evidence_resident_fkey FOREIGN KEY (resident_id, drill_id) REFERENCES residents (resident_id, drill_id)
);
CREATE INDEX evidence_case_idx ON evidence (case_id, resident_id);

-- kind: 0 the index person, 1 close, 2 household, 3 co-present, 4 lead (the numbers of ContactKind). restrict_until is what the
-- case's policy says for this exposure, kept here so that a date that has passed needs no further thought.
CREATE TABLE contacts (
    contact_id uuid NOT NULL,
    case_id uuid NOT NULL,
    resident_id uuid NOT NULL,
    drill_id text NOT NULL,
    kind smallint NOT NULL,
    interview_reason smallint,
    evidence_id uuid NOT NULL,
    last_exposure_at timestamptz NOT NULL,
    minutes integer NOT NULL,
    restrict_until timestamptz NOT NULL,
    restriction_id uuid,
    CONSTRAINT contacts_pkey PRIMARY KEY (contact_id),
    CONSTRAINT contacts_case_resident_key UNIQUE (case_id, resident_id),
    CONSTRAINT contacts_kind_check CHECK (kind BETWEEN 0 AND 4),
    CONSTRAINT contacts_reason_check CHECK ((kind IN (3, 4)) = (interview_reason IS NOT NULL)),
    CONSTRAINT contacts_minutes_check CHECK (minutes >= 0),
    CONSTRAINT contacts_case_fkey FOREIGN KEY (case_id, drill_id) REFERENCES cases (case_id, drill_id),
    CONSTRAINT contacts_resident_fkey FOREIGN KEY (resident_id, drill_id) REFERENCES residents (resident_id, drill_id),
    CONSTRAINT contacts_evidence_fkey FOREIGN KEY (evidence_id) REFERENCES evidence (evidence_id)
);
CREATE INDEX contacts_due_idx ON contacts (case_id, kind, contact_id) WHERE restriction_id IS NULL AND kind <= 2;
CREATE INDEX contacts_ask_idx ON contacts (case_id, contact_id) WHERE kind >= 3;

CREATE TABLE interview_tasks (
    task_id uuid NOT NULL,
    contact_id uuid NOT NULL,
    case_id uuid NOT NULL,
    resident_id uuid NOT NULL,
    drill_id text NOT NULL,
    area text NOT NULL,
    reason smallint NOT NULL,
    due_at timestamptz NOT NULL,
    outcome smallint,
    evidence_id uuid,
    -- What the person said, under their own key.
    statement bytea,
    completed_by text,
    completed_at timestamptz,
    -- A stronger hit came in and the person is restricted by the case's own decision: nothing is left to ask.
    superseded boolean NOT NULL DEFAULT false,
    CONSTRAINT interview_tasks_pkey PRIMARY KEY (task_id),
    CONSTRAINT interview_tasks_contact_key UNIQUE (contact_id),
    CONSTRAINT interview_tasks_reason_check CHECK (reason BETWEEN 1 AND 5),
    CONSTRAINT interview_tasks_outcome_check CHECK (outcome BETWEEN 1 AND 3),
    CONSTRAINT interview_tasks_completed_check CHECK (
        num_nonnulls(outcome, completed_by, completed_at) IN (0, 3) AND (evidence_id IS NULL OR outcome = 1)
    ),
    CONSTRAINT interview_tasks_contact_fkey FOREIGN KEY (contact_id) REFERENCES contacts (contact_id),
    CONSTRAINT interview_tasks_case_fkey FOREIGN KEY (case_id, drill_id) REFERENCES cases (case_id, drill_id),
    CONSTRAINT interview_tasks_resident_fkey FOREIGN KEY (resident_id, drill_id) REFERENCES residents (resident_id, drill_id),
    CONSTRAINT interview_tasks_evidence_fkey FOREIGN KEY (evidence_id) REFERENCES evidence (evidence_id)
);
CREATE INDEX interview_tasks_open_idx ON interview_tasks (area text_pattern_ops, task_id) WHERE outcome IS NULL AND NOT superseded;
CREATE INDEX interview_tasks_case_idx ON interview_tasks (case_id, task_id);

DO $$
BEGIN
    EXECUTE format(
        'GRANT SELECT, INSERT ON lab_results, cases, case_approvals, case_confirmations, searches, search_answers, evidence, contacts, '
        'interview_tasks TO %I', current_schema());
    EXECUTE format(
        'GRANT UPDATE (state, policy_version, lab_result_id, specimen_at, infectious_from, confirmed_at, closed_at, closed_by) ON cases TO %I',
        current_schema());
    EXECUTE format(
        'GRANT UPDATE (kind, interview_reason, evidence_id, last_exposure_at, minutes, restrict_until, restriction_id) ON contacts TO %I',
        current_schema());
    EXECUTE format(
        'GRANT UPDATE (outcome, evidence_id, statement, completed_by, completed_at, superseded) ON interview_tasks TO %I', current_schema());
END
$$;

-- migrate:down
