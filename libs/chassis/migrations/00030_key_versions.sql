-- migrate:up

-- Keys that have versions: one is used, several are believed. The keys themselves are in the vault, as <name> (version 1) and
-- <name>-<version>, and nothing here can bring one in. A version of which no row stands, or whose row says retired, is believed by nobody.
CREATE TABLE key_versions (
    name text NOT NULL,
    version integer NOT NULL,
    -- Eight bytes that follow from the key: another key under its name is noticed before anything is done with it.
    mark bytea NOT NULL,
    -- Of keys that others verify by, as they are given it; it outlives the key.
    public_key bytea,
    begins_at timestamptz NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now(),
    retired_at timestamptz,
    CONSTRAINT key_versions_pkey PRIMARY KEY (name, version),
    CONSTRAINT key_versions_name_check CHECK (name ~ '^[a-z][a-z-]{0,29}$'),
    CONSTRAINT key_versions_version_check CHECK (version BETWEEN 1 AND 65535),
    CONSTRAINT key_versions_mark_check CHECK (octet_length(mark) = 8)
);

DO $$
BEGIN
    EXECUTE format('GRANT SELECT, INSERT ON key_versions TO %I', current_schema());
    EXECUTE format('GRANT UPDATE (retired_at) ON key_versions TO %I', current_schema());
END $$;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
