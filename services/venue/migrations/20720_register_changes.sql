-- migrate:up
-- What becomes of a registered venue: who owns it, its further zones, its closing. Nothing is deleted.

-- One row for each owner after the other; the highest ordinal holds now.
CREATE TABLE venue_particulars (
    venue_id uuid NOT NULL,
    ordinal smallint NOT NULL,
    owner text NOT NULL,
    responsible_person text NOT NULL,
    licence text NOT NULL,
    operators text[] NOT NULL,
    since timestamptz NOT NULL,
    recorded_by text NOT NULL,
    CONSTRAINT venue_particulars_pkey PRIMARY KEY (venue_id, ordinal),
    CONSTRAINT venue_particulars_venue_fkey FOREIGN KEY (venue_id) REFERENCES venues (venue_id),
    CONSTRAINT venue_particulars_ordinal_check CHECK (ordinal BETWEEN 1 AND 1000),
    CONSTRAINT venue_particulars_licence_check CHECK (licence ~ '^[0-9A-Z]{0,18}$'),
    CONSTRAINT venue_particulars_owner_check CHECK (length(owner) <= 200 AND length(responsible_person) <= 100)
);
CREATE INDEX venue_particulars_licence_idx ON venue_particulars (licence) WHERE licence <> '';

ALTER TABLE venues
    ADD COLUMN closed_at timestamptz,
    ADD COLUMN closed_by text,
    ADD COLUMN closing_reason text,
    ADD COLUMN merged_into uuid,
    ADD CONSTRAINT venues_closed_check
        CHECK ((closed_at IS NULL) = (closed_by IS NULL) AND (closed_at IS NULL) = (closing_reason IS NULL)) NOT VALID,
    ADD CONSTRAINT venues_merged_check CHECK (merged_into IS NULL OR (closed_at IS NOT NULL AND merged_into <> venue_id)) NOT VALID,
    ADD CONSTRAINT venues_merged_fkey FOREIGN KEY (merged_into) REFERENCES venues (venue_id) NOT VALID;

-- A closed venue's zone cannot get a code again, whoever writes.
ALTER TABLE zones
    ADD COLUMN closed boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT zones_closed_check CHECK (NOT closed OR code IS NULL) NOT VALID;

DO $$
BEGIN
    EXECUTE format('GRANT SELECT, INSERT ON venue_particulars TO %I', current_schema());
    EXECUTE format('GRANT UPDATE (operators, closed_at, closed_by, closing_reason, merged_into) ON venues TO %I', current_schema());
    EXECUTE format('GRANT UPDATE (closed) ON zones TO %I', current_schema());
END
$$;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
