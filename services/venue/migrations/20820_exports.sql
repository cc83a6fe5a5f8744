-- migrate:up
-- Files for spreadsheets: who exported what, when and what for stays; the file itself is kept for a day.

CREATE TABLE exports (
    export_id uuid NOT NULL,
    table_kind smallint NOT NULL,
    format smallint NOT NULL,
    area text COLLATE "C" NOT NULL,
    category smallint NOT NULL,
    drill_id text NOT NULL,
    row_count integer NOT NULL,
    bytes integer NOT NULL,
    sha256 bytea NOT NULL,
    file_name text NOT NULL,
    exported_by text NOT NULL,
    exported_at timestamptz NOT NULL,
    purpose text NOT NULL,
    purpose_ref text NOT NULL,
    CONSTRAINT exports_pkey PRIMARY KEY (export_id),
    CONSTRAINT exports_table_check CHECK (table_kind BETWEEN 1 AND 4 AND format BETWEEN 1 AND 2),
    CONSTRAINT exports_count_check CHECK (row_count >= 0 AND bytes > 0),
    CONSTRAINT exports_digest_check CHECK (octet_length(sha256) = 32),
    CONSTRAINT exports_purpose_check CHECK (purpose <> '' AND purpose_ref <> '' AND exported_by <> '')
);
CREATE INDEX exports_area_idx ON exports (area, exported_at, export_id);

CREATE TABLE export_parts (
    export_id uuid NOT NULL,
    starts integer NOT NULL,
    content bytea NOT NULL,
    made_at timestamptz NOT NULL,
    CONSTRAINT export_parts_pkey PRIMARY KEY (export_id, starts),
    CONSTRAINT export_parts_export_fkey FOREIGN KEY (export_id) REFERENCES exports (export_id),
    CONSTRAINT export_parts_size_check CHECK (octet_length(content) BETWEEN 1 AND 524288)
);
CREATE INDEX export_parts_made_idx ON export_parts (made_at);

DO $$
BEGIN
    EXECUTE format('GRANT SELECT, INSERT ON exports TO %I', current_schema());
    EXECUTE format('GRANT SELECT, INSERT, DELETE ON export_parts TO %I', current_schema());
END
$$;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
