-- migrate:up

-- Answers already given, by the client's id of the request. Written in the effect's transaction.
CREATE TABLE requests (
    request_id uuid NOT NULL,
    method text NOT NULL,
    -- SHA-256 of the request: the same id with other content is refused.
    digest bytea NOT NULL,
    response bytea NOT NULL,
    recorded_on date NOT NULL,
    CONSTRAINT requests_pkey PRIMARY KEY (request_id, method),
    CONSTRAINT requests_digest_check CHECK (octet_length(digest) = 32)
);
CREATE INDEX requests_recorded_on_idx ON requests (recorded_on);

DO $$
BEGIN
    EXECUTE format('GRANT SELECT, INSERT, DELETE ON requests TO %I', current_schema());
END $$;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
