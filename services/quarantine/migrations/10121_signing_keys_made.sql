-- migrate:up

-- A first key is good from the beginning of time, so its period does not tell its age; whoever is to renew it needs that.
ALTER TABLE signing_keys ADD COLUMN made_at timestamptz NOT NULL DEFAULT now();

-- migrate:down
DO $$ BEGIN RAISE EXCEPTION 'migrations are forward-only'; END $$;
