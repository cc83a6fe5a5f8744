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

-- kind: 1 inspection form, 2 rectification notice, 3 yellow card, 4 red card, 5 suspension decision, 6 seal, as in the contract's
-- LadderPaper; others are added by later migrations. content: what is printed, for the template of that version.
CREATE TABLE documents (
    document_id uuid NOT NULL,
    kind smallint NOT NULL,
    venue_id uuid NOT NULL,
    drill_id text NOT NULL,
    -- What it comes from: the failed inspection.
    source_id uuid,
    issuing_body text NOT NULL,
    series text NOT NULL,
    year smallint NOT NULL,
    number integer NOT NULL,
    template_version smallint NOT NULL,
    content jsonb NOT NULL,
    issued_at timestamptz NOT NULL,
    CONSTRAINT documents_pkey PRIMARY KEY (document_id),
    CONSTRAINT documents_number_key UNIQUE (issuing_body, series, year, number),
    CONSTRAINT documents_number_check CHECK (number > 0),
    CONSTRAINT documents_template_check CHECK (template_version > 0),
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
