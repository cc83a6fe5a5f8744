-- migrate:up

-- Measures as versioned data. Every table here is written once and never changed: a draft is a row, an approval is a row,
-- and a version is a row that names the two approvals it rests on. What refers to a version therefore refers to an
-- approved policy, and no column of it can be altered afterwards.
CREATE TABLE policies (
    policy_id uuid NOT NULL,
    title text NOT NULL,
    infectious_days_before smallint NOT NULL,
    close_contact_minutes smallint NOT NULL,
    close_contact_days smallint NOT NULL,
    case_days smallint NOT NULL,
    largest_zone integer NOT NULL,
    impact_cap integer NOT NULL,
    passage_minutes smallint NOT NULL,
    effective_from timestamptz NOT NULL,
    drafted_by text NOT NULL,
    drafted_at timestamptz NOT NULL,
    CONSTRAINT policies_pkey PRIMARY KEY (policy_id),
    CONSTRAINT policies_id_drafter_key UNIQUE (policy_id, drafted_by),
    CONSTRAINT policies_title_check CHECK (char_length(title) BETWEEN 1 AND 200),
    CONSTRAINT policies_infectious_days_check CHECK (infectious_days_before BETWEEN 0 AND 14),
    CONSTRAINT policies_contact_minutes_check CHECK (close_contact_minutes BETWEEN 1 AND 1440),
    CONSTRAINT policies_contact_days_check CHECK (close_contact_days BETWEEN 1 AND 30),
    CONSTRAINT policies_case_days_check CHECK (case_days BETWEEN 1 AND 60),
    CONSTRAINT policies_largest_zone_check CHECK (largest_zone >= 1),
    CONSTRAINT policies_impact_cap_check CHECK (impact_cap >= 1),
    CONSTRAINT policies_passage_minutes_check CHECK (passage_minutes BETWEEN 0 AND 240)
);

CREATE TABLE policy_approvals (
    policy_id uuid NOT NULL,
    ordinal smallint NOT NULL,
    approver text NOT NULL,
    drafted_by text NOT NULL,
    approved_at timestamptz NOT NULL,
    CONSTRAINT policy_approvals_pkey PRIMARY KEY (policy_id, ordinal),
    CONSTRAINT policy_approvals_approver_key UNIQUE (policy_id, approver),
    CONSTRAINT policy_approvals_ordinal_check CHECK (ordinal BETWEEN 1 AND 2),
    CONSTRAINT policy_approvals_drafter_check CHECK (approver <> drafted_by),
    CONSTRAINT policy_approvals_policy_fkey FOREIGN KEY (policy_id, drafted_by) REFERENCES policies (policy_id, drafted_by)
);

CREATE TABLE policy_versions (
    version integer NOT NULL,
    policy_id uuid NOT NULL,
    first_approver text NOT NULL,
    second_approver text NOT NULL,
    approved_at timestamptz NOT NULL,
    CONSTRAINT policy_versions_pkey PRIMARY KEY (version),
    CONSTRAINT policy_versions_policy_key UNIQUE (policy_id),
    CONSTRAINT policy_versions_version_check CHECK (version >= 1),
    CONSTRAINT policy_versions_approvers_check CHECK (first_approver <> second_approver),
    CONSTRAINT policy_versions_first_fkey FOREIGN KEY (policy_id, first_approver) REFERENCES policy_approvals (policy_id, approver),
    CONSTRAINT policy_versions_second_fkey FOREIGN KEY (policy_id, second_approver) REFERENCES policy_approvals (policy_id, approver)
);

DO $$
BEGIN
    EXECUTE format('GRANT SELECT, INSERT ON policies, policy_approvals, policy_versions TO %I', current_schema());
END
$$;

-- migrate:down
