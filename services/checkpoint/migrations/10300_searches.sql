-- migrate:up

-- Searches that later uploads are still matched against, by the day they are about. How long one stays open follows from
-- its day, so no row says when it was made.
CREATE TABLE searches (
    day date NOT NULL,
    search_id bytea NOT NULL,
    tag bytea NOT NULL,
    -- Seconds from the start of `day`: as instants, one day's end and the next day's start would be one shared value.
    window_start integer NOT NULL,
    window_end integer NOT NULL,
    passage_minutes smallint NOT NULL,
    drill_id text NOT NULL,
    CONSTRAINT searches_pkey PRIMARY KEY (day, search_id),
    CONSTRAINT searches_search_id_check CHECK (octet_length(search_id) = 16),
    CONSTRAINT searches_tag_check CHECK (octet_length(tag) = 16),
    CONSTRAINT searches_window_check CHECK (window_start < window_end)
) PARTITION BY RANGE (day);
CREATE INDEX searches_tag_idx ON searches (tag);

-- The index person's own passages: whoever passes the same post near one of these is a lead.
CREATE TABLE search_passages (
    day date NOT NULL,
    search_id bytea NOT NULL,
    post integer NOT NULL,
    passed_at timestamptz NOT NULL,
    late boolean NOT NULL,
    CONSTRAINT search_passages_pkey PRIMARY KEY (day, search_id, post, passed_at)
) PARTITION BY RANGE (day);
CREATE INDEX search_passages_post_idx ON search_passages (post, passed_at);

-- Whom a search has named already: a person at a post is told once, however often they pass there while it is open.
-- Without it every passage at a busy post would be told to every open search that has been there.
CREATE TABLE search_leads (
    day date NOT NULL,
    search_id bytea NOT NULL,
    lead_day date NOT NULL,
    tag bytea NOT NULL,
    post integer NOT NULL,
    CONSTRAINT search_leads_pkey PRIMARY KEY (day, search_id, lead_day, tag, post)
) PARTITION BY RANGE (day);

INSERT INTO day_partitioned (parent) VALUES ('searches'), ('search_passages'), ('search_leads');

DO $$
BEGIN
    EXECUTE format('GRANT SELECT, INSERT ON searches, search_passages, search_leads TO %I', current_schema());
END $$;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
