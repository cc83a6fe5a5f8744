-- migrate:up
-- Cold chain: imported lots, what was found on them, where they went, and who handled them.
--
-- Everything is added and nothing changed. What may happen to a lot follows from two chains of rows, each of which repeats what the
-- row before it left: `lot_facts` (released? positive results outstanding? recalled?) and `lot_stock` (how much is at a venue). A row
-- that does not continue from the one before, or that the state does not allow, is refused by a constraint, whoever writes it.

ALTER TABLE venues ADD CONSTRAINT venues_category_drill_key UNIQUE (venue_id, category, drill_id);

CREATE TABLE importing_premises (
    venue_id uuid NOT NULL,
    category smallint NOT NULL DEFAULT 13,
    drill_id text NOT NULL,
    licence_number text NOT NULL,
    registered_by text NOT NULL,
    registered_at timestamptz NOT NULL,
    CONSTRAINT importing_premises_pkey PRIMARY KEY (venue_id),
    CONSTRAINT importing_premises_drill_key UNIQUE (venue_id, drill_id),
    CONSTRAINT importing_premises_licence_key UNIQUE (drill_id, licence_number),
    CONSTRAINT importing_premises_category_check CHECK (category = 13),
    CONSTRAINT importing_premises_venue_fkey FOREIGN KEY (venue_id, category, drill_id)
        REFERENCES venues (venue_id, category, drill_id)
);

-- unit: 1 gram, 2 kilogram, 3 piece, 4 box.
CREATE TABLE lots (
    lot_id uuid NOT NULL,
    premises_id uuid NOT NULL,
    drill_id text NOT NULL,
    declaration_number text NOT NULL,
    origin_country text NOT NULL,
    trace_code text NOT NULL,
    product text NOT NULL,
    quantity bigint NOT NULL,
    unit smallint NOT NULL,
    arrived_at timestamptz NOT NULL,
    registered_by text NOT NULL,
    registered_at timestamptz NOT NULL,
    CONSTRAINT lots_pkey PRIMARY KEY (lot_id),
    CONSTRAINT lots_drill_key UNIQUE (lot_id, drill_id),
    CONSTRAINT lots_arrival_key UNIQUE (lot_id, premises_id, quantity),
    CONSTRAINT lots_trace_code_key UNIQUE (drill_id, trace_code),
    CONSTRAINT lots_quantity_check CHECK (quantity BETWEEN 1 AND 2000000000),
    CONSTRAINT lots_unit_check CHECK (unit BETWEEN 1 AND 4),
    CONSTRAINT lots_origin_check CHECK (origin_country ~ '^[A-Z]{2}$'),
    CONSTRAINT lots_premises_fkey FOREIGN KEY (premises_id, drill_id) REFERENCES importing_premises (venue_id, drill_id)
);
CREATE INDEX lots_arrived_idx ON lots (drill_id, arrived_at DESC, lot_id DESC);
CREATE INDEX lots_premises_idx ON lots (premises_id, arrived_at DESC, lot_id DESC);

-- kind: 1 arrived, 2 sampled, 3 negative result, 4 positive result, 5 disinfected, 6 released, 7 distributed, 8 recall proposed by
-- a person, 9 recalled, 10 a positive result's proposal dismissed, 11 a person's proposal dismissed.
CREATE TABLE lot_facts (
    lot_id uuid NOT NULL,
    ordinal integer NOT NULL,
    kind smallint NOT NULL,
    fact_id uuid NOT NULL,
    was_released boolean NOT NULL,
    was_positives smallint NOT NULL,
    was_recalled boolean NOT NULL,
    former integer GENERATED ALWAYS AS (nullif(ordinal - 1, 0)) STORED,
    released boolean GENERATED ALWAYS AS (was_released OR kind = 6) STORED,
    positives smallint GENERATED ALWAYS AS (was_positives + CASE kind WHEN 4 THEN 1 WHEN 10 THEN -1 ELSE 0 END) STORED,
    recalled boolean GENERATED ALWAYS AS (was_recalled OR kind = 9) STORED,
    -- What changes the state has to be there in full.
    positive_id uuid GENERATED ALWAYS AS (CASE WHEN kind = 4 THEN fact_id END) STORED,
    release_id uuid GENERATED ALWAYS AS (CASE WHEN kind = 6 THEN fact_id END) STORED,
    decision_id uuid GENERATED ALWAYS AS (CASE WHEN kind IN (9, 10, 11) THEN fact_id END) STORED,
    CONSTRAINT lot_facts_pkey PRIMARY KEY (lot_id, ordinal),
    CONSTRAINT lot_facts_state_key UNIQUE (lot_id, ordinal, released, positives, recalled),
    CONSTRAINT lot_facts_fact_key UNIQUE (fact_id, kind, lot_id, ordinal),
    CONSTRAINT lot_facts_kind_check CHECK (kind BETWEEN 1 AND 11 AND ordinal > 0 AND (ordinal = 1) = (kind = 1)),
    CONSTRAINT lot_facts_first_check CHECK (ordinal > 1 OR NOT (was_released OR was_positives > 0 OR was_recalled)),
    CONSTRAINT lot_facts_positives_check CHECK (was_positives >= 0 AND positives >= 0),
    CONSTRAINT lot_facts_released_once_check CHECK (kind <> 6 OR NOT was_released),
    CONSTRAINT lot_facts_not_released_check CHECK (kind <> 7 OR was_released),
    CONSTRAINT lot_facts_held_check CHECK (kind NOT IN (6, 7) OR was_positives = 0),
    CONSTRAINT lot_facts_recalled_check CHECK (kind NOT IN (6, 7, 8, 9) OR NOT was_recalled),
    CONSTRAINT lot_facts_lot_fkey FOREIGN KEY (lot_id) REFERENCES lots (lot_id),
    CONSTRAINT lot_facts_former_fkey FOREIGN KEY (lot_id, former, was_released, was_positives, was_recalled)
        REFERENCES lot_facts (lot_id, ordinal, released, positives, recalled)
);

-- kind: 1 the goods, 2 packaging, 3 environment.
CREATE TABLE lot_samples (
    sample_id uuid NOT NULL,
    lot_id uuid NOT NULL,
    kind smallint NOT NULL,
    ordinal integer NOT NULL,
    fact smallint GENERATED ALWAYS AS (2) STORED,
    taken_by text NOT NULL,
    taken_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT lot_samples_pkey PRIMARY KEY (sample_id),
    CONSTRAINT lot_samples_kind_key UNIQUE (sample_id, lot_id, kind),
    CONSTRAINT lot_samples_kind_check CHECK (kind BETWEEN 1 AND 3),
    CONSTRAINT lot_samples_fact_fkey FOREIGN KEY (sample_id, fact, lot_id, ordinal)
        REFERENCES lot_facts (fact_id, kind, lot_id, ordinal) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX lot_samples_lot_idx ON lot_samples (lot_id, ordinal);

-- outcome: 1 negative, 2 positive. `frees`: a release can rest on it. A positive one proposes a recall.
CREATE TABLE lot_results (
    sample_id uuid NOT NULL,
    lot_id uuid NOT NULL,
    sample_kind smallint NOT NULL,
    outcome smallint NOT NULL,
    ordinal integer NOT NULL,
    fact smallint GENERATED ALWAYS AS (CASE outcome WHEN 1 THEN 3 ELSE 4 END) STORED,
    frees boolean GENERATED ALWAYS AS (outcome = 1 AND sample_kind = 1) STORED,
    proposal_id uuid,
    laboratory text NOT NULL,
    tested_at timestamptz NOT NULL,
    entered_at timestamptz NOT NULL,
    CONSTRAINT lot_results_pkey PRIMARY KEY (sample_id),
    CONSTRAINT lot_results_frees_key UNIQUE (sample_id, lot_id, frees, ordinal),
    CONSTRAINT lot_results_kind_key UNIQUE (sample_id, fact, lot_id, ordinal),
    CONSTRAINT lot_results_outcome_check CHECK (outcome IN (1, 2) AND (outcome = 2) = (proposal_id IS NOT NULL)),
    CONSTRAINT lot_results_sample_fkey FOREIGN KEY (sample_id, lot_id, sample_kind)
        REFERENCES lot_samples (sample_id, lot_id, kind),
    CONSTRAINT lot_results_fact_fkey FOREIGN KEY (sample_id, fact, lot_id, ordinal)
        REFERENCES lot_facts (fact_id, kind, lot_id, ordinal) DEFERRABLE INITIALLY DEFERRED
);

CREATE TABLE lot_disinfections (
    disinfection_id uuid NOT NULL,
    lot_id uuid NOT NULL,
    ordinal integer NOT NULL,
    fact smallint GENERATED ALWAYS AS (5) STORED,
    performed_by text NOT NULL,
    agent text NOT NULL,
    performed_at timestamptz NOT NULL,
    proof_sha256 bytea NOT NULL,
    recorded_by text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT lot_disinfections_pkey PRIMARY KEY (disinfection_id),
    CONSTRAINT lot_disinfections_lot_key UNIQUE (disinfection_id, lot_id, ordinal),
    CONSTRAINT lot_disinfections_proof_check CHECK (octet_length(proof_sha256) = 32),
    CONSTRAINT lot_disinfections_fact_fkey FOREIGN KEY (disinfection_id, fact, lot_id, ordinal)
        REFERENCES lot_facts (fact_id, kind, lot_id, ordinal) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX lot_disinfections_lot_idx ON lot_disinfections (lot_id, ordinal);

-- A release names a negative result of the goods of this very lot, and a disinfection of this very lot, both recorded before it.
CREATE TABLE lot_releases (
    lot_id uuid NOT NULL,
    release_id uuid NOT NULL,
    ordinal integer NOT NULL,
    fact smallint GENERATED ALWAYS AS (6) STORED,
    sample_id uuid NOT NULL,
    sample_ordinal integer NOT NULL,
    frees boolean NOT NULL DEFAULT true,
    disinfection_id uuid NOT NULL,
    disinfection_ordinal integer NOT NULL,
    released_by text NOT NULL,
    released_at timestamptz NOT NULL,
    CONSTRAINT lot_releases_pkey PRIMARY KEY (lot_id),
    CONSTRAINT lot_releases_release_key UNIQUE (release_id, lot_id, ordinal),
    CONSTRAINT lot_releases_frees_check CHECK (frees),
    CONSTRAINT lot_releases_order_check CHECK (ordinal > sample_ordinal AND ordinal > disinfection_ordinal),
    CONSTRAINT lot_releases_negative_fkey FOREIGN KEY (sample_id, lot_id, frees, sample_ordinal)
        REFERENCES lot_results (sample_id, lot_id, frees, ordinal),
    CONSTRAINT lot_releases_disinfection_fkey FOREIGN KEY (disinfection_id, lot_id, disinfection_ordinal)
        REFERENCES lot_disinfections (disinfection_id, lot_id, ordinal),
    CONSTRAINT lot_releases_fact_fkey FOREIGN KEY (release_id, fact, lot_id, ordinal)
        REFERENCES lot_facts (fact_id, kind, lot_id, ordinal) DEFERRABLE INITIALLY DEFERRED
);

-- to_venue or, outside the district, recipient. Each is booked in `lot_stock` where it left and, in the district, where it came to.
CREATE TABLE lot_distributions (
    distribution_id uuid NOT NULL,
    lot_id uuid NOT NULL,
    drill_id text NOT NULL,
    ordinal integer NOT NULL,
    fact smallint GENERATED ALWAYS AS (7) STORED,
    from_venue uuid NOT NULL,
    to_venue uuid,
    recipient text NOT NULL,
    quantity bigint NOT NULL,
    distributed_at timestamptz NOT NULL,
    recorded_by text NOT NULL,
    recorded_at timestamptz NOT NULL,
    left_cause smallint GENERATED ALWAYS AS (2) STORED,
    came_cause smallint GENERATED ALWAYS AS (CASE WHEN to_venue IS NOT NULL THEN 3 END) STORED,
    CONSTRAINT lot_distributions_pkey PRIMARY KEY (distribution_id),
    CONSTRAINT lot_distributions_left_key UNIQUE (distribution_id, lot_id, from_venue, quantity),
    CONSTRAINT lot_distributions_came_key UNIQUE (distribution_id, lot_id, to_venue, quantity),
    CONSTRAINT lot_distributions_quantity_check CHECK (quantity > 0),
    CONSTRAINT lot_distributions_to_check CHECK ((to_venue IS NULL) = (recipient <> '') AND to_venue IS DISTINCT FROM from_venue),
    CONSTRAINT lot_distributions_lot_fkey FOREIGN KEY (lot_id, drill_id) REFERENCES lots (lot_id, drill_id),
    CONSTRAINT lot_distributions_venue_fkey FOREIGN KEY (to_venue, drill_id) REFERENCES venues (venue_id, drill_id),
    CONSTRAINT lot_distributions_fact_fkey FOREIGN KEY (distribution_id, fact, lot_id, ordinal)
        REFERENCES lot_facts (fact_id, kind, lot_id, ordinal) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX lot_distributions_trail_idx ON lot_distributions (lot_id, from_venue, ordinal);

-- How much of a lot is at a venue. cause: 1 arrived with the lot, 2 left with a distribution, 3 came with one.
CREATE TABLE lot_stock (
    lot_id uuid NOT NULL,
    venue_id uuid NOT NULL,
    ordinal integer NOT NULL,
    cause smallint NOT NULL,
    -- The lot (cause 1) or the distribution.
    fact_id uuid NOT NULL,
    was bigint NOT NULL,
    change bigint NOT NULL,
    former integer GENERATED ALWAYS AS (nullif(ordinal - 1, 0)) STORED,
    there bigint GENERATED ALWAYS AS (was + change) STORED,
    arrived_id uuid GENERATED ALWAYS AS (CASE WHEN cause = 1 THEN fact_id END) STORED,
    left_id uuid GENERATED ALWAYS AS (CASE WHEN cause = 2 THEN fact_id END) STORED,
    left_quantity bigint GENERATED ALWAYS AS (CASE WHEN cause = 2 THEN -change END) STORED,
    came_id uuid GENERATED ALWAYS AS (CASE WHEN cause = 3 THEN fact_id END) STORED,
    CONSTRAINT lot_stock_pkey PRIMARY KEY (lot_id, venue_id, ordinal),
    CONSTRAINT lot_stock_there_key UNIQUE (lot_id, venue_id, ordinal, there),
    CONSTRAINT lot_stock_cause_key UNIQUE (fact_id, cause),
    CONSTRAINT lot_stock_cause_check CHECK (cause BETWEEN 1 AND 3 AND (cause <> 1 OR fact_id = lot_id)),
    CONSTRAINT lot_stock_first_check CHECK (ordinal > 0 AND (ordinal > 1 OR was = 0)),
    CONSTRAINT lot_stock_enough_check CHECK (was + change >= 0),
    CONSTRAINT lot_stock_former_fkey FOREIGN KEY (lot_id, venue_id, former, was)
        REFERENCES lot_stock (lot_id, venue_id, ordinal, there),
    CONSTRAINT lot_stock_arrived_fkey FOREIGN KEY (arrived_id, venue_id, change) REFERENCES lots (lot_id, premises_id, quantity),
    CONSTRAINT lot_stock_left_fkey FOREIGN KEY (left_id, lot_id, venue_id, left_quantity)
        REFERENCES lot_distributions (distribution_id, lot_id, from_venue, quantity),
    CONSTRAINT lot_stock_came_fkey FOREIGN KEY (came_id, lot_id, venue_id, change)
        REFERENCES lot_distributions (distribution_id, lot_id, to_venue, quantity)
);
CREATE INDEX lot_stock_venue_idx ON lot_stock (venue_id, lot_id, ordinal);

ALTER TABLE lot_distributions
    ADD CONSTRAINT lot_distributions_left_fkey FOREIGN KEY (distribution_id, left_cause)
        REFERENCES lot_stock (fact_id, cause) DEFERRABLE INITIALLY DEFERRED,
    ADD CONSTRAINT lot_distributions_came_fkey FOREIGN KEY (distribution_id, came_cause)
        REFERENCES lot_stock (fact_id, cause) DEFERRABLE INITIALLY DEFERRED;

-- kind: 4 a positive result (fact_id is its sample's, proposed_by the laboratory), 8 a person (fact_id is the proposal's own).
-- A result's proposal has a random id of ours: nobody can take it beforehand and so keep the result from being entered.
CREATE TABLE recall_proposals (
    proposal_id uuid NOT NULL,
    fact_id uuid NOT NULL,
    lot_id uuid NOT NULL,
    kind smallint NOT NULL,
    ordinal integer NOT NULL,
    proposed_by text NOT NULL,
    reason text NOT NULL,
    proposed_at timestamptz NOT NULL,
    CONSTRAINT recall_proposals_pkey PRIMARY KEY (proposal_id),
    CONSTRAINT recall_proposals_lot_key UNIQUE (proposal_id, lot_id, kind, ordinal),
    CONSTRAINT recall_proposals_proposer_key UNIQUE (proposal_id, lot_id, kind, proposed_by),
    CONSTRAINT recall_proposals_result_key UNIQUE (proposal_id, fact_id),
    CONSTRAINT recall_proposals_kind_check CHECK (kind = 4 OR (kind = 8 AND fact_id = proposal_id)),
    CONSTRAINT recall_proposals_fact_fkey FOREIGN KEY (fact_id, kind, lot_id, ordinal)
        REFERENCES lot_facts (fact_id, kind, lot_id, ordinal) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX recall_proposals_lot_idx ON recall_proposals (lot_id, ordinal);

ALTER TABLE lot_results
    ADD CONSTRAINT lot_results_proposal_fkey FOREIGN KEY (proposal_id, sample_id)
        REFERENCES recall_proposals (proposal_id, fact_id) DEFERRABLE INITIALLY DEFERRED;

-- decision: 1 recall, 2 dismiss. A laboratory has no voice on what its own result proposes.
CREATE TABLE recall_voices (
    proposal_id uuid NOT NULL,
    lot_id uuid NOT NULL,
    kind smallint NOT NULL,
    proposed_by text NOT NULL,
    person text NOT NULL,
    decision smallint NOT NULL,
    reason text NOT NULL,
    given_at timestamptz NOT NULL,
    CONSTRAINT recall_voices_pkey PRIMARY KEY (proposal_id, person),
    CONSTRAINT recall_voices_decision_key UNIQUE (proposal_id, person, decision),
    CONSTRAINT recall_voices_decision_check CHECK (decision IN (1, 2)),
    CONSTRAINT recall_voices_reason_check CHECK (length(reason) BETWEEN 2 AND 500),
    CONSTRAINT recall_voices_laboratory_check CHECK (kind = 8 OR person <> proposed_by),
    CONSTRAINT recall_voices_proposal_fkey FOREIGN KEY (proposal_id, lot_id, kind, proposed_by)
        REFERENCES recall_proposals (proposal_id, lot_id, kind, proposed_by)
);

-- What two people decided. A positive result is dismissed only with a negative one of the goods that came after it (retest).
CREATE TABLE recall_decisions (
    proposal_id uuid NOT NULL,
    decision_id uuid NOT NULL,
    lot_id uuid NOT NULL,
    ordinal integer NOT NULL,
    proposal_kind smallint NOT NULL,
    proposal_ordinal integer NOT NULL,
    decision smallint NOT NULL,
    fact smallint GENERATED ALWAYS AS (CASE WHEN decision = 1 THEN 9 WHEN proposal_kind = 4 THEN 10 ELSE 11 END) STORED,
    first_person text NOT NULL,
    second_person text NOT NULL,
    retest_id uuid,
    retest_ordinal integer,
    frees boolean NOT NULL DEFAULT true,
    decided_at timestamptz NOT NULL,
    leaf_index bigint,
    leaf_hash bytea,
    salt bytea,
    leaf_content bytea,
    CONSTRAINT recall_decisions_pkey PRIMARY KEY (proposal_id),
    CONSTRAINT recall_decisions_decision_key UNIQUE (decision_id, fact, lot_id, ordinal),
    CONSTRAINT recall_decisions_leaf_key UNIQUE (leaf_index),
    CONSTRAINT recall_decisions_persons_check CHECK (first_person <> second_person),
    CONSTRAINT recall_decisions_retest_check CHECK (
        frees AND (retest_id IS NULL) = (retest_ordinal IS NULL)
        AND CASE WHEN decision = 2 AND proposal_kind = 4 THEN retest_ordinal IS NOT NULL AND retest_ordinal > proposal_ordinal
                 ELSE retest_ordinal IS NULL END
    ),
    -- The entry of the log commits to exactly this content (libs/ledger: commitment in a leaf).
    CONSTRAINT recall_decisions_leaf_check CHECK (
        CASE WHEN decision = 1 THEN
            leaf_index IS NOT NULL AND leaf_hash IS NOT NULL AND salt IS NOT NULL AND leaf_content IS NOT NULL
            AND octet_length(salt) = 16
            AND leaf_hash = sha256('\x00'::bytea || sha256('lilitong/commitment/1'::bytea || '\x0010'::bytea || salt || leaf_content))
        ELSE leaf_index IS NULL AND leaf_hash IS NULL AND salt IS NULL AND leaf_content IS NULL END
    ),
    CONSTRAINT recall_decisions_proposal_fkey FOREIGN KEY (proposal_id, lot_id, proposal_kind, proposal_ordinal)
        REFERENCES recall_proposals (proposal_id, lot_id, kind, ordinal),
    CONSTRAINT recall_decisions_first_fkey FOREIGN KEY (proposal_id, first_person, decision)
        REFERENCES recall_voices (proposal_id, person, decision),
    CONSTRAINT recall_decisions_second_fkey FOREIGN KEY (proposal_id, second_person, decision)
        REFERENCES recall_voices (proposal_id, person, decision),
    CONSTRAINT recall_decisions_retest_fkey FOREIGN KEY (retest_id, lot_id, frees, retest_ordinal)
        REFERENCES lot_results (sample_id, lot_id, frees, ordinal),
    CONSTRAINT recall_decisions_leaf_fkey FOREIGN KEY (leaf_index, leaf_hash) REFERENCES ledger_leaves (leaf_index, leaf_hash),
    CONSTRAINT recall_decisions_fact_fkey FOREIGN KEY (decision_id, fact, lot_id, ordinal)
        REFERENCES lot_facts (fact_id, kind, lot_id, ordinal) DEFERRABLE INITIALLY DEFERRED
);

-- The other way round: a fact that changes the state stands on its row.
ALTER TABLE lot_facts
    ADD CONSTRAINT lot_facts_positive_fkey FOREIGN KEY (positive_id, kind, lot_id, ordinal)
        REFERENCES lot_results (sample_id, fact, lot_id, ordinal),
    ADD CONSTRAINT lot_facts_release_fkey FOREIGN KEY (release_id, lot_id, ordinal)
        REFERENCES lot_releases (release_id, lot_id, ordinal),
    ADD CONSTRAINT lot_facts_decision_fkey FOREIGN KEY (decision_id, kind, lot_id, ordinal)
        REFERENCES recall_decisions (decision_id, fact, lot_id, ordinal);

-- Who handled a lot, as tags of the day: dropped with the day's key. No time and no key of the upload, so that nothing but lot and
-- place is shared by two days.
CREATE TABLE lot_handlers (
    lot_id uuid NOT NULL,
    venue_id uuid NOT NULL,
    -- 16 bytes without a length byte; not a UUID otherwise.
    tag uuid NOT NULL,
    day date NOT NULL,
    drill_id text NOT NULL,
    CONSTRAINT lot_handlers_pkey PRIMARY KEY (lot_id, day, tag, venue_id)
) PARTITION BY RANGE (day);
INSERT INTO day_partitioned (parent) VALUES ('lot_handlers');

DO $$
BEGIN
    EXECUTE format(
        'GRANT SELECT, INSERT ON importing_premises, lots, lot_facts, lot_samples, lot_results, lot_disinfections, lot_releases,
         lot_distributions, lot_stock, recall_proposals, recall_voices, recall_decisions, lot_handlers TO %I', current_schema());
END
$$;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
