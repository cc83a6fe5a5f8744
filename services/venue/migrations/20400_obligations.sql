-- migrate:up
-- Letters of responsibility and notices of requirements: templates by two people, one document for each venue, proof of service,
-- acknowledgement. Rows are only added.

-- kind: 1 letter, 2 notice. category 0: all. A template in force for a venue is the one of the longest area, among these the one of its
-- category, and of that line the highest version.
CREATE TABLE obligation_templates (
    template_id uuid NOT NULL,
    kind smallint NOT NULL,
    area text COLLATE "C" NOT NULL,
    category smallint NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    requirements text[] NOT NULL,
    issuing_body text NOT NULL,
    drafted_by text NOT NULL,
    drafted_at timestamptz NOT NULL,
    CONSTRAINT obligation_templates_pkey PRIMARY KEY (template_id),
    CONSTRAINT obligation_templates_line_key UNIQUE (template_id, kind, area, category),
    CONSTRAINT obligation_templates_drafter_key UNIQUE (template_id, drafted_by),
    CONSTRAINT obligation_templates_kind_check CHECK (kind IN (1, 2)),
    CONSTRAINT obligation_templates_area_check CHECK (area ~ '^[0-9]{6,18}$'),
    CONSTRAINT obligation_templates_category_check CHECK (category BETWEEN 0 AND 13),
    CONSTRAINT obligation_templates_requirements_check CHECK (cardinality(requirements) BETWEEN 1 AND 20)
);

CREATE TABLE obligation_template_versions (
    template_id uuid NOT NULL,
    kind smallint NOT NULL,
    area text COLLATE "C" NOT NULL,
    category smallint NOT NULL,
    version integer NOT NULL,
    drafted_by text NOT NULL,
    approved_by text NOT NULL,
    approved_at timestamptz NOT NULL,
    CONSTRAINT obligation_template_versions_pkey PRIMARY KEY (template_id),
    CONSTRAINT obligation_template_versions_line_key UNIQUE (kind, area, category, version),
    CONSTRAINT obligation_template_versions_number_check CHECK (version > 0),
    CONSTRAINT obligation_template_versions_second_person_check CHECK (approved_by <> drafted_by),
    CONSTRAINT obligation_template_versions_template_fkey FOREIGN KEY (template_id, kind, area, category)
        REFERENCES obligation_templates (template_id, kind, area, category),
    CONSTRAINT obligation_template_versions_drafter_fkey FOREIGN KEY (template_id, drafted_by)
        REFERENCES obligation_templates (template_id, drafted_by)
);

CREATE TABLE obligations (
    obligation_id uuid NOT NULL,
    venue_id uuid NOT NULL,
    template_id uuid NOT NULL,
    CONSTRAINT obligations_pkey PRIMARY KEY (obligation_id),
    CONSTRAINT obligations_once_key UNIQUE (venue_id, template_id),
    CONSTRAINT obligations_document_fkey FOREIGN KEY (obligation_id) REFERENCES documents (document_id),
    CONSTRAINT obligations_venue_fkey FOREIGN KEY (venue_id) REFERENCES venues (venue_id),
    CONSTRAINT obligations_template_fkey FOREIGN KEY (template_id) REFERENCES obligation_template_versions (template_id)
);

-- method: 1 in person, 2 app, 3 post, 4 refused. served_at is the device's time, recorded_at ours.
CREATE TABLE obligation_services (
    obligation_id uuid NOT NULL,
    ordinal smallint NOT NULL,
    method smallint NOT NULL,
    served_by text NOT NULL,
    witness text NOT NULL,
    served_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    photo_sha256 bytea,
    tracking_number text NOT NULL,
    CONSTRAINT obligation_services_pkey PRIMARY KEY (obligation_id, ordinal),
    CONSTRAINT obligation_services_obligation_fkey FOREIGN KEY (obligation_id) REFERENCES obligations (obligation_id),
    CONSTRAINT obligation_services_method_check CHECK (method BETWEEN 1 AND 4),
    CONSTRAINT obligation_services_ordinal_check CHECK (ordinal BETWEEN 1 AND 20),
    CONSTRAINT obligation_services_photo_check CHECK (photo_sha256 IS NULL OR octet_length(photo_sha256) = 32),
    CONSTRAINT obligation_services_proof_check CHECK (
        CASE method
            WHEN 1 THEN photo_sha256 IS NOT NULL
            WHEN 3 THEN tracking_number <> ''
            WHEN 4 THEN photo_sha256 IS NOT NULL AND witness <> ''
            ELSE true
        END
    ),
    CONSTRAINT obligation_services_witness_check CHECK (witness <> served_by)
);

CREATE TABLE obligation_acknowledgements (
    obligation_id uuid NOT NULL,
    -- What is acknowledged was served.
    ordinal smallint NOT NULL DEFAULT 1,
    acknowledged_by text NOT NULL,
    acknowledged_at timestamptz NOT NULL,
    CONSTRAINT obligation_acknowledgements_pkey PRIMARY KEY (obligation_id),
    CONSTRAINT obligation_acknowledgements_served_fkey FOREIGN KEY (obligation_id, ordinal)
        REFERENCES obligation_services (obligation_id, ordinal)
);

DO $$
BEGIN
    EXECUTE format(
        'GRANT SELECT, INSERT ON obligation_templates, obligation_template_versions, obligations, obligation_services, '
        'obligation_acknowledgements TO %I', current_schema());
END
$$;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
