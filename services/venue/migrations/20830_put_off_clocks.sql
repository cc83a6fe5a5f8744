-- migrate:up
-- A clock whose ringing failed is tried again then, and waits in nobody's way until that moment. Null: it never failed.

ALTER TABLE ladder_clocks ADD COLUMN retry_at timestamptz;
CREATE INDEX ladder_clocks_retry_idx ON ladder_clocks (due_at) WHERE retry_at IS NOT NULL;

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
