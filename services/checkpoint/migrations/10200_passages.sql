-- migrate:up

-- One row for each person at one scan. The day is the tag's own; nothing in a row is shared with another day's rows of
-- the same person. Columns are ordered by alignment: these rows are most of what the service stores.
CREATE TABLE passages (
    passed_at timestamptz NOT NULL,
    -- Reasons as bits by their numbers.
    reasons bigint NOT NULL,
    day date NOT NULL,
    post integer NOT NULL,
    verdict smallint NOT NULL,
    grade smallint NOT NULL,
    late boolean NOT NULL,
    tag bytea NOT NULL,
    scan_id bytea NOT NULL,
    -- Not NULL: a null bitmap would cost more than the empty text.
    drill_id text NOT NULL,
    -- Also the index that finds a person's own passages, and what makes a scan that was sent again one scan.
    CONSTRAINT passages_pkey PRIMARY KEY (day, tag, scan_id),
    CONSTRAINT passages_tag_check CHECK (octet_length(tag) = 16),
    CONSTRAINT passages_scan_id_check CHECK (octet_length(scan_id) = 8),
    CONSTRAINT passages_verdict_check CHECK (verdict BETWEEN 1 AND 3),
    CONSTRAINT passages_grade_check CHECK (grade BETWEEN 1 AND 4)
) PARTITION BY RANGE (day);
CREATE INDEX passages_post_passed_at_idx ON passages (post, passed_at) INCLUDE (tag);

-- Scans of people who showed nothing that tells who they are. Counted, and nothing more.
CREATE TABLE anonymous_passages (
    passed_at timestamptz NOT NULL,
    reasons bigint NOT NULL,
    day date NOT NULL,
    post integer NOT NULL,
    verdict smallint NOT NULL,
    late boolean NOT NULL,
    scan_id bytea NOT NULL,
    drill_id text NOT NULL,
    CONSTRAINT anonymous_passages_pkey PRIMARY KEY (day, scan_id),
    CONSTRAINT anonymous_passages_scan_id_check CHECK (octet_length(scan_id) = 8),
    CONSTRAINT anonymous_passages_verdict_check CHECK (verdict BETWEEN 1 AND 3)
) PARTITION BY RANGE (day);

INSERT INTO day_partitioned (parent) VALUES ('passages'), ('anonymous_passages');

DO $$
BEGIN
    EXECUTE format('GRANT SELECT, INSERT ON passages, anonymous_passages TO %I', current_schema());
END $$;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
