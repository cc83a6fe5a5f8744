-- migrate:up

-- Which version of the vault's key the draw's secret follows from, so that the key can be changed while draws are under way. What
-- was committed before followed from the first.
ALTER TABLE spot_checks ADD COLUMN key_version integer NOT NULL DEFAULT 1,
    ADD CONSTRAINT spot_checks_key_version_check CHECK (key_version BETWEEN 1 AND 65535) NOT VALID;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
