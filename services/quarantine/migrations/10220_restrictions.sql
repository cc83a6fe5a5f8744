-- migrate:up

-- Rule 1 of the product, as constraints: a restriction names an approved policy, evidence of this person, two distinct approvers of the
-- decision it comes from, an end, and its entry in the log. All tables here are written once: the service's role may insert and
-- read, and whatever a row must refer to is refused when it is missing.

-- A proposal from an interview; its id becomes the restriction's.
CREATE TABLE restriction_proposals (
    restriction_id uuid NOT NULL,
    resident_id uuid NOT NULL,
    drill_id text NOT NULL,
    case_id uuid NOT NULL,
    evidence_id uuid NOT NULL,
    evidence_type smallint NOT NULL,
    policy_version integer NOT NULL,
    proposed_by text NOT NULL,
    proposed_at timestamptz NOT NULL,
    CONSTRAINT restriction_proposals_pkey PRIMARY KEY (restriction_id),
    CONSTRAINT restriction_proposals_evidence_id_key UNIQUE (evidence_id),
    CONSTRAINT restriction_proposals_proposer_key UNIQUE (restriction_id, proposed_by),
    CONSTRAINT restriction_proposals_grounds_key UNIQUE (restriction_id, evidence_id, policy_version),
    CONSTRAINT restriction_proposals_type_check CHECK (evidence_type = 4),
    CONSTRAINT restriction_proposals_policy_fkey FOREIGN KEY (policy_version) REFERENCES policy_versions (version),
    CONSTRAINT restriction_proposals_resident_fkey FOREIGN KEY (resident_id, drill_id) REFERENCES residents (resident_id, drill_id),
    CONSTRAINT restriction_proposals_evidence_fkey FOREIGN KEY (evidence_id, resident_id, case_id, evidence_type)
        REFERENCES evidence (evidence_id, resident_id, case_id, type)
);

CREATE TABLE restriction_approvals (
    restriction_id uuid NOT NULL,
    ordinal smallint NOT NULL,
    approver text NOT NULL,
    proposed_by text NOT NULL,
    approved_at timestamptz NOT NULL,
    CONSTRAINT restriction_approvals_pkey PRIMARY KEY (restriction_id, ordinal),
    CONSTRAINT restriction_approvals_approver_key UNIQUE (restriction_id, approver),
    CONSTRAINT restriction_approvals_ordinal_check CHECK (ordinal BETWEEN 1 AND 2),
    CONSTRAINT restriction_approvals_proposer_check CHECK (approver <> proposed_by),
    CONSTRAINT restriction_approvals_proposal_fkey FOREIGN KEY (restriction_id, proposed_by)
        REFERENCES restriction_proposals (restriction_id, proposed_by)
);

CREATE TABLE restriction_decisions (
    restriction_id uuid NOT NULL,
    evidence_id uuid NOT NULL,
    policy_version integer NOT NULL,
    first_approver text NOT NULL,
    second_approver text NOT NULL,
    CONSTRAINT restriction_decisions_pkey PRIMARY KEY (restriction_id),
    CONSTRAINT restriction_decisions_decision_key UNIQUE (restriction_id, evidence_id, first_approver, second_approver, policy_version),
    CONSTRAINT restriction_decisions_approvers_check CHECK (first_approver <> second_approver),
    CONSTRAINT restriction_decisions_proposal_fkey FOREIGN KEY (restriction_id, evidence_id, policy_version)
        REFERENCES restriction_proposals (restriction_id, evidence_id, policy_version),
    CONSTRAINT restriction_decisions_first_fkey FOREIGN KEY (restriction_id, first_approver)
        REFERENCES restriction_approvals (restriction_id, approver),
    CONSTRAINT restriction_decisions_second_fkey FOREIGN KEY (restriction_id, second_approver)
        REFERENCES restriction_approvals (restriction_id, approver)
);

-- reason and evidence_type carry the same numbers (RestrictionReason, EvidenceType), which is why one check binds them. Exactly one of
-- confirmed_case_id and proposal_id says which decision the approvers took; interviews go through proposals only.
-- sealed_leaf: salt and content of the log entry, under the person's key.
CREATE TABLE restrictions (
    restriction_id uuid NOT NULL,
    resident_id uuid NOT NULL,
    drill_id text NOT NULL,
    reason smallint NOT NULL,
    policy_version integer NOT NULL,
    case_id uuid NOT NULL,
    evidence_id uuid NOT NULL,
    evidence_type smallint NOT NULL,
    confirmed_case_id uuid,
    proposal_id uuid,
    first_approver text NOT NULL,
    second_approver text NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    leaf_index bigint NOT NULL,
    leaf_hash bytea NOT NULL,
    sealed_leaf bytea NOT NULL,
    CONSTRAINT restrictions_pkey PRIMARY KEY (restriction_id),
    CONSTRAINT restrictions_id_drill_key UNIQUE (restriction_id, drill_id),
    CONSTRAINT restrictions_leaf_key UNIQUE (leaf_index),
    CONSTRAINT restrictions_case_person_key UNIQUE (confirmed_case_id, resident_id),
    CONSTRAINT restrictions_proposal_key UNIQUE (proposal_id),
    CONSTRAINT restrictions_reason_check CHECK (reason BETWEEN 1 AND 4 AND reason = evidence_type),
    CONSTRAINT restrictions_decision_check CHECK (
        num_nonnulls(confirmed_case_id, proposal_id) = 1 AND (proposal_id IS NOT NULL) = (reason = 4)
        AND (confirmed_case_id IS NULL OR confirmed_case_id = case_id) AND (proposal_id IS NULL OR proposal_id = restriction_id)
    ),
    CONSTRAINT restrictions_approvers_check CHECK (first_approver <> second_approver),
    CONSTRAINT restrictions_end_check CHECK (ends_at > starts_at AND ends_at <= starts_at + interval '90 days'),
    CONSTRAINT restrictions_resident_fkey FOREIGN KEY (resident_id, drill_id) REFERENCES residents (resident_id, drill_id),
    CONSTRAINT restrictions_policy_fkey FOREIGN KEY (policy_version) REFERENCES policy_versions (version),
    CONSTRAINT restrictions_case_fkey FOREIGN KEY (case_id, drill_id) REFERENCES cases (case_id, drill_id),
    CONSTRAINT restrictions_evidence_fkey FOREIGN KEY (evidence_id, resident_id, case_id, evidence_type)
        REFERENCES evidence (evidence_id, resident_id, case_id, type),
    CONSTRAINT restrictions_confirmation_fkey FOREIGN KEY (confirmed_case_id, first_approver, second_approver, policy_version)
        REFERENCES case_confirmations (case_id, first_approver, second_approver, policy_version),
    CONSTRAINT restrictions_proposal_fkey FOREIGN KEY (proposal_id, evidence_id, first_approver, second_approver, policy_version)
        REFERENCES restriction_decisions (restriction_id, evidence_id, first_approver, second_approver, policy_version),
    CONSTRAINT restrictions_leaf_fkey FOREIGN KEY (leaf_index, leaf_hash) REFERENCES ledger_leaves (leaf_index, leaf_hash)
);
CREATE INDEX restrictions_resident_idx ON restrictions (resident_id, ends_at);
CREATE INDEX restrictions_end_idx ON restrictions (drill_id, ends_at);

ALTER TABLE contacts ADD CONSTRAINT contacts_restriction_fkey FOREIGN KEY (restriction_id) REFERENCES restrictions (restriction_id);

CREATE TABLE lift_proposals (
    restriction_id uuid NOT NULL,
    proposed_by text NOT NULL,
    proposed_at timestamptz NOT NULL,
    -- Under the person's key.
    grounds bytea NOT NULL,
    CONSTRAINT lift_proposals_pkey PRIMARY KEY (restriction_id),
    CONSTRAINT lift_proposals_proposer_key UNIQUE (restriction_id, proposed_by),
    CONSTRAINT lift_proposals_restriction_fkey FOREIGN KEY (restriction_id) REFERENCES restrictions (restriction_id)
);

-- kind 1: proposed by one person and approved by another. kind 2: the drill ended, by the command's word alone; drills only.
CREATE TABLE lifts (
    restriction_id uuid NOT NULL,
    drill_id text NOT NULL,
    kind smallint NOT NULL,
    proposed_by text,
    approved_by text NOT NULL,
    lifted_at timestamptz NOT NULL,
    CONSTRAINT lifts_pkey PRIMARY KEY (restriction_id),
    CONSTRAINT lifts_kind_check CHECK (
        (kind = 1 AND proposed_by IS NOT NULL) OR (kind = 2 AND proposed_by IS NULL AND drill_id <> '')
    ),
    CONSTRAINT lifts_approver_check CHECK (approved_by <> proposed_by),
    CONSTRAINT lifts_restriction_fkey FOREIGN KEY (restriction_id, drill_id) REFERENCES restrictions (restriction_id, drill_id),
    CONSTRAINT lifts_proposal_fkey FOREIGN KEY (restriction_id, proposed_by) REFERENCES lift_proposals (restriction_id, proposed_by)
);

DO $$
BEGIN
    EXECUTE format(
        'GRANT SELECT, INSERT ON restriction_proposals, restriction_approvals, restriction_decisions, restrictions, lift_proposals, lifts TO %I',
        current_schema());
END
$$;

-- migrate:down
