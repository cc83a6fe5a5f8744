-- migrate:up
-- The register of documents: each has a number that is the next of its issuing body, series and local year, without gaps. A number is
-- taken in the transaction that issues the document, so one that is rolled back leaves none.

CREATE TABLE document_counters (
    issuing_body text NOT NULL,
    series text NOT NULL,
    year smallint NOT NULL,
    last_number integer NOT NULL,
    CONSTRAINT document_counters_pkey PRIMARY KEY (issuing_body, series, year),
    CONSTRAINT document_counters_number_check CHECK (last_number > 0)
);

-- kind: as in the contract's DocumentKind; 1 to 6 are the ladder's papers. content: what is printed, for the template of that version.
-- A document is never changed: what becomes of it is told by the rows that refer to it.
CREATE TABLE documents (
    document_id uuid NOT NULL,
    kind smallint NOT NULL,
    venue_id uuid NOT NULL,
    drill_id text NOT NULL,
    -- What it comes from: the failed inspection, the obligation's template.
    source_id uuid,
    issuing_body text NOT NULL,
    series text NOT NULL,
    year smallint NOT NULL,
    number integer NOT NULL,
    template_version smallint NOT NULL,
    content jsonb NOT NULL,
    issued_at timestamptz NOT NULL,
    -- 128 random bits in the QR code: whoever has seen one document cannot guess another.
    verification_id text COLLATE "C" NOT NULL,
    -- Of a poster.
    zone integer,
    code_version integer,
    CONSTRAINT documents_pkey PRIMARY KEY (document_id),
    CONSTRAINT documents_number_key UNIQUE (issuing_body, series, year, number),
    CONSTRAINT documents_verification_key UNIQUE (verification_id),
    CONSTRAINT documents_poster_key UNIQUE (zone, code_version),
    CONSTRAINT documents_kind_check CHECK (kind BETWEEN 1 AND 9),
    CONSTRAINT documents_number_check CHECK (number > 0),
    CONSTRAINT documents_template_check CHECK (template_version > 0),
    CONSTRAINT documents_verification_check CHECK (verification_id ~ '^[a-z2-7]{26}$'),
    CONSTRAINT documents_poster_check CHECK ((kind = 9) = (zone IS NOT NULL) AND (kind = 9) = (code_version IS NOT NULL)),
    CONSTRAINT documents_zone_fkey FOREIGN KEY (zone) REFERENCES zones (zone),
    CONSTRAINT documents_venue_fkey FOREIGN KEY (venue_id, drill_id) REFERENCES venues (venue_id, drill_id),
    CONSTRAINT documents_counter_fkey FOREIGN KEY (issuing_body, series, year)
        REFERENCES document_counters (issuing_body, series, year)
);
CREATE INDEX documents_venue_idx ON documents (venue_id, issued_at);

DO $$
BEGIN
    EXECUTE format('GRANT SELECT, INSERT ON documents, document_counters TO %I', current_schema());
    EXECUTE format('GRANT UPDATE (last_number) ON document_counters TO %I', current_schema());
END
$$;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
