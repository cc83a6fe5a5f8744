-- migrate:up
-- Exposure searches that are open, and the stays of the index person that they found. Kept per day and dropped with it; no row
-- says when it was made, because the searches of one case are made together.
CREATE TABLE searches (
    day date NOT NULL,
    search_id uuid NOT NULL,
    tag uuid NOT NULL,
    -- The infectious window, in seconds from the start of `day`.
    window_start integer NOT NULL,
    window_end integer NOT NULL,
    drill_id text NOT NULL,
    CONSTRAINT searches_pkey PRIMARY KEY (day, search_id),
    CONSTRAINT searches_window_check CHECK (window_start < window_end)
) PARTITION BY RANGE (day);
CREATE INDEX searches_tag_idx ON searches (day, tag);

CREATE TABLE search_intervals (
    day date NOT NULL,
    search_id uuid NOT NULL,
    -- Which visit of the index person it is.
    visit_key bytea NOT NULL,
    zone integer NOT NULL,
    -- The part of the visit within the window, in seconds from the start of `day`; ends after midnight where the visit does.
    starts integer NOT NULL,
    ends integer NOT NULL,
    grade smallint NOT NULL,
    late boolean NOT NULL,
    CONSTRAINT search_intervals_pkey PRIMARY KEY (day, search_id, visit_key),
    CONSTRAINT search_intervals_time_check CHECK (starts <= ends)
) PARTITION BY RANGE (day);
CREATE INDEX search_intervals_zone_idx ON search_intervals (day, zone);

-- Searches whose index person got a new or a longer visit, to be searched again.
CREATE TABLE search_pending (
    day date NOT NULL,
    search_id uuid NOT NULL,
    CONSTRAINT search_pending_pkey PRIMARY KEY (day, search_id)
) PARTITION BY RANGE (day);

INSERT INTO day_partitioned (parent) VALUES ('searches'), ('search_intervals'), ('search_pending');

DO $$
BEGIN
    EXECUTE format('GRANT SELECT, INSERT ON searches TO %I', current_schema());
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON search_intervals TO %I', current_schema());
    EXECUTE format('GRANT SELECT, INSERT, DELETE ON search_pending TO %I', current_schema());
END
$$;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
