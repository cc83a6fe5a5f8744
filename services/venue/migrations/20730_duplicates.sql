-- migrate:up
-- Venues that are likely one and the same: found by keys that they share, decided by people.

-- Venues whose keys are still to be made and compared.
CREATE TABLE duplicate_queue (
    seq bigint GENERATED ALWAYS AS IDENTITY,
    venue_id uuid NOT NULL,
    CONSTRAINT duplicate_queue_pkey PRIMARY KEY (seq),
    CONSTRAINT duplicate_queue_venue_fkey FOREIGN KEY (venue_id) REFERENCES venues (venue_id)
);
INSERT INTO duplicate_queue (venue_id) SELECT venue_id FROM venues;

-- Only venues that have a key in common are compared.
CREATE TABLE duplicate_keys (
    key bytea NOT NULL,
    venue_id uuid NOT NULL,
    CONSTRAINT duplicate_keys_pkey PRIMARY KEY (key, venue_id),
    CONSTRAINT duplicate_keys_venue_fkey FOREIGN KEY (venue_id) REFERENCES venues (venue_id)
);

CREATE TABLE merge_candidates (
    candidate_id uuid NOT NULL,
    first_id uuid NOT NULL,
    second_id uuid NOT NULL,
    area text COLLATE "C" NOT NULL,
    second_area text COLLATE "C" NOT NULL,
    score smallint NOT NULL,
    reasons text[] NOT NULL,
    found_at timestamptz NOT NULL,
    CONSTRAINT merge_candidates_pkey PRIMARY KEY (candidate_id),
    CONSTRAINT merge_candidates_pair_key UNIQUE (first_id, second_id),
    CONSTRAINT merge_candidates_order_check CHECK (first_id < second_id),
    CONSTRAINT merge_candidates_first_fkey FOREIGN KEY (first_id) REFERENCES venues (venue_id),
    CONSTRAINT merge_candidates_second_fkey FOREIGN KEY (second_id) REFERENCES venues (venue_id),
    CONSTRAINT merge_candidates_score_check CHECK (score BETWEEN 1 AND 100)
);
CREATE INDEX merge_candidates_area_idx ON merge_candidates (area, score DESC, candidate_id);

CREATE TABLE merge_decisions (
    candidate_id uuid NOT NULL,
    -- NULL: they are two venues.
    kept_id uuid,
    decided_by text NOT NULL,
    decided_at timestamptz NOT NULL,
    CONSTRAINT merge_decisions_pkey PRIMARY KEY (candidate_id),
    CONSTRAINT merge_decisions_candidate_fkey FOREIGN KEY (candidate_id) REFERENCES merge_candidates (candidate_id),
    CONSTRAINT merge_decisions_kept_fkey FOREIGN KEY (kept_id) REFERENCES venues (venue_id)
);

DO $$
BEGIN
    EXECUTE format('GRANT SELECT, INSERT, DELETE ON duplicate_queue TO %I', current_schema());
    EXECUTE format('GRANT SELECT, INSERT ON duplicate_keys, merge_candidates, merge_decisions TO %I', current_schema());
END
$$;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
