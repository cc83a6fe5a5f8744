-- migrate:up

-- Control posts, the scanners that stand there, and what is checked. Business data: nothing here is about passers-by.
CREATE TABLE posts (
    post integer GENERATED ALWAYS AS IDENTITY,
    post_id uuid NOT NULL,
    name text NOT NULL,
    level smallint NOT NULL,
    area text NOT NULL,
    CONSTRAINT posts_pkey PRIMARY KEY (post),
    CONSTRAINT posts_post_id_key UNIQUE (post_id),
    CONSTRAINT posts_name_check CHECK (char_length(name) BETWEEN 1 AND 100),
    CONSTRAINT posts_level_check CHECK (level BETWEEN 1 AND 6),
    CONSTRAINT posts_area_check CHECK (area ~ '^[0-9]{6,18}$')
);
CREATE INDEX posts_area_idx ON posts (area text_pattern_ops, post);

CREATE TABLE devices (
    device_id uuid NOT NULL,
    post integer NOT NULL,
    -- SubjectPublicKeyInfo, DER.
    public_key bytea NOT NULL,
    label text NOT NULL,
    enrolled_at timestamptz NOT NULL,
    revoked boolean NOT NULL DEFAULT false,
    CONSTRAINT devices_pkey PRIMARY KEY (device_id),
    -- Two devices with one key could answer for each other's batches.
    CONSTRAINT devices_public_key_key UNIQUE (public_key),
    CONSTRAINT devices_post_fkey FOREIGN KEY (post) REFERENCES posts (post)
);
CREATE INDEX devices_post_idx ON devices (post);

-- What a post checks (product C2, C3). Rows are added, never changed.
CREATE TABLE scan_policies (
    version integer NOT NULL,
    temperature_required boolean NOT NULL,
    high_temperature_decicelsius smallint NOT NULL DEFAULT 373,
    codes_required boolean NOT NULL,
    registration_required boolean NOT NULL,
    list_max_age_seconds integer NOT NULL DEFAULT 43200,
    effective_from timestamptz NOT NULL,
    CONSTRAINT scan_policies_pkey PRIMARY KEY (version),
    CONSTRAINT scan_policies_temperature_check CHECK (high_temperature_decicelsius BETWEEN 350 AND 450),
    CONSTRAINT scan_policies_list_max_age_check CHECK (list_max_age_seconds BETWEEN 60 AND 86400)
);
INSERT INTO scan_policies (version, temperature_required, codes_required, registration_required, effective_from)
VALUES (1, true, true, true, '2020-01-01T00:00:00Z');

-- Grows with every change of the tables above, so that replicas know when to read them again.
CREATE TABLE reference_version (
    only_row boolean NOT NULL DEFAULT true,
    version bigint NOT NULL,
    CONSTRAINT reference_version_pkey PRIMARY KEY (only_row),
    CONSTRAINT reference_version_only_row_check CHECK (only_row)
);
INSERT INTO reference_version (version) VALUES (1);

DO $$
BEGIN
    EXECUTE format('GRANT SELECT, INSERT ON posts TO %I', current_schema());
    -- The key is bound once; a device only moves or is revoked.
    EXECUTE format('GRANT SELECT, INSERT, UPDATE (post, label, revoked) ON devices TO %I', current_schema());
    EXECUTE format('GRANT SELECT, INSERT ON scan_policies TO %I', current_schema());
    EXECUTE format('GRANT SELECT, UPDATE ON reference_version TO %I', current_schema());
END $$;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
