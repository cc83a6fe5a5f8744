-- The restricted list and the keys to verify it with, as a service keeps them from quarantine's events and snapshots.

-- migrate:up
-- No timestamps and nothing else that segments of several days share. Versions are given out under the lock of
-- day_set_version, one a segment, so that a reader who has seen version n misses nothing that commits later.
CREATE TABLE day_set_segments (
    day date NOT NULL,
    drill_id text NOT NULL,
    generation bigint NOT NULL,
    number bigint NOT NULL,
    -- Whether the log proof held when the segment came. Part of the key: a forgery must not take the genuine one's place.
    proven boolean NOT NULL,
    version bigint NOT NULL,
    segment bytea NOT NULL,
    CONSTRAINT day_set_segments_pkey PRIMARY KEY (day, drill_id, generation, number, proven),
    CONSTRAINT day_set_segments_numbers_check CHECK (generation > 0 AND number > 0)
) PARTITION BY RANGE (day);
CREATE INDEX day_set_segments_version_idx ON day_set_segments (version);
INSERT INTO day_partitioned (parent) VALUES ('day_set_segments');

CREATE TABLE day_set_version (
    only_row boolean NOT NULL DEFAULT true,
    version bigint NOT NULL,
    -- Whether a whole snapshot was taken in once; from then on events keep the list complete.
    seeded boolean NOT NULL,
    CONSTRAINT day_set_version_pkey PRIMARY KEY (only_row),
    CONSTRAINT day_set_version_only_row_check CHECK (only_row)
);
INSERT INTO day_set_version (version, seeded) VALUES (0, false);

CREATE TABLE verification_keys (
    kid bytea NOT NULL,
    use text NOT NULL,
    public_key bytea NOT NULL,
    not_before timestamptz NOT NULL,
    not_after timestamptz NOT NULL,
    revoked boolean NOT NULL,
    origin text NOT NULL,
    CONSTRAINT verification_keys_pkey PRIMARY KEY (kid, use),
    CONSTRAINT verification_keys_use_check CHECK (use IN ('pass', 'drill_pass', 'log', 'sealing'))
);

DO $$
BEGIN
    EXECUTE format('GRANT SELECT, INSERT ON day_set_segments TO %I', current_schema());
    EXECUTE format('GRANT SELECT, UPDATE ON day_set_version TO %I', current_schema());
    EXECUTE format('GRANT SELECT, INSERT, DELETE ON verification_keys TO %I', current_schema());
END
$$;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
