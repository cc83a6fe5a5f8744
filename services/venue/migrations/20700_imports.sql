-- migrate:up
-- Imports of venues from files, as jobs. A file is kept in parts until its job has ended; what was rejected stays.

CREATE TABLE imports (
    import_id uuid NOT NULL,
    area text COLLATE "C" NOT NULL,
    drill_id text NOT NULL,
    file_name text NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    -- 1 receiving, 2 queued, 3 running, 4 done, 5 failed.
    state smallint NOT NULL DEFAULT 1,
    bytes_received bigint NOT NULL DEFAULT 0,
    -- Where the job goes on: behind the last record that was worked off, and the line that begins there.
    bytes_read bigint NOT NULL DEFAULT 0,
    next_line integer NOT NULL DEFAULT 1,
    -- What the file turned out to be: its encoding, its delimiter, the field of each column.
    layout jsonb,
    rows_read integer NOT NULL DEFAULT 0,
    created integer NOT NULL DEFAULT 0,
    unchanged integer NOT NULL DEFAULT 0,
    rejected integer NOT NULL DEFAULT 0,
    failure text NOT NULL DEFAULT '',
    failure_line integer NOT NULL DEFAULT 0,
    ended_at timestamptz,
    CONSTRAINT imports_pkey PRIMARY KEY (import_id),
    CONSTRAINT imports_area_check CHECK (area ~ '^[0-9]{6,18}$'),
    CONSTRAINT imports_drill_check CHECK (drill_id ~ '^[a-z0-9-]{0,64}$'),
    CONSTRAINT imports_state_check CHECK (state BETWEEN 1 AND 5),
    CONSTRAINT imports_reconcile_check CHECK (rows_read = created + unchanged + rejected),
    CONSTRAINT imports_counts_check CHECK (created >= 0 AND unchanged >= 0 AND rejected >= 0),
    CONSTRAINT imports_size_check CHECK (bytes_received BETWEEN 0 AND 33554432 AND bytes_read BETWEEN 0 AND bytes_received),
    CONSTRAINT imports_failure_check CHECK ((state = 5) = (failure <> '')),
    CONSTRAINT imports_ended_check CHECK ((state IN (4, 5)) = (ended_at IS NOT NULL)),
    CONSTRAINT imports_running_check CHECK (state NOT IN (3, 4) OR layout IS NOT NULL)
);
CREATE INDEX imports_waiting_idx ON imports (created_at) WHERE state IN (2, 3);
CREATE INDEX imports_area_idx ON imports (area, created_at DESC, import_id);

CREATE TABLE import_parts (
    import_id uuid NOT NULL,
    starts bigint NOT NULL,
    size integer NOT NULL,
    digest bytea NOT NULL,
    last boolean NOT NULL,
    -- NULL once the job has ended.
    content bytea,
    CONSTRAINT import_parts_pkey PRIMARY KEY (import_id, starts),
    CONSTRAINT import_parts_import_fkey FOREIGN KEY (import_id) REFERENCES imports (import_id),
    CONSTRAINT import_parts_size_check CHECK (size BETWEEN 0 AND 1048576 AND (content IS NULL OR octet_length(content) = size)),
    CONSTRAINT import_parts_digest_check CHECK (octet_length(digest) = 32)
);

-- A rejected row has one entry for each fault; `fault` counts them.
CREATE TABLE import_faults (
    import_id uuid NOT NULL,
    line integer NOT NULL,
    fault smallint NOT NULL,
    column_name text NOT NULL,
    reason text NOT NULL,
    -- What stood there, cut short.
    excerpt text NOT NULL,
    CONSTRAINT import_faults_pkey PRIMARY KEY (import_id, line, fault),
    CONSTRAINT import_faults_import_fkey FOREIGN KEY (import_id) REFERENCES imports (import_id),
    CONSTRAINT import_faults_line_check CHECK (line > 0 AND fault > 0),
    CONSTRAINT import_faults_excerpt_check CHECK (length(excerpt) <= 60)
);

DO $$
BEGIN
    EXECUTE format('GRANT SELECT, INSERT ON imports, import_parts, import_faults TO %I', current_schema());
    EXECUTE format(
        'GRANT UPDATE (state, bytes_received, bytes_read, next_line, layout, rows_read, created, unchanged, rejected, failure, '
        'failure_line, ended_at) ON imports TO %I', current_schema());
    EXECUTE format('GRANT UPDATE (content) ON import_parts TO %I', current_schema());
END
$$;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
