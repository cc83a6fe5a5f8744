-- migrate:up

-- Events on their way out, on their way in, and those that could not be handled. Everything that names a single event is
-- partitioned by the event's day, so that it is dropped with the day's key and nothing outlives retention.
-- No column holds a value that rows of one transaction share: not a timestamp, not a trace id in clear.

-- A plain sequence, not an identity column: partitions made with LIKE would each get an identity of their own,
-- and order over days would be lost.
CREATE SEQUENCE outbox_seq;

CREATE TABLE outbox (
    day date NOT NULL,
    seq bigint NOT NULL DEFAULT nextval('outbox_seq'),
    shard smallint NOT NULL,
    aggregate text NOT NULL,
    event_id uuid NOT NULL,
    subject text NOT NULL,
    type text NOT NULL,
    drill_id text NOT NULL DEFAULT '',
    trace bytea NOT NULL DEFAULT '',
    payload bytea NOT NULL,
    published boolean NOT NULL DEFAULT false,
    -- Blurred by up to a second, so that rows written together cannot be recognised by it; good enough for the age metric
    -- and for the window of a rebuild, its only uses.
    queued_at timestamptz NOT NULL DEFAULT clock_timestamp() - random() * interval '1 second',
    CONSTRAINT outbox_pkey PRIMARY KEY (day, seq),
    CONSTRAINT outbox_shard_check CHECK (shard BETWEEN 0 AND 7)
) PARTITION BY RANGE (day);
CREATE INDEX outbox_unpublished_idx ON outbox (seq) WHERE NOT published;

CREATE TABLE outbox_shards (
    shard smallint NOT NULL,
    CONSTRAINT outbox_shards_pkey PRIMARY KEY (shard)
);
INSERT INTO outbox_shards (shard) SELECT generate_series(0, 7);

CREATE TABLE outbox_streams (
    stream text NOT NULL,
    identity text NOT NULL,
    last_seq bigint NOT NULL,
    CONSTRAINT outbox_streams_pkey PRIMARY KEY (stream)
);

CREATE TABLE inbox (
    day date NOT NULL,
    consumer text NOT NULL,
    event_id uuid NOT NULL,
    CONSTRAINT inbox_pkey PRIMARY KEY (day, consumer, event_id)
) PARTITION BY RANGE (day);

CREATE TABLE consumer_attempts (
    day date NOT NULL,
    consumer text NOT NULL,
    event_id uuid NOT NULL,
    attempts integer NOT NULL,
    CONSTRAINT consumer_attempts_pkey PRIMARY KEY (day, consumer, event_id),
    CONSTRAINT consumer_attempts_attempts_check CHECK (attempts > 0)
) PARTITION BY RANGE (day);

CREATE TABLE consumer_leases (
    consumer text NOT NULL,
    holder uuid NOT NULL,
    until timestamptz NOT NULL,
    CONSTRAINT consumer_leases_pkey PRIMARY KEY (consumer)
);

CREATE TABLE dead_letters (
    day date NOT NULL,
    consumer text NOT NULL,
    event_id uuid NOT NULL,
    subject text NOT NULL,
    type text NOT NULL,
    aggregate text NOT NULL,
    drill_id text NOT NULL,
    payload bytea NOT NULL,
    reason text NOT NULL,
    attempts integer NOT NULL,
    requeued boolean NOT NULL DEFAULT false,
    CONSTRAINT dead_letters_pkey PRIMARY KEY (day, consumer, event_id)
) PARTITION BY RANGE (day);
CREATE INDEX dead_letters_requeued_idx ON dead_letters (consumer, day) WHERE requeued;

INSERT INTO day_partitioned (parent) VALUES ('outbox'), ('inbox'), ('consumer_attempts'), ('dead_letters');

-- The login role is named like its schema. Rows are never deleted from the outbox or the inbox: their partitions are dropped.
DO $$
BEGIN
    EXECUTE format('GRANT USAGE ON SEQUENCE outbox_seq TO %I', current_schema());
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON outbox, outbox_streams TO %I', current_schema());
    EXECUTE format('GRANT SELECT, UPDATE ON outbox_shards TO %I', current_schema());
    EXECUTE format('GRANT SELECT, INSERT ON inbox TO %I', current_schema());
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON consumer_attempts, consumer_leases, dead_letters TO %I', current_schema());
END
$$;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
