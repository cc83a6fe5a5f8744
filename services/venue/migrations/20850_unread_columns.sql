-- migrate:up
-- Two columns that nobody reads are no longer written. The version before still writes them, so they stay until a version after
-- this one drops them.

ALTER TABLE zone_occupancy ALTER COLUMN category SET DEFAULT 0;
COMMENT ON COLUMN zone_occupancy.category IS 'not written since 20850';
COMMENT ON COLUMN ladder_heads.last_ordinal IS 'not written since 20850';

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
