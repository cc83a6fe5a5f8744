-- migrate:up
-- The ladder: policies, the facts of each venue in their order, the measures and suspensions that follow. What stands here is
-- written once; where a venue stands is derived from it. Rule 1 of the product holds by constraint: a suspension names a failed
-- inspection by two people, a step of a policy that two others approved, an approver who is none of those, an end, and its log entry.

CREATE TABLE ladder_policies (
    policy_id uuid NOT NULL,
    area text COLLATE "C" NOT NULL,
    title text NOT NULL,
    window_days integer NOT NULL,
    step_count smallint NOT NULL,
    reinspect_hours integer NOT NULL,
    climb_hours integer NOT NULL,
    issuing_body text NOT NULL,
    effective_from timestamptz NOT NULL,
    drafted_by text NOT NULL,
    drafted_at timestamptz NOT NULL,
    CONSTRAINT ladder_policies_pkey PRIMARY KEY (policy_id),
    CONSTRAINT ladder_policies_area_key UNIQUE (policy_id, area),
    CONSTRAINT ladder_policies_steps_key UNIQUE (policy_id, step_count),
    CONSTRAINT ladder_policies_drafter_key UNIQUE (policy_id, drafted_by),
    CONSTRAINT ladder_policies_area_check CHECK (area ~ '^[0-9]{2,18}$'),
    CONSTRAINT ladder_policies_rules_check CHECK (
        window_days BETWEEN 1 AND 1000 AND step_count BETWEEN 1 AND 10 AND reinspect_hours BETWEEN 1 AND 720
        AND climb_hours BETWEEN 1 AND 240 AND length(issuing_body) BETWEEN 2 AND 60 AND length(title) BETWEEN 1 AND 200
    )
);

-- papers: 1 inspection form, 2 rectification notice, 3 yellow card, 4 red card, 5 suspension decision, 6 seal.
-- Each step refers to the one before, so that the last one proves that all are there; none can be added to it.
CREATE TABLE ladder_steps (
    policy_id uuid NOT NULL,
    step_count smallint NOT NULL,
    step smallint NOT NULL,
    former smallint GENERATED ALWAYS AS (nullif(step - 1, 0)) STORED,
    papers smallint[] NOT NULL,
    suspension_days integer NOT NULL,
    rectify_hours integer NOT NULL,
    CONSTRAINT ladder_steps_pkey PRIMARY KEY (policy_id, step),
    CONSTRAINT ladder_steps_suspension_key UNIQUE (policy_id, step, suspension_days),
    CONSTRAINT ladder_steps_step_check CHECK (step BETWEEN 1 AND step_count),
    CONSTRAINT ladder_steps_papers_check CHECK (
        cardinality(papers) BETWEEN 1 AND 6 AND 1 <= ALL (papers) AND 6 >= ALL (papers)
        AND (5 = ANY (papers)) = (suspension_days > 0) AND (suspension_days > 0 OR 6 <> ALL (papers))
    ),
    CONSTRAINT ladder_steps_bounds_check CHECK (suspension_days BETWEEN 0 AND 30 AND rectify_hours BETWEEN 1 AND 720),
    CONSTRAINT ladder_steps_policy_fkey FOREIGN KEY (policy_id, step_count) REFERENCES ladder_policies (policy_id, step_count),
    CONSTRAINT ladder_steps_former_fkey FOREIGN KEY (policy_id, former) REFERENCES ladder_steps (policy_id, step)
);

CREATE TABLE ladder_policy_approvals (
    policy_id uuid NOT NULL,
    ordinal smallint NOT NULL,
    approver text NOT NULL,
    drafted_by text NOT NULL,
    approved_at timestamptz NOT NULL,
    CONSTRAINT ladder_policy_approvals_pkey PRIMARY KEY (policy_id, ordinal),
    CONSTRAINT ladder_policy_approvals_approver_key UNIQUE (policy_id, approver),
    CONSTRAINT ladder_policy_approvals_ordinal_check CHECK (ordinal BETWEEN 1 AND 2),
    CONSTRAINT ladder_policy_approvals_drafter_check CHECK (approver <> drafted_by),
    CONSTRAINT ladder_policy_approvals_policy_fkey FOREIGN KEY (policy_id, drafted_by)
        REFERENCES ladder_policies (policy_id, drafted_by)
);

-- Policies in force from their date. step_count: their last step exists, and so all do.
CREATE TABLE ladder_policy_versions (
    policy_id uuid NOT NULL,
    area text COLLATE "C" NOT NULL,
    version integer NOT NULL,
    step_count smallint NOT NULL,
    first_approver text NOT NULL,
    second_approver text NOT NULL,
    approved_at timestamptz NOT NULL,
    CONSTRAINT ladder_policy_versions_pkey PRIMARY KEY (policy_id),
    CONSTRAINT ladder_policy_versions_version_key UNIQUE (area, version),
    CONSTRAINT ladder_policy_versions_approvers_check CHECK (first_approver <> second_approver),
    CONSTRAINT ladder_policy_versions_area_fkey FOREIGN KEY (policy_id, area) REFERENCES ladder_policies (policy_id, area),
    CONSTRAINT ladder_policy_versions_count_fkey FOREIGN KEY (policy_id, step_count)
        REFERENCES ladder_policies (policy_id, step_count),
    CONSTRAINT ladder_policy_versions_steps_fkey FOREIGN KEY (policy_id, step_count) REFERENCES ladder_steps (policy_id, step),
    CONSTRAINT ladder_policy_versions_first_fkey FOREIGN KEY (policy_id, first_approver)
        REFERENCES ladder_policy_approvals (policy_id, approver),
    CONSTRAINT ladder_policy_versions_second_fkey FOREIGN KEY (policy_id, second_approver)
        REFERENCES ladder_policy_approvals (policy_id, approver)
);

-- One row for each venue that was ever inspected. Whoever adds a fact locks it first, so facts of a venue have an order without gaps.
-- The other columns repeat what the facts say now, for lists: what the venue has to wait for, and until when.
CREATE TABLE ladder_heads (
    venue_id uuid NOT NULL,
    drill_id text NOT NULL,
    area text COLLATE "C" NOT NULL,
    last_ordinal integer NOT NULL DEFAULT 0,
    measure_id uuid,
    step smallint NOT NULL DEFAULT 0,
    -- As in the contract's MeasureState: 1 rectification, 2 re-inspection, 3 lift; 0 while no measure is open.
    state smallint NOT NULL DEFAULT 0,
    due_at timestamptz,
    climb_hours integer NOT NULL DEFAULT 24,
    suspension_pending boolean NOT NULL DEFAULT false,
    CONSTRAINT ladder_heads_pkey PRIMARY KEY (venue_id),
    CONSTRAINT ladder_heads_state_check CHECK (state BETWEEN 0 AND 3 AND (state > 0) = (measure_id IS NOT NULL)),
    CONSTRAINT ladder_heads_venue_fkey FOREIGN KEY (venue_id, drill_id) REFERENCES venues (venue_id, drill_id)
);
CREATE INDEX ladder_heads_due_idx ON ladder_heads (area, due_at) WHERE state > 0;

-- kind: 1 inspected, 2 rectified, 3 suspended, 4 extension proposed, 5 lift proposed, 6 lifted, 7 appealed, 8 appeal decided.
-- fact_id is the client's id of the thing. measure_id: the measure that it is about. refers_to, proposed_by: the proposal or appeal
-- that is answered, and whose it was.
CREATE TABLE ladder_facts (
    fact_id uuid NOT NULL,
    venue_id uuid NOT NULL,
    ordinal integer NOT NULL,
    kind smallint NOT NULL,
    measure_id uuid,
    refers_to uuid,
    proposed_by text,
    actor text NOT NULL,
    happened_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    passed boolean,
    upheld boolean,
    days integer,
    note text NOT NULL DEFAULT '',
    evidence bytea[] NOT NULL DEFAULT '{}',
    CONSTRAINT ladder_facts_pkey PRIMARY KEY (fact_id),
    CONSTRAINT ladder_facts_ordinal_key UNIQUE (venue_id, ordinal),
    CONSTRAINT ladder_facts_actor_key UNIQUE (fact_id, actor),
    CONSTRAINT ladder_facts_decision_key UNIQUE (fact_id, kind, venue_id, measure_id, actor, proposed_by),
    CONSTRAINT ladder_facts_kind_check CHECK (
        kind BETWEEN 1 AND 8
        AND (kind = 1) = (passed IS NOT NULL) AND (kind = 8) = (upheld IS NOT NULL) AND (kind = 4) = (days IS NOT NULL)
        AND (kind = 1 OR measure_id IS NOT NULL) AND (kind IN (6, 8)) <= (refers_to IS NOT NULL)
    ),
    CONSTRAINT ladder_facts_evidence_check CHECK ((kind = 2) = (cardinality(evidence) > 0)),
    CONSTRAINT ladder_facts_second_person_check CHECK (kind NOT IN (3, 6) OR (proposed_by IS NOT NULL AND actor <> proposed_by)),
    CONSTRAINT ladder_facts_refers_fkey FOREIGN KEY (refers_to, proposed_by) REFERENCES ladder_facts (fact_id, actor),
    CONSTRAINT ladder_facts_head_fkey FOREIGN KEY (venue_id) REFERENCES ladder_heads (venue_id)
);
-- Of two answers to one proposal or appeal the second is refused.
CREATE UNIQUE INDEX ladder_facts_answer_key ON ladder_facts (refers_to) WHERE refers_to IS NOT NULL;
CREATE INDEX ladder_facts_measure_idx ON ladder_facts (measure_id) WHERE measure_id IS NOT NULL;

-- A failed inspection of a venue under a policy, with the terms of its step as they were then.
CREATE TABLE measures (
    measure_id uuid NOT NULL,
    venue_id uuid NOT NULL,
    passed boolean NOT NULL,
    first_inspector text NOT NULL,
    second_inspector text NOT NULL,
    policy_id uuid NOT NULL,
    step smallint NOT NULL,
    suspension_days integer NOT NULL,
    rectify_by timestamptz NOT NULL,
    CONSTRAINT measures_pkey PRIMARY KEY (measure_id),
    CONSTRAINT measures_grounds_key UNIQUE (measure_id, venue_id, policy_id, step, suspension_days, first_inspector, second_inspector),
    CONSTRAINT measures_failed_check CHECK (NOT passed),
    CONSTRAINT measures_inspection_fkey FOREIGN KEY (measure_id, venue_id, passed, first_inspector, second_inspector)
        REFERENCES inspections (inspection_id, venue_id, passed, first_inspector, second_inspector),
    CONSTRAINT measures_fact_fkey FOREIGN KEY (measure_id) REFERENCES ladder_facts (fact_id),
    CONSTRAINT measures_policy_fkey FOREIGN KEY (policy_id) REFERENCES ladder_policy_versions (policy_id),
    CONSTRAINT measures_step_fkey FOREIGN KEY (policy_id, step, suspension_days)
        REFERENCES ladder_steps (policy_id, step, suspension_days)
);

-- kind is that of its fact. salt and leaf_content: what the log's commitment is made of; it names nobody.
CREATE TABLE suspensions (
    suspension_id uuid NOT NULL,
    kind smallint NOT NULL,
    venue_id uuid NOT NULL,
    measure_id uuid NOT NULL,
    policy_id uuid NOT NULL,
    step smallint NOT NULL,
    suspension_days integer NOT NULL,
    first_inspector text NOT NULL,
    second_inspector text NOT NULL,
    proposer text NOT NULL,
    approver text NOT NULL,
    starts_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    seal_number text NOT NULL,
    leaf_index bigint NOT NULL,
    leaf_hash bytea NOT NULL,
    salt bytea NOT NULL,
    leaf_content bytea NOT NULL,
    CONSTRAINT suspensions_pkey PRIMARY KEY (suspension_id),
    CONSTRAINT suspensions_leaf_key UNIQUE (leaf_index),
    CONSTRAINT suspensions_kind_check CHECK (kind = 3),
    CONSTRAINT suspensions_approver_check CHECK (approver NOT IN (first_inspector, second_inspector, proposer)),
    CONSTRAINT suspensions_end_check CHECK (ends_at > starts_at AND ends_at <= starts_at + suspension_days * interval '24 hours'),
    -- The entry of the log commits to exactly this content (libs/ledger: commitment in a leaf).
    CONSTRAINT suspensions_leaf_check CHECK (
        leaf_hash = sha256('\x00'::bytea || sha256(
            'lilitong/commitment/1'::bytea || '\x0010'::bytea || salt || leaf_content))
        AND octet_length(salt) = 16
    ),
    CONSTRAINT suspensions_measure_fkey
        FOREIGN KEY (measure_id, venue_id, policy_id, step, suspension_days, first_inspector, second_inspector)
        REFERENCES measures (measure_id, venue_id, policy_id, step, suspension_days, first_inspector, second_inspector),
    CONSTRAINT suspensions_fact_fkey FOREIGN KEY (suspension_id, kind, venue_id, measure_id, approver, proposer)
        REFERENCES ladder_facts (fact_id, kind, venue_id, measure_id, actor, proposed_by),
    CONSTRAINT suspensions_leaf_fkey FOREIGN KEY (leaf_index, leaf_hash) REFERENCES ledger_leaves (leaf_index, leaf_hash)
);
CREATE INDEX suspensions_venue_idx ON suspensions (venue_id);

-- When each suspension really ends: at its end, or with the venue's next lift, an appeal that is upheld, or one that has been
-- open for 24 hours. Whoever refuses a check-in for a suspension reads this and nothing else.
CREATE VIEW effective_suspensions AS
SELECT s.suspension_id, s.venue_id, s.measure_id, s.starts_at,
       least(
           s.ends_at,
           (SELECT min(lift.recorded_at) FROM ladder_facts lift
            WHERE lift.venue_id = s.venue_id AND lift.kind = 6 AND lift.ordinal > own.ordinal),
           (SELECT min(CASE WHEN answer.upheld THEN answer.recorded_at
                            WHEN answer.upheld IS NULL THEN appeal.recorded_at + interval '24 hours' END)
            FROM ladder_facts appeal LEFT JOIN ladder_facts answer ON answer.refers_to = appeal.fact_id
            WHERE appeal.measure_id = s.measure_id AND appeal.kind = 7)
       ) AS ends_at
FROM suspensions s JOIN ladder_facts own ON own.fact_id = s.suspension_id;

-- Which documents a measure led to. The document itself is in the register of documents.
CREATE TABLE measure_papers (
    measure_id uuid NOT NULL,
    paper smallint NOT NULL,
    document_id uuid NOT NULL,
    number text NOT NULL,
    suspension_id uuid,
    CONSTRAINT measure_papers_pkey PRIMARY KEY (document_id),
    CONSTRAINT measure_papers_paper_check CHECK (paper BETWEEN 1 AND 6 AND (paper >= 5) = (suspension_id IS NOT NULL)),
    CONSTRAINT measure_papers_measure_fkey FOREIGN KEY (measure_id) REFERENCES measures (measure_id),
    CONSTRAINT measure_papers_suspension_fkey FOREIGN KEY (suspension_id) REFERENCES suspensions (suspension_id)
);
CREATE INDEX measure_papers_measure_idx ON measure_papers (measure_id);

-- What time will bring about, to be made known then. Whether it is still so is asked of the facts at that moment.
-- kind: 1 an appeal is escalated, 2 an appeal lapses, 3 a suspension ends.
CREATE TABLE ladder_clocks (
    fact_id uuid NOT NULL,
    kind smallint NOT NULL,
    venue_id uuid NOT NULL,
    due_at timestamptz NOT NULL,
    CONSTRAINT ladder_clocks_pkey PRIMARY KEY (fact_id, kind),
    CONSTRAINT ladder_clocks_kind_check CHECK (kind BETWEEN 1 AND 3),
    CONSTRAINT ladder_clocks_fact_fkey FOREIGN KEY (fact_id) REFERENCES ladder_facts (fact_id)
);
CREATE INDEX ladder_clocks_due_idx ON ladder_clocks (due_at);

DO $$
BEGIN
    EXECUTE format(
        'GRANT SELECT, INSERT ON ladder_policies, ladder_policy_approvals, ladder_policy_versions, ladder_facts, measures, suspensions,
         measure_papers TO %I', current_schema());
    EXECUTE format('GRANT SELECT ON ladder_steps, effective_suspensions TO %I', current_schema());
    EXECUTE format('GRANT INSERT (policy_id, step_count, step, papers, suspension_days, rectify_hours) ON ladder_steps TO %I', current_schema());
    EXECUTE format('GRANT SELECT, INSERT ON ladder_heads TO %I', current_schema());
    EXECUTE format(
        'GRANT UPDATE (last_ordinal, measure_id, step, state, due_at, climb_hours, suspension_pending) ON ladder_heads TO %I',
        current_schema());
    -- UPDATE is for the row lock of who tells what lapsed.
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ladder_clocks TO %I', current_schema());
END
$$;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
